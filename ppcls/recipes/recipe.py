"""The YAML of a run on a folder of images, and the folder that it has."""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import paddle
import yaml

from ppcls.config import RunConfig, dump, load_config, overridden
from ppcls.doctor.divide import write_lists
from ppcls.errors import CheckpointError
from ppcls.files import make_folder, write_text
from ppcls.models import ARCHITECTURES
from ppcls.models.cards import cards_of
from ppcls.recipes import data as found
from ppcls.recipes.choice import Choice, Machine, choose, this_machine
from ppcls.recipes.data import Data
from ppcls.recipes.options import Options
from ppcls.text import printable

CONFIG = "config.yaml"
NEW_HEAD_FACTOR = 20
_MOST = 1000  # folders of one name


@dataclass(frozen=True)
class Recipe:
    """A run to be: the images, the user's request and what was chosen."""

    request: str
    data: Data
    choice: Choice
    options: Options

    @property
    def identity(self) -> str:
        """The first lines of the YAML: a run with the same ones is the same run."""
        counts = f"{self.data.num_train} images, {len(self.data.lines['val'])} held out, {self.data.class_num} classes"
        return f"# {self.request}\n# data: {counts}, sha256 {self.data.sha256}\n"

    def text(self, folder: Path) -> str:
        """Return the YAML of the run in a folder, in which its lists are."""
        content = overridden(content_of(self.data, self.choice, self.options, folder), self.options.override)
        why = "".join(f"# {printable(line)}\n" for line in (*self.choice.why, *self.data.notes))
        return self.identity + why + "\n" + dump(content)


def plan(source: str, options: Options, machine: Optional[Machine] = None) -> Recipe:
    """Return the recipe for the images at `source`. Raises DataError or ConfigError."""
    given = overridden({}, options.override)
    machine = machine or this_machine(given)
    data = found.find(source, options.labels, machine.cores)
    return Recipe(options.command(os.path.normpath(source)), data, choose(data, options, machine, given), options)


def folder_of(recipe: Recipe, output: Path) -> tuple[Path, bool]:
    """Return the folder of a run in `output`, and whether it is there: the same request of the same images has one.

    That is the name of the data, or the first free one of `flowers-2`, `flowers-3` ...
    """
    for number in range(1, _MOST):
        folder = output / (recipe.data.name if number == 1 else f"{recipe.data.name}-{number}")
        if not folder.exists():
            return folder, False
        config = folder / CONFIG
        if config.is_file() and config.read_text(encoding="utf-8").startswith(recipe.identity):
            return folder, True
    raise CheckpointError(f"output: '{output}' has {_MOST} folders of this name; remove some, or give another output")


def write(recipe: Recipe, output: Path) -> Path:
    """Return the folder of the run, with the lists of its images and `config.yaml`; it comes whole or not at all."""
    make_folder(output, "output")
    while True:
        folder, exists = folder_of(recipe, output)
        if exists:
            return folder
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=output) as temporary:
            new = Path(temporary) / folder.name
            new.mkdir()
            write_lists(new, recipe.data.lines, recipe.data.class_names, "\t" if recipe.data.several else " ")
            write_text(new / CONFIG, recipe.text(folder))
            try:
                os.rename(new, folder)
            except OSError:
                if not folder.exists():
                    raise
                continue  # another process took the name just now
        return folder


def why_of(folder: Path) -> list[str]:
    """Return the lines of a run's `config.yaml` that say what was chosen, and why."""
    head = (folder / CONFIG).read_text(encoding="utf-8").partition("\n\n")[0]
    return [line.lstrip("# ") for line in head.splitlines()[2:]]  # behind the identity


def settle(folder: Path, options: Sequence[str], *, without: Sequence[str] = ()) -> RunConfig:
    """Write into the `config.yaml` of a run what was decided meanwhile, `without` keys of Global; return the config."""
    path = folder / CONFIG
    head, blank, below = path.read_text(encoding="utf-8").partition("\n\n")
    content = overridden(yaml.safe_load(below), options)
    for name in without:
        content["Global"].pop(name, None)
    write_text(path, head + blank + dump(content))
    return load_config(str(path))


def content_of(data: Data, choice: Choice, options: Options, folder: Path) -> dict[str, Any]:
    """Return the sections of the YAML."""
    side = [3, choice.size_px, choice.size_px]
    content: dict[str, Any] = {
        "Global": {
            "checkpoints": "auto",
            "output_dir": str(folder),
            "save_inference_dir": str(folder / "inference"),
            "epochs": choice.epochs,
            "save_interval": -1,
            "image_shape": side,
        },
        "Arch": {"name": choice.model, "class_num": data.class_num},
        "Loss": _losses(data, choice),
        "Optimizer": _optimizer(choice, options),
        "DataLoader": {
            "Train": _section(data, choice, folder, "train"),
            "Eval": _section(data, choice, folder, "val"),
        },
        "Infer": {"PostProcess": _answers(data)},
        "Metric": _metrics(data),
    }
    if choice.pretrained:
        content["Arch"]["pretrained"] = True
    if choice.fine_tunes:  # few images of few classes have other statistics, which change all features at once
        content["Global"]["freeze_norms"] = True
    if choice.update_freq > 1:
        content["Global"]["update_freq"] = choice.update_freq
    if options.minutes is not None:
        content["Global"]["minutes"] = options.minutes
        content["Global"]["save_minutes"] = max(0.5, options.minutes / 10)
    if options.patience is not None:
        content["Global"]["patience"] = options.patience
    return content


def _optimizer(choice: Choice, options: Options) -> dict[str, Any]:
    rate: dict[str, Any] = {"name": "Cosine", "learning_rate": choice.learning_rate}
    rate["warmup_epoch"] = min(2, choice.epochs // 4)
    if options.minutes is not None:  # of which nobody knows yet how many epochs they are
        rate.update(name="Trapezoid", warmup_epoch=0.5)
    section: dict[str, Any] = {
        "name": "Momentum",
        "momentum": 0.9,
        "lr": rate,
        "regularizer": {"name": "L2", "coeff": 0.0001},
    }
    if options.freeze == "backbone":
        section["param_groups"] = [{"pattern": f"^(?!{_head(choice.model)})", "frozen": True}]
    return section


def _head(model: str) -> str:
    """Return what the names of the classifier's parameters begin with, as a regular expression."""
    with paddle.LazyGuard():
        built = ARCHITECTURES.load(model)(class_num=2)
    return re.escape(getattr(built, "head_name", "fc") + ".")


def with_new_head(config: RunConfig) -> list[str]:
    """Return the options by which a classifier that starts from nothing learns faster than what it stands on."""
    if not config.Global.freeze_norms or config.Optimizer is None or config.Optimizer.param_groups:
        return []
    return [f"Optimizer.param_groups=[{{pattern: '^{_head(config.Arch.name)}', lr_factor: {NEW_HEAD_FACTOR}}}]"]


def _section(data: Data, choice: Choice, folder: Path, split: str) -> dict[str, Any]:
    size = choice.size_px
    seen: list[Mapping[str, Any]] = [{"ResizeImage": {"resize_short": size * 8 // 7}}, {"CropImage": {"size": size}}]
    if split == "train":
        seen = [{"RandCropImage": {"size": size, "scale": [0.3, 1.0]}}, {"RandFlipImage": None}]
    return {
        "dataset": {
            "name": "MultiLabelDataset" if data.several else "ImageNetDataset",
            "image_root": data.root,
            "cls_label_path": str(folder / f"{split}_list.txt"),
            "transform_ops": [*seen, {"NormalizeImage": _normalisation(choice)}],
        },
        "sampler": {"name": "DistributedBatchSampler", "batch_size": choice.batch_size, "shuffle": split == "train"},
        "loader": {"num_workers": choice.num_workers},
    }


def _normalisation(choice: Choice) -> Optional[dict[str, Any]]:
    """Return the mean and deviation that the weights were trained with; None: those of ImageNet, the default."""
    cards = cards_of(choice.model) if choice.fine_tunes else ()
    return {"mean": list(cards[0].mean), "std": list(cards[0].std)} if cards else None


def _losses(data: Data, choice: Choice) -> dict[str, Any]:
    if data.several:
        return {"Train": [{"MultiLabelLoss": None}], "Eval": [{"MultiLabelLoss": None}]}
    # Smooth labels would undo what the instant model, which a fine-tuning starts from, is sure of.
    return {"Train": [{"CELoss": None if choice.fine_tunes else {"epsilon": 0.1}}], "Eval": [{"CELoss": None}]}


def _metrics(data: Data) -> dict[str, Any]:
    if data.several:
        return {"Train": [{"HammingDistance": None}], "Eval": [{"MultiLabelMAP": None}, {"HammingDistance": None}]}
    return {"Train": [{"TopkAcc": {"topk": 1}}], "Eval": [{"TopkAcc": {"topk": [1, 5] if data.class_num > 5 else 1}}]}


def _answers(data: Data) -> dict[str, Any]:
    if data.several:
        return {"name": "MultiLabelThreshOutput", "threshold": 0.5}
    return {"name": "Topk", "topk": min(5, data.class_num)}
