"""Which sample goes where, tried out over all small cases."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from ppcls.data import SAMPLERS
from ppcls.data.samplers.base import (
    Batching,
    BatchSampler,
    ClassAwareSampler,
    DistributedBatchSampler,
    RepeatedAugSampler,
)
from ppcls.registry import Facts, Part

CASES = list(itertools.product(range(1, 14), (1, 2, 3, 4), (1, 2, 3)))  # samples, ranks, batch size


def ranks(samples: int, world: int, batch_size: int, *, exact: bool, epoch: int = 3, **options: bool) -> list:
    """All batches of all ranks, as lists."""
    samplers = [
        BatchSampler([0] * samples, 7, rank, world, exact, Batching(batch_size=batch_size, **options))
        for rank in range(world)
    ]
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
    sampler = DistributedBatchSampler([0] * 13, 0, 1, 2, False, Batching(batch_size=3, shuffle=True))
    everything = [batch.tolist() for batch in sampler.batches(5)]
    for skip in range(len(sampler) + 1):
        assert [batch.tolist() for batch in sampler.batches(5, skip=skip)] == everything[skip:]


def test_the_order_depends_on_epoch_and_seed_only_and_shuffles_well() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        (batch,) = BatchSampler([0] * 1000, seed, 0, 1, False, Batching(batch_size=1000, shuffle=True)).batches(epoch)
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
        BatchSampler([0] * samples, 0, 0, 2, exact, Batching(**options))


def epoch_of(kind: type, labels: list, world: int, batch_size: int, epoch: int = 3, **options: object) -> list:
    """All batches of all ranks of a training epoch, as lists."""
    part = Part(kind.__name__, {"batch_size": batch_size, **options})
    facts = Facts(labels=labels, seed=7, world_size=world, exact=False)
    samplers = [SAMPLERS.build(part, dataclasses.replace(facts, rank=rank)) for rank in range(world)]
    found = [[batch.tolist() for batch in sampler.batches(epoch)] for sampler in samplers]
    assert [[len(batch) for batch in batches] for batches in found] == [
        [sampler.size(number) for number in range(len(sampler))] for sampler in samplers
    ]
    return found


def flat(found: list) -> list[int]:
    return [draw for batches in found for batch in batches for draw in batch]


def test_repeated_augmentation_draws_a_part_of_the_samples_several_times_each() -> None:
    for samples, world, batch_size in CASES:
        found = epoch_of(RepeatedAugSampler, [0] * samples, world, batch_size, shuffle=True, selected_round=2)
        draws = flat(found)
        num_draws = samples - samples % 2 or samples
        assert len(set(draws)) == num_draws  # what is padded comes twice
        times = np.bincount([draw % samples for draw in set(draws)])
        assert sorted(times[times > 0])[1:] == [3] * (len(times[times > 0]) - 1)
        assert times.max() <= 3 and math.ceil(num_draws / 3) == np.count_nonzero(times)


def test_repetitions_of_a_sample_are_in_the_same_full_batch_on_different_ranks() -> None:
    found = epoch_of(RepeatedAugSampler, [0] * 512, 4, 12, shuffle=True)
    for step in range(512 // 48):
        ranks_of: dict[int, list[int]] = {}
        for rank, batches in enumerate(found):
            for draw in batches[step]:
                ranks_of.setdefault(draw % 512, []).append(rank)
        assert all(len(set(places)) == len(places) == 3 for places in ranks_of.values())


def test_an_epoch_of_repeated_augmentation_is_rounded_down_only_where_there_is_enough() -> None:
    lengths = {samples: len(flat(epoch_of(RepeatedAugSampler, [0] * samples, 1, 1))) for samples in (5, 256, 300, 700)}
    assert lengths == {5: 5, 256: 256, 300: 256, 700: 512}


def test_class_aware_sampling_takes_all_classes_equally_often() -> None:
    rng = np.random.default_rng(0)
    for samples, world, batch_size in CASES:
        labels = (10 * rng.integers(0, 4, samples)).tolist()
        found = epoch_of(ClassAwareSampler, labels, world, batch_size)
        draws = sorted(set(flat(found)))
        assert len(draws) == samples
        counts = [sum(labels[draw % samples] == name for draw in draws) for name in set(labels)]
        assert max(counts) - min(counts) <= 1
        for name in set(labels):
            times = [
                sum(draw % samples == index for draw in draws) for index in range(samples) if labels[index] == name
            ]
            assert max(times) - min(times) <= 1
        for draw in draws:  # each time that a sample is drawn has its own number
            assert draw < samples or draw - samples in draws


def test_rare_classes_are_in_every_batch_that_has_room_for_all() -> None:
    labels = [0] * 900 + [1] * 97 + [2] * 3
    for batch in epoch_of(ClassAwareSampler, labels, 1, 30)[0][:-1]:
        assert np.bincount([labels[draw % 1000] for draw in batch]).tolist() == [10, 10, 10]


@pytest.mark.parametrize("kind", [RepeatedAugSampler, ClassAwareSampler])
def test_every_sampler_is_a_function_of_seed_and_epoch_and_can_be_resumed(kind: type) -> None:
    labels = [0, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    one, same, later = (epoch_of(kind, labels, 2, 2, epoch, shuffle=True) for epoch in (3, 3, 4))
    assert one == same != later
    sampler = kind(labels, 7, 1, 2, False, Batching(batch_size=2, shuffle=True))
    for skip in range(len(sampler) + 1):
        assert [batch.tolist() for batch in sampler.batches(3, skip=skip)] == one[1][skip:]
    (alone,) = epoch_of(kind, labels, 1, 4, shuffle=True)
    for step, batch in enumerate(alone):
        together = [draw for batches in one for draw in batches[step]]
        assert set(together) == set(batch) or step == len(alone) - 1
    assert epoch_of(kind, labels, 1, 4, 3) == epoch_of(kind, labels, 1, 4, 3)


def test_without_shuffling_samples_keep_their_order() -> None:
    assert flat(epoch_of(RepeatedAugSampler, [0] * 5, 1, 5, num_repeats=2)) == [0, 5, 1, 6, 2]
    assert flat(epoch_of(ClassAwareSampler, [4, 4, 4, 9], 1, 4, shuffle=False)) == [0, 3, 1, 7]


@pytest.mark.parametrize(
    ("kind", "labels", "exact", "options", "message"),
    [
        (RepeatedAugSampler, [0], True, {}, "for training; received it for an evaluation"),
        (ClassAwareSampler, [0], True, {}, "for training; received it for an evaluation"),
        (RepeatedAugSampler, [0], False, {"num_repeats": 0}, "num_repeats: must be at least 1"),
        (RepeatedAugSampler, [0], False, {"selected_round": 0}, "selected_round: must be at least 1"),
        (ClassAwareSampler, [[0, 1]], False, {}, "labels: it needs one class per image; received 2"),
    ],
)
def test_what_a_sampler_can_not_do_is_refused(
    kind: type, labels: list, exact: bool, options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(labels, 0, 0, 1, exact, Batching(batch_size=1), **options)
