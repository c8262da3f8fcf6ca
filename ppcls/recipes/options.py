"""What a user may say beside the images."""

import shlex
from dataclasses import dataclass, fields
from typing import Any, Literal, Optional

from ppcls.errors import ConfigError, did_you_mean
from ppcls.models import ARCHITECTURES

SIZES_PX = (16, 1024)


@dataclass(frozen=True)
class Options:
    """Choices of the user; what is None is chosen for the data and the machine.

    Raises ConfigError for values that can't be.
    """

    model: Optional[str] = None
    epochs: Optional[int] = None
    minutes: Optional[float] = None
    patience: Optional[int] = None  # evaluations without a better first metric
    size: Optional[int] = None  # pixels
    freeze: Optional[Literal["backbone"]] = None
    labels: Optional[Literal["single", "multi"]] = None  # None: as the data are written
    override: tuple[str, ...] = ()  # "Global.seed=1", as after -o

    def __post_init__(self) -> None:
        if self.model is not None and self.model not in ARCHITECTURES:
            hint = did_you_mean(self.model, ARCHITECTURES.names()) or "; `ppcls.list_models` has all of them"
            raise ConfigError(f"model: there is no '{self.model}'{hint}")
        _require("freeze", self.freeze, ("backbone",))
        _require("labels", self.labels, ("single", "multi"))
        for name, least, most in (("epochs", 1, 10**6), ("patience", 1, 10**6), ("size", *SIZES_PX)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and least <= value <= most):
                raise ConfigError(f"{name}: must be a whole number from {least} to {most}; received {value}")

        if self.minutes is not None and not 0 < self.minutes < 10**6:
            raise ConfigError(f"minutes: must be above 0; received {self.minutes}")
        if self.epochs is not None and self.minutes is not None:
            raise ConfigError(
                f"minutes: says how long the run is, and so does epochs; received {self.minutes} and {self.epochs}; "
                "give one of them"
            )

    def command(self, source: str) -> str:
        """Return the command line that says the same, by which a repeated request is known again."""
        words = ["ppcls", "train", source]
        for field in fields(self):
            value: Any = getattr(self, field.name)
            if field.name == "override":
                words += [word for option in value for word in ("-o", option)]
            elif value is not None:
                words += [f"--{field.name}", f"{value:g}" if isinstance(value, float) else str(value)]
        return shlex.join(words)


def _require(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise ConfigError(f"{name}: must be {' or '.join(choices)}; received '{value}'")
