"""What a running training tells, and the one answer that it listens to."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Callable, Union


@dataclass(frozen=True)
class Trained:
    """Some batches of an epoch are done; `values` are averages of the epoch so far, the learning rate and the speed."""

    epoch: int
    batch: int
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Evaluated:
    """An evaluation after an epoch, named `eval` if it is the first one."""

    name: str
    epoch: int
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Stop:
    """What `on_event` returns, or this class, to end the training; the same call resumes it."""


Event = Union[Trained, Evaluated]
OnEvent = Callable[[Event], Any]


class Listener:
    """Takes a run's numbers (`log.Scalars`) and hands them on as events; these are copies, so nothing flows back."""

    def __init__(self, on_event: OnEvent, stop: Callable[[], None]) -> None:
        self.on_event = on_event
        self.stop = stop

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        rest = {name: value for name, value in values.items() if name not in ("epoch", "batch")}
        frozen, epoch = MappingProxyType(rest), int(values["epoch"])
        event: Event = Evaluated(phase, epoch, step, frozen)
        if phase == "train":
            event = Trained(epoch, int(values["batch"]), step, frozen)
        answer = self.on_event(event)
        if answer is Stop or isinstance(answer, Stop):
            self.stop()

    def close(self) -> None:
        """Nothing is held back."""
