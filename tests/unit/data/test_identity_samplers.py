"""Batches of some identities with some images of each."""

from typing import Any

import numpy as np
import pytest

from ppcls.data import SAMPLERS
from ppcls.errors import ConfigError
from ppcls.registry import Facts, Part

LABELS = np.repeat(np.arange(10), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
NAMES = {"PKSampler": "sample_per_id", "DistributedRandomIdentitySampler": "num_instances"}


def sampler(name: str, *, rank: int = 0, world_size: int = 1, exact: bool = False, **arguments: Any) -> Any:
    facts = Facts(labels=LABELS, seed=3, rank=rank, world_size=world_size, exact=exact)
    return SAMPLERS.build(Part(name, {"batch_size": 12, NAMES[name]: 4, "drop_last": True, **arguments}), facts)


@pytest.mark.parametrize("name", NAMES)
def test_each_batch_has_so_many_images_of_so_many_identities(name: str) -> None:
    for batch in sampler(name).batches(0):
        groups = LABELS[batch % len(LABELS)].reshape(3, 4)
        assert (groups == groups[:, :1]).all() and len(set(groups[:, 0])) == 3


@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_is_its_own_and_the_same_each_time_also_from_its_middle(name: str) -> None:
    first, again, other = (list(sampler(name).batches(epoch)) for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first[2:], list(sampler(name).batches(0, skip=2)))
    assert len(first) == len(LABELS) // 12


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_share_the_batches_of_one_order(name: str) -> None:
    ranks = [list(sampler(name, rank=rank, world_size=2).batches(0)) for rank in (0, 1)]
    both = [batch for pair in zip(*ranks) for batch in pair]
    np.testing.assert_array_equal(both, list(sampler(name).batches(0))[: len(both)])


def test_what_comes_twice_in_an_epoch_gets_another_augmentation() -> None:
    draws = np.concatenate(list(sampler("PKSampler").batches(0)))
    assert len(set(draws.tolist())) == len(draws)


def test_random_identities_go_through_all_their_images() -> None:
    found = sampler("DistributedRandomIdentitySampler", batch_size=4, num_instances=2)
    draws = np.concatenate(list(found.batches(0)))
    counts = np.bincount(draws % len(LABELS), minlength=len(LABELS))
    assert counts.max() <= 2 and (counts > 0).mean() > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_what_can_not_be_is_refused(name: str) -> None:
    key = NAMES[name]
    with pytest.raises(ConfigError, match=f"{key}: must divide batch_size; received 5 for batch_size 12"):
        sampler(name, **{key: 5})
    with pytest.raises(ConfigError, match="12 identities a batch, and there are 10; lower batch_size"):
        sampler(name, **{key: 1})
    with pytest.raises(ConfigError, match="it is for training"):
        sampler(name, exact=True)


def test_some_identities_are_drawn_more_often_where_that_is_wanted() -> None:
    found = sampler("PKSampler", sample_method="id_avg_prob", id_list=[0, 4], ratio=[0.0])
    assert LABELS[np.concatenate(list(found.batches(0))) % len(LABELS)].min() > 4
    with pytest.raises(ConfigError, match="id_list, ratio: must be a first and a last identity for each number"):
        sampler("PKSampler", id_list=[0], ratio=[2.0])
