"""From the loss of batches to updates of the weights."""

from collections.abc import Mapping

import paddle

from ppcls.batch import Batch
from ppcls.data.loader.loader import Loader
from ppcls.engine import ranks
from ppcls.engine.guard import Guard
from ppcls.engine.state import TrainState
from ppcls.losses.base import total_of


class Updates:
    """Adds up the gradients of `update_freq` batches, a group, and applies them.

    A group's gradients are those of the mean loss of its samples, on all ranks. The last group of an epoch, and its
    last batch, may be smaller.
    """

    def __init__(self, state: TrainState, guard: Guard, loader: Loader, update_freq: int, num_batches: int) -> None:
        self.state, self.guard, self.loader = state, guard, loader
        self.gradients = guard.gradients
        self.update_freq, self.num_batches = update_freq, num_batches
        self.num_samples = 0  # that have come of the group at hand, on this rank

    def accumulate(self, batch: Batch, terms: Mapping[str, paddle.Tensor]) -> None:
        """Add the gradients of one batch; update if it ends a group."""
        loss = total_of(terms)
        # A loss that is not finite must make the gradients so, which then are on all ranks.
        share = len(batch) / self._group_size() + 0 * loss.detach()
        self.state.scaler.scale(loss * share).backward()
        self.num_samples += len(batch)
        if self.ends_group:
            self._update()
        self.state.batches_done += 1

    @property
    def ends_group(self) -> bool:
        """Whether the batch at hand is the last one of its group."""
        done = self.state.batches_done + 1
        return done % self.update_freq == 0 or done == self.num_batches

    def _update(self) -> None:
        """Apply the gradients. The order of these lines is the contract of every schedule and average."""
        state = self.state
        state.schedule.set_rate(state.optimizer, state.step)  # the rate of this update, not of the one before
        state.scaler.unscale_(state.optimizer)
        self._weigh()
        state.norm = self.gradients.norm()
        self.guard.check(state.norm)  # before clipping, which divides by the norm
        self.gradients.clip(state.norm)
        state.scaler.step(state.optimizer)  # skips an update that overflowed
        state.scaler.update()
        state.optimizer.clear_grad(set_to_zero=False)
        state.share_statistics()
        state.ema.update()  # after the weights and the statistics have moved
        state.step += 1

    def _weigh(self) -> None:
        """Let each sample count the same, on whichever rank, where some did not come (`skip_corrupt`)."""
        if self.loader.dataset.skip_corrupt:
            share = paddle.to_tensor(self.num_samples / self._group_size(), "float32")
            ranks.average_over_ranks([share])
            self.gradients.divide(share)
        self.num_samples = 0

    def _group_size(self) -> int:
        """Return the samples of the group at hand on each rank, if all come."""
        done = self.state.batches_done
        start = done - done % self.update_freq
        end = min(start + self.update_freq, self.num_batches)
        return sum(self.loader.batch_size(batch) for batch in range(start, end))
