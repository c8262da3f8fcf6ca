"""What is chosen for the size of the data and for the machine."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import paddle

from ppcls import environment
from ppcls.config import load_config
from ppcls.data.loader.memory import available_bytes
from ppcls.engine.build import start_weights
from ppcls.errors import CheckpointError, ConfigError
from ppcls.models import ARCHITECTURES
from ppcls.models.cards import sizes
from ppcls.models.weight_files import download
from ppcls.recipes.data import Data
from ppcls.recipes.memory import Batches, fit
from ppcls.recipes.options import Options

# Images to pass through the model in all, with weights to start from and without.
PASSES = {("cpu", True): 12_000, ("cpu", False): 40_000, ("accelerator", True): 200_000, ("accelerator", False): 10**6}
# Images of USUAL_PX a second that nothing trains faster than.
FASTEST = {"cpu": 500, "accelerator": 10_000}
LEAST_EPOCHS, MOST_EPOCHS = 5, 90
# For 32 images a batch. A fine-tuning starts from the instant model: a higher one spoils more than it teaches.
TUNING_RATE, SCRATCH_RATE = 0.0005, 0.05
BATCH_KEYS = ("DataLoader.Train.sampler.batch_size", "Global.update_freq")
# Of an image's side, for a model that says nothing else; from scratch a CPU takes its time.
USUAL_PX, SCRATCH_CPU_PX, STEP_PX = 224, 128, 32
SMALL_PX = 112  # images below gain nothing from 224


@dataclass(frozen=True)
class Machine:
    """What trains: the kind of the device, how many cores read and compute, and the memory for what is trained."""

    device: str
    cores: int
    memory_bytes: int = sys.maxsize  # where nobody says

    @property
    def kind(self) -> str:
        return "cpu" if self.device == "cpu" else "accelerator"

    def __str__(self) -> str:
        return f"{self.cores} CPU cores" if self.device == "cpu" else self.device


def this_machine(given: Mapping[str, Any]) -> Machine:
    """Return what is here, with the best device unless another is given."""
    from ppcls import device  # loads paddle

    name = str(said(given, "Global.device") or "auto")
    kind = device.kind_of(name)
    device.require(kind, f"Global.device: {name}")
    memory_bytes = available_bytes() if kind == "cpu" else device.memory_bytes(kind)
    return Machine(kind, environment.physical_cores(), memory_bytes)


@dataclass(frozen=True)
class Choice:
    """The numbers of a recipe; `why` says, line by line, what they follow from."""

    model: str
    pretrained: bool  # the official weights, which are here
    fine_tunes: bool  # from these, or from others that the user has given
    size_px: int
    epochs: int
    batch_size: int
    update_freq: int  # batches for an update
    learning_rate: float
    num_workers: int
    why: tuple[str, ...]


def choose(data: Data, options: Options, machine: Machine, given: Mapping[str, Any]) -> Choice:
    """Return what fits; `given` is what the user's overrides say already."""
    model = options.model or ("ResNet18" if machine.kind == "cpu" else "ResNet50")
    asked = [said(given, "Global.pretrained_model"), said(given, "Arch.pretrained")]
    own = next((value for value in asked if value is not None), None)
    missing = unreachable(model) if own is None else "" if own else "as you say"
    fine_tunes = not missing
    size_px = _size_px(model, data, options, machine, fine_tunes)
    epochs = options.epochs or _epochs(data, machine, fine_tunes)
    if options.minutes is not None:  # more than there can be: it only bounds what the clock ends
        fastest = FASTEST[machine.kind] * (USUAL_PX / size_px) ** 2
        epochs = max(1, round(60 * options.minutes * fastest / data.num_train))
    batch_size = max(4, min(32 if machine.kind == "cpu" else 64, data.num_train // 8))
    batches = Batches(batch_size)
    if all(said(given, key) is None for key in BATCH_KEYS):  # else the user has decided
        batches = fit(model, size_px, batch_size, machine.memory_bytes, least=1 if fine_tunes else 2)
    weights = f"no weights to start from, so from scratch: {missing}"
    if fine_tunes:
        weights = f"weights: the official ones of {model}" if own in (None, True) else f"weights: {own}"
    return Choice(
        model=model,
        pretrained=own is None and not missing,
        fine_tunes=fine_tunes,
        size_px=size_px,
        epochs=epochs,
        batch_size=batches.size,
        update_freq=batches.per_update,
        learning_rate=round((TUNING_RATE if fine_tunes else SCRATCH_RATE) * batches.per_update * batches.size / 32, 6),
        num_workers=0 if data.num_train * size_px**2 < 64 * 224**2 else min(machine.cores, 8),
        why=(
            f"{model} on {machine}",
            weights,
            f"{size_px} px, where the median of the shorter sides is {data.side_px} px",
            f"{epochs} epochs" if options.minutes is None else f"{options.minutes:g} min",
            *([batches.why] if batches.why else []),
        ),
    )


def said(given: Any, key: str) -> Any:
    """Return the value that the user's overrides have for a key such as `Global.device`; None for no value."""
    for name in key.split("."):
        given = given.get(name) if isinstance(given, Mapping) else None
    return given


def unreachable(model: str) -> str:
    """Return why there are no official weights of a model here; empty if there are, downloaded now if need be."""
    try:
        url: Optional[str] = start_weights(load_config(None, [f"Arch={{name: {model}, pretrained: true}}"]))
        download(str(url))
    except (CheckpointError, ConfigError) as error:
        return str(error).partition("; download it by hand")[0]
    return ""


def _size_px(model: str, data: Data, options: Options, machine: Machine, fine_tunes: bool) -> int:
    """Return the size that the user wants, or one that fits the images. Raises ConfigError if the model can't take it.

    Some models take no other size than that they are made for.
    """
    usual = sizes()[model].image_px if model in sizes() else USUAL_PX
    stepped = max(STEP_PX, -(-data.side_px // STEP_PX) * STEP_PX)
    if fine_tunes:
        size_px = usual if data.side_px >= SMALL_PX else max(stepped, 64)
    else:
        size_px = min(stepped, SCRATCH_CPU_PX if machine.kind == "cpu" else usual)
    size_px = options.size or size_px
    try:
        if size_px != usual:
            _try(model, size_px)
    except ConfigError:
        if options.size:
            raise
        return usual
    return size_px


def _try(model: str, size_px: int) -> None:
    network = ARCHITECTURES.load(model)(class_num=2)
    network.arch_name = model
    network.eval()
    with paddle.no_grad():
        network(paddle.zeros([1, 3, size_px, size_px]))


def _epochs(data: Data, machine: Machine, fine_tunes: bool) -> int:
    return max(LEAST_EPOCHS, min(MOST_EPOCHS, round(PASSES[machine.kind, fine_tunes] / data.num_train)))
