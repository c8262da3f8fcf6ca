"""Batches of some identities with some images of each, for losses on pairs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import numpy as np

from ppcls.data.samplers.base import DistributedBatchSampler, Draws, Labels, ShuffledBatching, by_label, for_training


@dataclass(frozen=True)
class WholeBatching(ShuffledBatching):
    """The same, without a smaller last batch unless the config says otherwise."""

    drop_last: bool = True


class PKSampler(DistributedBatchSampler):
    """Each batch of a rank has `batch_size / sample_per_id` different identities, with so many images of each in a row.

    An image comes twice in a batch only where its identity has too few. `sample_avg_prob`: identities are drawn as
    often as their number of images says; `id_avg_prob`: all alike. Those from `id_list[0]` to `id_list[1]` are drawn
    `ratio[0]` times as often, and so on. An epoch has as many draws as there are images.
    Source: arXiv 1703.07737, section 2.
    """

    # The argument that says how many images of each there are.
    per_id_name: ClassVar[str] = "sample_per_id"

    def __init__(
        self,
        labels: Labels,
        seed: int,
        rank: int,
        world_size: int,
        exact: bool,
        batching: WholeBatching,
        *,
        sample_per_id: int,
        sample_method: Literal["sample_avg_prob", "id_avg_prob"] = "sample_avg_prob",
        id_list: Sequence[int] = (),
        ratio: Sequence[float] = (),
    ) -> None:
        for_training(exact)
        batch_size = batching.batch_size
        if sample_per_id < 1 or batch_size % sample_per_id:
            raise ValueError(
                f"{self.per_id_name}: must divide batch_size; received {sample_per_id} for batch_size {batch_size}"
            )
        if len(id_list) != 2 * len(ratio) or min(ratio, default=1.0) < 0:
            raise ValueError(
                f"id_list, ratio: must be a first and a last identity for each number; received {list(id_list)} and "
                f"{list(ratio)}"
            )
        if not batching.shuffle:
            raise ValueError("shuffle: identities are drawn; received False; omit it")
        super().__init__(labels, seed, rank, world_size, exact, batching)
        ids, self._members = by_label(labels)
        self._per_id = sample_per_id
        sizes = [len(members) if sample_method == "sample_avg_prob" else 1 for members in self._members]
        chances = np.array(sizes, float)
        for number, first, last in zip(ratio, id_list[::2], id_list[1::2]):
            chances[(ids >= first) & (ids <= last)] *= number
        self._chances, num_drawn = chances / chances.sum(), np.count_nonzero(chances)
        if num_drawn < batch_size // sample_per_id:
            raise ValueError(
                f"batch_size: {batch_size // sample_per_id} identities a batch, and there are {num_drawn}; "
                f"lower batch_size or raise {self.per_id_name}"
            )

    def _order(self, rng: np.random.Generator) -> Draws:
        batches = -(-self._num_draws // self.batch_size)
        order = np.concatenate([self._batch(rng) for _ in range(batches)])[: self._num_draws]
        return _numbered(order, self._num_samples)

    def _batch(self, rng: np.random.Generator) -> Draws:
        chosen = rng.choice(len(self._members), self.batch_size // self._per_id, replace=False, p=self._chances)
        return np.concatenate([self._images(self._members[identity], rng) for identity in chosen])

    def _images(self, members: Draws, rng: np.random.Generator) -> Draws:
        return rng.choice(members, self._per_id, replace=len(members) < self._per_id)


class DistributedRandomIdentitySampler(PKSampler):
    """PKSampler in which the images of an identity come one after the other, until all were there.

    `num_instances` images of each identity are in a batch; an identity is as likely as its images that are left.
    """

    per_id_name = "num_instances"

    def __init__(
        self,
        labels: Labels,
        seed: int,
        rank: int,
        world_size: int,
        exact: bool,
        batching: ShuffledBatching,
        *,
        num_instances: int,
    ) -> None:
        super().__init__(
            labels, seed, rank, world_size, exact, WholeBatching(**asdict(batching)), sample_per_id=num_instances
        )

    def _order(self, rng: np.random.Generator) -> Draws:
        waiting = [self._groups(members, rng) for members in self._members]
        left = np.array([len(groups) for groups in waiting], float)
        order: list[Draws] = []
        per_batch = self.batch_size // self._per_id
        while len(order) * self._per_id < self._num_draws:
            if np.count_nonzero(left) < per_batch:
                waiting = [self._groups(members, rng) for members in self._members]
                left = np.array([len(groups) for groups in waiting], float)
            for identity in rng.choice(len(left), per_batch, replace=False, p=left / left.sum()):
                order.append(waiting[identity].pop())
                left[identity] -= 1
        return _numbered(np.concatenate(order)[: self._num_draws], self._num_samples)

    def _groups(self, members: Draws, rng: np.random.Generator) -> list[Draws]:
        if len(members) < self._per_id:
            return [self._images(members, rng)]
        shuffled = rng.permutation(members)
        return [*shuffled[: len(shuffled) // self._per_id * self._per_id].reshape(-1, self._per_id)]


def _numbered(order: Draws, num_samples: int) -> Draws:
    """Return the draws of samples: what comes again has a number, and so an augmentation, of its own."""
    places = np.argsort(order, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(order[places]) != 0])
    passes = np.empty(len(order), np.int64)
    passes[places] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return order + passes * num_samples
