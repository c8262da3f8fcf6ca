"""What is reported on: a run's folder or an export, and the images to show it."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray
from paddle import nn

from ppcls.config import as_overrides, load_config
from ppcls.config.data_schema import DataSection
from ppcls.config.schema import RunConfig
from ppcls.data.sources.base import ImageFiles, LabelledImages
from ppcls.doctor.findings import Findings
from ppcls.doctor.splits import Split
from ppcls.engine import build
from ppcls.engine.engine import Engine
from ppcls.engine.manifest import MANIFEST
from ppcls.errors import CheckpointError, DataError
from ppcls.images import stream
from ppcls.images.pipeline import Pipeline
from ppcls.inference.artifact import DESCRIPTION
from ppcls.inference.attributes import Attributes
from ppcls.inference.postprocess import Activation, MultiLabelThreshOutput, PostProcess
from ppcls.inference.predictor import Predictor
from ppcls.models.weight_files import about
from ppcls.recipes.data import splits_of
from ppcls.recipes.recipe import CONFIG
from ppcls.report import measuring
from ppcls.report.evaluation import Evaluation
from ppcls.text import printable

_PASSES = 5_000
# The weights in a folder to use, the first that is there: of `Model.save` and `ppcls train FOLDER`, or of a training.
WEIGHTS = ("model", "best_model", "latest")
# What is saved with weights whose classes are no longer those of the run's lists: the names of those.
LISTED_NAMES = "listed_names"
# Of the splits at a path, the first of these that is there; the images of others may have been trained on.
_HELD_OUT = ("val", "test")


@dataclass(frozen=True)
class Source:
    """A model that answers; `run` is what trained it, where that is known."""

    path: Path
    title: str
    class_names: Sequence[str]
    activation: Activation
    pipeline: Pipeline
    predictor: Optional[Predictor] = None
    run: Optional[RunConfig] = None
    thresholds: Union[float, NDArray[np.float64]] = 0.5  # of several classes an image
    network: Optional[nn.Layer] = None  # where it is in memory; else the weights that `run` names are read
    listed_names: Optional[Sequence[str]] = None  # of the labels in the run's lists, where classes came or went since

    @property
    def records(self) -> Path:
        """Where the log and the manifest of a run are: `ppcls train FOLDER` has them one folder deeper."""
        deeper = self.path / self.title
        return deeper if (deeper / MANIFEST).is_file() else self.path

    @functools.cached_property
    def model(self) -> nn.Layer:
        """The trained model of a run in its evaluation form, with the operators that thousands of images are worth."""
        if self.network is not None:
            return self.network
        assert self.run is not None
        engine = Engine(self.run)
        build.load_start_weights(self.run, engine.model, new_head=False)
        engine.model.eval()
        engine.choose_operators(passes=_PASSES)
        return engine.model

    def evaluate(self, data_set: LabelledImages) -> Evaluation:
        """Return what it says of images. Raises DataError where it does not know their classes."""
        if self.predictor is not None:
            found = measuring.of_export(self.predictor, data_set, self.class_names)
        else:
            activation: Activation = "sigmoid" if data_set.labels.ndim > 1 else self.activation
            found = measuring.of_model(self.model, activation, data_set, self.pipeline, self.class_names)
        return replace(found, origin=(self, data_set), thresholds=self.thresholds)

    def data(self, path: Optional[str]) -> LabelledImages:
        """Return the images at a path, or those that the run holds out. Raises DataError."""
        if path is not None:
            several = self.activation == "sigmoid"
            return images_at(path, self.pipeline, self.class_names, several=several)
        if self.run is None:
            raise DataError(f"--data: an export comes without images; received '{self.path}' alone; give a folder")
        return self.labelled(self.run.require("DataLoader.Eval", "report without --data"))

    def labelled(self, section: DataSection) -> LabelledImages:
        """Return images of the run, of the classes that the model has still. Raises DataError if there is none."""
        assert self.run is not None
        if self.listed_names is None:
            return build.data_set(self.run, section)
        data = build.data_set(of_classes(self.run, len(self.listed_names)), section)
        number_of = {name: number for number, name in enumerate(self.class_names)}
        labels = np.array([number_of.get(name, -1) for name in self.listed_names])[data.labels]
        kept = np.flatnonzero(labels >= 0).tolist()
        if not kept:
            raise DataError(f"{section.dataset.where}: has no images of the classes that were not removed")
        paths = [data.where(place) for place in kept]
        return ImageFiles(data.pipeline, image_root="", paths=paths, labels=labels[kept], label_names=self.class_names)


def source_at(path: Path) -> Source:
    """Return the model of a run's folder, or of an export. Raises CheckpointError where there is none."""
    if (path / CONFIG).is_file():
        return of_config(config_at(path), path)
    if not (path / DESCRIPTION).is_file() and path.suffix != ".onnx":
        raise CheckpointError(
            f"{path}: is no run and no export; it has neither {CONFIG} nor {DESCRIPTION}; give the folder that "
            "`ppcls train` or `ppcls export` wrote"
        )
    predictor = Predictor(path)
    names = list(predictor.postprocess.label_names) or [str(label) for label in range(predictor.class_num)]
    post, title = predictor.postprocess, predictor.artifact.Global.model_name
    return Source(path, title, names, post.activation, predictor.pipeline, predictor=predictor,
                  thresholds=thresholds_of(post))  # fmt: skip


def config_at(folder: Path) -> RunConfig:
    """Return the config of a run, or of what `Model.save` wrote, that names its weights. Raises CheckpointError."""
    weights = next((folder / name for name in WEIGHTS if (folder / f"{name}.pdparams").is_file()), None)
    if weights is None:
        raise CheckpointError(f"{folder}: has a config but no weights; train it to the end, or give another folder")
    options: dict[str, Any] = {"Global.pretrained_model": str(weights), "Arch.pretrained": False}
    config = load_config(str(folder / CONFIG), as_overrides(options))
    class_num = about(weights).get("class_num", config.class_num)
    return config if class_num == config.class_num else of_classes(config, class_num)  # classes came or went


def of_classes(config: RunConfig, class_num: int) -> RunConfig:
    """Return a config for another number of classes."""
    return replace(config, Arch=replace(config.Arch, args={**config.Arch.args, "class_num": class_num}))


def of_config(config: RunConfig, folder: Path) -> Source:
    """Return the model whose weights a config names."""
    post, weights = build.postprocess(config.deployed()), build.start_weights(config)
    names = list(post.label_names) or [str(label) for label in range(config.class_num)]
    return Source(folder, config.Arch.name, names, post.activation, stream.pipeline(build.eval_transforms(config)),
                  run=config, thresholds=thresholds_of(post),
                  listed_names=about(weights).get(LISTED_NAMES) if weights else None)  # fmt: skip


def thresholds_of(post: PostProcess) -> Union[float, NDArray[np.float64]]:
    """Return the scores from which a class is an answer, where an image has several."""
    return post.thresholds if isinstance(post, (MultiLabelThreshOutput, Attributes)) else 0.5


def images_at(path: str, pipeline: Pipeline, class_names: Sequence[str], *, several: bool = False) -> LabelledImages:
    """Return the labelled images at a path, by the model's classes, `several` an image; where it has splits, of one.

    That is val or test. Raises DataError.
    """
    splits = splits_of(path, "multi" if several else None, Findings())
    split = next((one for name in _HELD_OUT for one in splits if one.name == name), splits[0])
    split = renamed(split, class_names)
    return ImageFiles(
        pipeline, image_root=split.root, paths=list(split.paths), labels=split.labels, label_names=class_names
    )


def renamed(split: Split, class_names: Sequence[str]) -> Split:
    """Return a split whose labels mean the model's classes, by their names. Raises DataError for unknown ones."""
    labels: Any = split.labels
    number_of = {name: number for number, name in enumerate(class_names)}
    has_names = bool(split.class_names) and any(not name.isdecimal() for name in class_names)
    if has_names:
        unknown = [name for name in split.class_names if name and name not in number_of]
        if unknown:
            raise DataError(
                f"{printable(split.source)}: has classes that the model doesn't know; received "
                f"{', '.join(map(printable, unknown[:5]))}; it knows {', '.join(map(printable, class_names[:10]))}"
            )
        numbers = np.array([number_of.get(name, -1) for name in split.class_names], np.int64)
        if labels.ndim == 1:
            labels = numbers[labels]
        else:
            found, labels = labels, np.zeros((len(labels), len(class_names)), labels.dtype)
            labels[:, numbers[numbers >= 0]] = found[:, numbers >= 0]
    highest = labels.max(initial=-1) if labels.ndim == 1 else labels.shape[1] - 1
    if not len(labels) or not 0 <= highest < len(class_names) or (labels.ndim == 1 and labels.min() < 0):
        raise DataError(
            f"{printable(split.source)}: needs labels 0 to {len(class_names) - 1}; received {len(labels)} images with "
            f"labels up to {highest}; give images of the model's classes"
        )
    return replace(split, labels=labels, class_names=class_names)
