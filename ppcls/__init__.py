"""Config-driven image classification on PaddlePaddle."""

import fnmatch
import importlib
import math
from typing import TYPE_CHECKING, Any, Optional, Union

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ppcls.api.checking import Check, check
    from ppcls.api.events import Evaluated, Stop, Trained
    from ppcls.api.model import Model, load, transforms_of
    from ppcls.api.training import Run, train
    from ppcls.inference.predictor import Predictor
    from ppcls.report.evaluation import Evaluation

__all__ = [
    "Check",
    "Evaluated",
    "Evaluation",
    "Model",
    "Predictor",
    "Run",
    "Stop",
    "Trained",
    "check",
    "create_model",
    "list_models",
    "load",
    "train",
    "transforms_of",
]

# Imported when they are first asked for, as most of them need Paddle.
_MODULES = {
    "ppcls.api.checking": "Check check",
    "ppcls.api.events": "Evaluated Stop Trained",
    "ppcls.api.model": "Model load transforms_of",
    "ppcls.api.training": "Run train",
    "ppcls.inference.predictor": "Predictor",
    "ppcls.report.evaluation": "Evaluation",
}


def __getattr__(name: str) -> Any:
    module = next((module for module, names in _MODULES.items() if name in names.split()), None)
    if module is None:
        raise AttributeError(f"module 'ppcls' has no attribute '{name}'")
    from ppcls import environment

    environment.prepare()
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]  # for completion in notebooks


def list_models(pattern: str = "*", *, pretrained: bool = False, max_ms: Optional[float] = None) -> list[str]:
    """Return the names of the architectures that match a shell pattern, in any case, sorted.

    What a config composes of them, such as RecModel, is not among them. `pretrained`: those with official weights
    alone; `max_ms`: those that take at most so many milliseconds an image on this machine's CPU, each timed once and
    then remembered.
    """
    from ppcls.models.cards import cards_of, sizes

    names = sorted(name for name in sizes() if fnmatch.fnmatchcase(name.lower(), pattern.lower()))
    names = [name for name in names if not pretrained or cards_of(name)]
    if max_ms is None:
        return names
    from ppcls import environment

    environment.prepare()
    from ppcls.export.speed import milliseconds

    taken = milliseconds(names, max_ms)
    return [name for name in names if taken.get(name, math.inf) <= max_ms]


def create_model(name: str, *, pretrained: Union[bool, str] = False, use_ssld: bool = False, **arguments: Any) -> Any:
    """Build the architecture `name` (a paddle.nn.Layer), with weights if `pretrained`.

    `pretrained` is True for the official weights (`use_ssld`: the distilled ones), one of their tags (docs/models.md),
    a path or a URL; `arguments` are those of the architecture's constructor.
    Raises: ConfigError for an unknown name or argument, CheckpointError for weights that can't be used.
    """
    from ppcls import environment
    from ppcls.config.signature import arguments_of
    from ppcls.errors import ConfigError, did_you_mean
    from ppcls.models import ARCHITECTURES
    from ppcls.models.cards import resolve_pretrained

    environment.prepare()
    name = ARCHITECTURES.resolve(name)
    constructor = ARCHITECTURES.load(name)
    known = arguments_of(constructor)
    for argument in arguments:
        if argument not in known:
            hint = did_you_mean(argument, known) or f"; known: {', '.join(known)}"
            raise ConfigError(f"create_model: unknown argument of {name} '{argument}'{hint}")
    source = resolve_pretrained(name, pretrained, use_ssld)
    model = constructor(**arguments)
    model.arch_name = name
    if source is not None:
        from ppcls.models.weights import load_weights  # which needs paddle

        load_weights(model, source)
    return model
