"""A trained model in memory: what it says of images, and how it goes to a folder and comes back."""

import html
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional, Union

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.api import stored
from ppcls.api.ridge import Statistics
from ppcls.batch import outputs_of
from ppcls.config.schema import RunConfig
from ppcls.engine import build
from ppcls.engine.engine import Engine
from ppcls.errors import ConfigError, DataError
from ppcls.export.export import export
from ppcls.export.graph import scores_of
from ppcls.images import stream
from ppcls.images.decode import Image
from ppcls.images.pipeline import Pipeline
from ppcls.images.sources import Source, name_of
from ppcls.inference.postprocess import Prediction
from ppcls.models.weight_files import about
from ppcls.registry import Part
from ppcls.report.evaluation import Evaluation
from ppcls.report.heat import Heat, painted
from ppcls.report.sources import LISTED_NAMES, of_classes, thresholds_of
from ppcls.report.sources import Source as Answering
from ppcls.report.writing import remove_report

Sources = Union[Source, Iterable[Source]]


class Model:
    """The weights that `config.Global.pretrained_model` names, with their preprocessing and the names of their classes.

    An image is a path, bytes, an array (RGB, uint8) or an image of Pillow; several are a list, a folder or a `.txt`.
    """

    def __init__(self, config: RunConfig, *, start: bool = False) -> None:
        """With `start`, the weights need not be those of these classes: so a training begins."""
        self.config = config
        self.engine = Engine(config)
        self.network: nn.Layer = self.engine.model
        names = list(self.engine.train_loader.dataset.label_names) if start else ()
        build.load_start_weights(config, self.network, new_head=start, class_names=names)
        self.network.eval()
        weights = build.start_weights(config)
        facts = about(weights) if weights else {}
        self.results: Mapping[str, float] = facts.get("results") or {}  # of the evaluation of these weights
        self.statistics: Optional[Statistics] = stored.statistics_beside(weights, facts)
        self.listed_names: Optional[Sequence[str]] = facts.get(LISTED_NAMES)
        self.postprocess = build.postprocess(config, names if start else None)
        names = list(self.postprocess.label_names)
        self.class_names: Sequence[str] = names or [str(label) for label in range(config.class_num)]
        self.pipeline: Pipeline = stream.pipeline(build.eval_transforms(config))

    def predict(self, source: Sources, *, batch_size: int = 8) -> list[Prediction]:
        """Return a prediction for each image. Raises DataError for the first one that can't be used."""
        return [one for scores in self._batches(source, batch_size, self._scores) for one in self.postprocess(scores)]

    def embed(self, source: Sources, *, batch_size: int = 8) -> NDArray[np.float32]:
        """Return what the classifier takes, float32 [N, num_features]. Raises DataError as `predict` does."""
        found = list(self._batches(source, batch_size, self.features))
        return np.concatenate(found) if found else np.zeros((0, self.network.num_features), np.float32)

    def evaluate(self, source: Optional[str] = None) -> Evaluation:
        """Return scores of labelled images: a folder, .zip, .csv or list, or the config's own held-out images.

        Raises DataError for classes that the model doesn't have.
        """
        answering = self.answering()
        return answering.evaluate(answering.data(source))

    def explain(self, image: Source) -> Image:
        """Return an image as the model sees it, RGB, glowing where it found what it says.

        See ppcls.report.heat. Raises DataError for an image that can't be used, ConfigError for a model without maps.
        """
        seen = _seen(image, self.pipeline)
        finished = self.pipeline.finish(seen[None])
        found = Heat(self.network)(finished[0], int(self._scores(paddle.to_tensor(finished)).argmax()))
        if found is None:
            raise ConfigError(f"explain: {self.config.Arch.name} has no feature maps to look at")
        return painted(seen, found)

    def add_class(self, name: str, images: Sources) -> int:
        """Add a class, or images to one, without the images of the others: as exact as fitting to all of them anew.

        The classifier becomes the closed-form one (see docs/quickstart.md). Raises ConfigError for a model without
        the statistics of its images, DataError for an image that can't be used. Returns how many images came.
        """
        known, features = self._known_images(), self.embed(images)
        self._refit(known.with_images(name, features))
        return len(features)

    def remove_class(self, name: str) -> None:
        """Remove a class and what is known of its images. Raises ConfigError if it can't be."""
        self._refit(self._known_images().without(name))

    def _known_images(self) -> Statistics:
        if self.statistics is None:
            raise ConfigError(
                "add, remove: need the statistics of the images, of one class each, that `ppcls train FOLDER` keeps; "
                f"received a {self.config.Arch.name} without; train it so"
            )
        return self.statistics

    def _refit(self, statistics: Statistics) -> None:
        stored.put_head(self.network, statistics.head())
        self.statistics, self.results = statistics, {}
        self.listed_names = self.listed_names or list(self.class_names)
        self.class_names = list(statistics.class_names)
        self.config = of_classes(self.config, len(self.class_names))
        self.postprocess = build.postprocess(self.config, self.class_names)

    def save(self, folder: Union[str, Path], **facts: Any) -> Path:
        """Write it to a folder from which `ppcls.load` gets it back, with plain `facts` to keep."""
        facts = {**facts, "results": dict(self.results), LISTED_NAMES: self.listed_names}
        return stored.write(Path(folder), self.config, self.network, self.class_names, self.statistics, **facts)

    def export(self, folder: Union[str, Path]) -> Path:
        """Write what `ppcls predict`, `ppcls serve` and `ppcls.Predictor` run. Raises CheckpointError if it differs."""
        with tempfile.TemporaryDirectory() as here:
            self.save(here)
            names = {"pretrained_model": str(Path(here) / stored.MODEL), "output_dir": here}
            return export(Engine(stored.with_global(self.config, save_inference_dir=str(folder), **names)))

    def replace(self, folder: Union[str, Path]) -> None:
        """Write it, and its export in `inference`, over what is in a folder; the report there was of another.

        The export first, which is checked: what stops here stops with the model before, and can be repeated.
        """
        self.export(Path(folder) / "inference")
        remove_report(Path(folder))
        self.save(folder)

    def features(self, images_NCHW: paddle.Tensor) -> NDArray[np.float32]:
        """Return what the classifier takes of finished images, float32 [N, num_features]."""
        found: NDArray[np.float32] = self.network.features(images_NCHW).astype("float32").numpy()
        return found

    def _scores(self, images_NCHW: paddle.Tensor) -> NDArray[np.float32]:
        logits = outputs_of(self.network(images_NCHW))["logits"].astype("float32")
        scores: NDArray[np.float32] = scores_of(logits, self.postprocess.activation).numpy()
        return scores

    def _batches(
        self, source: Sources, batch_size: int, run: Callable[[paddle.Tensor], NDArray[np.float32]]
    ) -> Iterator[NDArray[np.float32]]:
        for batch in stream.batches(stream.spread(source), self.pipeline, batch_size):
            for one in batch:
                if one.image is None:
                    raise DataError(f"{name_of(one.source)}: {one.problem}")
            images = self.pipeline.finish(np.stack([one.image for one in batch if one.image is not None]))
            with paddle.no_grad():
                yield run(paddle.to_tensor(images))

    def answering(self, folder: Optional[Path] = None) -> Answering:
        """Return the model as reports take it; `folder`: of its run, unless that is where the weights are."""
        title, weights, post = self.config.Arch.name, build.start_weights(self.config), self.postprocess
        folder = folder or Path(weights or title).parent
        return Answering(
            folder,
            title,
            self.class_names,
            post.activation,
            self.pipeline,
            run=self.config,
            thresholds=thresholds_of(post),
            network=self.network,
            listed_names=self.listed_names,
        )

    @property
    def about_classes(self) -> str:
        """How many classes there are, and the names of the first ones."""
        more = ", ..." if len(self.class_names) > 10 else ""
        return f"{len(self.class_names)} classes: {', '.join(self.class_names[:10])}{more}"

    def __repr__(self) -> str:
        return f"{self.config.Arch.name} of {self.about_classes}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


def _seen(image: Source, pipeline: Pipeline) -> Image:
    (prepared,) = next(stream.batches([image], pipeline, 1))
    if prepared.image is None:
        raise DataError(f"{name_of(image)}: {prepared.problem}")
    return prepared.image


class Transforms:
    """The preprocessing that a model evaluates with: an image (see Model) to float32 [C, H, W]."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self._pipeline = stream.pipeline(parts)

    def __call__(self, image: Source) -> NDArray[np.floating[Any]]:
        finished: NDArray[np.floating[Any]] = self._pipeline.finish(_seen(image, self._pipeline)[None])[0]
        return finished

    def __repr__(self) -> str:
        return "\n".join(f"{part.name}({', '.join(f'{k}={v}' for k, v in part.args.items())})" for part in self.parts)


def transforms_of(model: Union[Model, nn.Layer]) -> Transforms:
    """Return the preprocessing of a `Model`, or of what `create_model` has made. Raises ConfigError for others."""
    if isinstance(model, Model):
        return Transforms(build.eval_transforms(model.config))
    name = getattr(model, "arch_name", None)
    if name is None:
        raise ConfigError("transforms_of: takes what `load` or `create_model` returned")
    return Transforms(build.eval_transforms(stored.named(name, pretrained=False)))


def load(path_or_name: Union[str, Path]) -> Model:
    """Return the model in a run's folder or in one that `Model.save` wrote, or an architecture with official weights.

    Raises: CheckpointError or ConfigError.
    """
    return Model(stored.config_of(path_or_name))
