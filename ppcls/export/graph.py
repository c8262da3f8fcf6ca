"""The graphs that are exported: the trained model between what stands before and behind it."""

from typing import Any, Union

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.static import InputSpec

from ppcls.batch import outputs_of
from ppcls.errors import ConfigError
from ppcls.images.pipeline import Pipeline
from ppcls.inference.postprocess import Activation
from ppcls.metrics.retrieval import Compared


def scores_of(logits: paddle.Tensor, activation: Activation) -> paddle.Tensor:
    """Return the scores [N, class_num] that logits mean."""
    if activation == "none":
        return logits
    return F.softmax(logits, axis=-1) if activation == "softmax" else F.sigmoid(logits)


class Scores(nn.Layer):
    """The model and its activation: finished images, float32 [N, C, H, W], to scores."""

    def __init__(self, model: nn.Layer, activation: Activation) -> None:
        super().__init__()
        self.model = model
        self.activation = activation

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return scores_of(outputs_of(self.model(x))["logits"], self.activation)

    @staticmethod
    def input_spec(shape: tuple[int, int, int]) -> InputSpec:
        return InputSpec([None, *shape], "float32", "x")


class Features(nn.Layer):
    """A model for retrieval: finished images, float32 [N, C, H, W], to the features that are compared."""

    input_spec = staticmethod(Scores.input_spec)

    def __init__(self, model: nn.Layer, compared: Compared) -> None:
        super().__init__()
        self.model = model
        self.compared = compared

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.compared(self.model(x))


class OfPixels(nn.Layer):
    """Either behind the end of a pipeline, so that it takes images before NormalizeImage, uint8 [N, H, W, 3]."""

    def __init__(self, graph: Union[Scores, Features], pipeline: Pipeline) -> None:
        super().__init__()
        self.graph = graph
        # Whatever the end of the list says, it is a line for each channel.
        black, white = (pipeline.finish(np.full((1, 1, 1, 3), level, "uint8")) for level in (0, 255))
        if black.shape[1] != 3 or black.dtype != np.float32:
            raise ConfigError(
                f"Global.export_with_preprocess: needs a NormalizeImage of 3 channels in float32; received "
                f"{black.shape[1]} in {black.dtype}; omit it"
            )
        self.register_buffer("slope", paddle.to_tensor((white - black) / np.float32(255)))
        self.register_buffer("offset", paddle.to_tensor(black))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.graph(x.astype("float32").transpose([0, 3, 1, 2]) * self.slope + self.offset)

    @staticmethod
    def input_spec(shape: tuple[int, int, int]) -> InputSpec:
        channels, height, width = shape
        return InputSpec([None, height, width, channels], "uint8", "x")


class Traced(nn.Layer):
    """A graph whose Python runs as it is, once, while Paddle notes what is computed."""

    def __init__(self, graph: nn.Layer) -> None:
        super().__init__()
        self.graph = graph

    @paddle.jit.not_to_static
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.graph(x)


def static(graph: Union[Scores, Features, OfPixels], shape: tuple[int, int, int]) -> Any:
    """Return what Paddle saves of a graph for images of this shape, [C, H, W].

    A user's layers may have an `if` or a `for` over tensors, for which Paddle has to translate their Python. Those here
    have none, and are traced, which takes a fraction of the time.
    """
    ours = all(type(layer).__module__.startswith(("ppcls.", "paddle.")) for layer in graph.sublayers())
    spec = [graph.input_spec(shape)]
    return paddle.jit.to_static(Traced(graph) if ours else graph, input_spec=spec, full_graph=True)
