"""Everything that changes while training; what a checkpoint holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.engine import ranks
from ppcls.engine.checkpoints import Checkpoint
from ppcls.engine.ema import Ema, NoEma
from ppcls.engine.precision import LossScaler
from ppcls.optim.schedule import Schedule
from ppcls.optim.state import load_optimizer_state, optimizer_state, refuse_misfits

# The fields of a TrainState that are kept as they are.
PLAIN = ("epoch", "batches_done", "step", "best_metric", "num_worse", "results", "averages")


def weights_of(model: nn.Layer) -> dict[str, NDArray[Any]]:
    """Return the model's state dict as numpy; 16-bit floating-point entries widened to float32."""
    return {
        name: (value.astype("float32") if _is_16_bit(value) else value).numpy()
        for name, value in model.state_dict().items()
    }


def _is_16_bit(value: paddle.Tensor) -> bool:
    return value.dtype in (paddle.float16, paddle.bfloat16)


@dataclass
class TrainState:
    """The state of a training run between two batches.

    `epoch` counts finished epochs, `batches_done` the batches of the running one, `step` optimizer updates.
    """

    model: nn.Layer
    optimizer: Any
    schedule: Schedule
    scaler: LossScaler
    ema: Union[Ema, NoEma]
    epoch: int = 0
    batches_done: int = 0
    step: int = 0
    best_metric: Optional[float] = None
    num_worse: int = 0  # evaluations since the best one
    results: dict[str, float] = field(default_factory=dict)  # of the last evaluation
    averages: dict[str, Any] = field(default_factory=dict)  # of the running epoch, when it was saved
    norm: Any = None  # of the gradients of the last update: a scalar tensor, or a number after a resume

    def __post_init__(self) -> None:
        # What no gradient keeps equal on all ranks: the running statistics of batch norms.
        entries = self.model.state_dict(use_hook=False).values()
        self.statistics = [entry for entry in entries if entry.stop_gradient and entry.is_floating_point()]

    def end_epoch(self) -> None:
        """Count the running epoch as finished, its evaluation included."""
        self.epoch, self.batches_done, self.averages = self.epoch + 1, 0, {}

    def share_statistics(self) -> None:
        """Average the running statistics over the ranks: all hold, evaluate and save one and the same model."""
        ranks.average_over_ranks(self.statistics)

    def checkpoint(self, **about: Any) -> Checkpoint:
        """Return all of it as numpy arrays and plain values; `about` is kept beside it.

        The weights to use are the averaged ones where there is an average; those being trained then go
        beside the optimizer's state.
        """
        trained, averages = weights_of(self.model), self.ema.state_dict()
        optimizer: dict[str, Any] = {"optimizer": optimizer_state(self.optimizer, self.model)}
        if averages:
            optimizer["weights"] = trained
        states = {name: getattr(self, name) for name in PLAIN}
        states["norm"] = None if self.norm is None else float(self.norm)
        states["schedule"] = self.schedule.state_dict()
        states["scaler"] = _plain(self.scaler.state_dict())
        return Checkpoint(averages or trained, optimizer, {**states, **about})

    def restore(self, saved: Checkpoint) -> None:
        """Continue from a checkpoint. Raises CheckpointError if it is of another model or optimizer."""
        averages = saved.weights if "weights" in saved.optimizer else {}
        trained = saved.optimizer.get("weights", saved.weights)
        refuse_misfits("checkpoint: weights", self.model.state_dict(), trained)
        self.ema.load_state_dict(averages)
        load_optimizer_state(self.optimizer, self.model, saved.optimizer["optimizer"])
        for name, entry in self.model.state_dict(use_hook=False).items():
            entry.set_value(paddle.to_tensor(trained[name]).astype(entry.dtype))  # back to 16 bits where it was
        self.schedule.load_state_dict(saved.states["schedule"])
        if saved.states["scaler"]:
            self.scaler.load_state_dict(saved.states["scaler"])
        for name in PLAIN:
            setattr(self, name, saved.states.get(name, getattr(self, name)))  # earlier versions did not keep all
        self.norm = saved.states.get("norm")


def _plain(scaler_state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.numpy() if isinstance(value, paddle.Tensor) else value for name, value in scaler_state.items()}
