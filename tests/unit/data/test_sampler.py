"""Which sample goes where, tried out over all small cases."""

import itertools

import numpy as np
import pytest

from ppcls.data.sampler import BatchSampler, DistributedBatchSampler

CASES = list(itertools.product(range(1, 14), (1, 2, 3, 4), (1, 2, 3)))  # samples, ranks, batch size


def ranks(samples: int, world: int, batch_size: int, *, exact: bool, epoch: int = 3, **options: bool) -> list:
    """All batches of all ranks, as lists."""
    samplers = [BatchSampler(samples, 7, rank, world, exact, batch_size=batch_size, **options) for rank in range(world)]
    found = [[batch.tolist() for batch in sampler.batches(epoch)] for sampler in samplers]
    assert [len(batches) for batches in found] == [len(sampler) for sampler in samplers]
    return found


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_exact_epoch_has_every_sample_once(shuffle: bool) -> None:
    for samples, world, batch_size in CASES:
        found = ranks(samples, world, batch_size, exact=True, shuffle=shuffle)
        assert sorted(sum(sum(found, []), [])) == list(range(samples))


def test_a_training_epoch_gives_all_ranks_the_same_number_of_steps_and_samples() -> None:
    for samples, world, batch_size in CASES:
        found = ranks(samples, world, batch_size, exact=False, shuffle=True)
        assert len({tuple(map(len, batches)) for batches in found}) == 1
        everything = sum(sum(found, []), [])
        assert set(everything) == set(range(samples))
        assert len(everything) - samples < world


def test_drop_last_leaves_full_batches_only() -> None:
    for samples, world, batch_size in CASES:
        if samples >= world * batch_size:
            found = ranks(samples, world, batch_size, exact=False, shuffle=True, drop_last=True)
            assert {len(batch) for batches in found for batch in batches} == {batch_size}
            assert len(set(sum(sum(found, []), []))) == samples // (world * batch_size) * world * batch_size


def test_ranks_together_see_the_global_batches_of_one_process() -> None:
    for samples, world, batch_size in CASES:
        found = ranks(samples, world, batch_size, exact=False, shuffle=True)
        (alone,) = ranks(samples, 1, world * batch_size, exact=False, shuffle=True)
        for step, batch in enumerate(alone):
            together = sum((batches[step] for batches in found), [])
            assert together[: len(batch)] == batch


def test_skipping_resumes_in_the_middle_of_the_same_epoch() -> None:
    sampler = DistributedBatchSampler(13, 0, 1, 2, False, batch_size=3, shuffle=True)
    everything = [batch.tolist() for batch in sampler.batches(5)]
    for skip in range(len(sampler) + 1):
        assert [batch.tolist() for batch in sampler.batches(5, skip=skip)] == everything[skip:]


def test_the_order_depends_on_epoch_and_seed_only_and_shuffles_well() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        (batch,) = BatchSampler(1000, seed, 0, 1, False, batch_size=1000, shuffle=True).batches(epoch)
        return batch.tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(4) for epoch in range(4)}) == 16
    assert abs(np.corrcoef(order(0, 0), np.arange(1000))[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("samples", "exact", "options", "message"),
    [
        (5, False, {"batch_size": 0}, "batch_size: must be at least 1; received 0"),
        (
            5,
            False,
            {"batch_size": 3, "drop_last": True},
            "no batch; received 5 samples for 2 ranks of batch_size 3",
        ),
        (0, True, {"batch_size": 3}, "no batch; received 0 samples"),
        (5, True, {"batch_size": 1, "drop_last": True}, "drop_last: an evaluation must see every sample"),
    ],
)
def test_an_epoch_that_would_have_no_batch_is_refused(samples: int, exact: bool, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchSampler(samples, 0, 0, 2, exact, **options)
