"""Where in an image a model found what it says: class activation maps, and attention roll-out for transformers."""

import math
from typing import Any, Optional

import cv2
import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray
from paddle import nn

from ppcls.batch import outputs_of
from ppcls.images.decode import Image
from ppcls.models.layers.attention import Attention, split_heads
from ppcls.models.layers.operators import STOCK, computing_with

Map = NDArray[np.float64]
_OPACITY = 0.55


class Heat:
    """Maps of a model in its evaluation form, which computes with Paddle's own operators for them.

    Where all attention is among the same tokens, that is roll-out (the same for all classes), else the gradient of
    the class's logit times the last feature map, which for a linear classifier on means is the class activation map.
    Source: https://arxiv.org/abs/2005.00928, section 4; https://arxiv.org/abs/1610.02391, section 3
    """

    def __init__(self, model: nn.Layer) -> None:
        self.model = model

    def __call__(self, image_CHW: NDArray[Any], class_id: int) -> Optional[Map]:
        """Return a map [h, w] of 0 to 1 for a finished image; None for a model without any such place."""
        seen, attended = _Seen(), _Seen()
        hooks = [layer.register_forward_post_hook(seen) for layer in self.model.sublayers()]
        hooks += [
            layer.register_forward_post_hook(attended)
            for layer in self.model.sublayers()
            if isinstance(layer, Attention)
        ]
        try:
            with computing_with(self.model, STOCK):
                logits = outputs_of(self.model(paddle.to_tensor(image_CHW[None])))["logits"]
        finally:
            for hook in hooks:
                hook.remove()
        found = _rolled_out(attended)
        return _gradient_map(logits[0, class_id], seen) if found is None else found


class _Seen(list[tuple[nn.Layer, Any, Any]]):
    """A hook that keeps the layers that ran, in their order, with what went in and came out."""

    def __call__(self, layer: nn.Layer, inputs: Any, output: Any) -> None:
        self.append((layer, inputs, output))


def _rolled_out(attended: _Seen) -> Optional[Map]:
    shapes = {tuple(inputs[0].shape) for _, inputs, _ in attended}
    side = math.isqrt(next(iter(shapes))[1]) if len(shapes) == 1 else 0
    if len(attended) < 2 or len(shapes) != 1 or any(len(inputs) > 1 for _, inputs, _ in attended):
        return None
    ((images, tokens, _),) = shapes
    if images != 1 or tokens - side**2 > 2:  # windows of an image; or more than a class and a distillation token
        return None
    flow = np.eye(tokens)
    with paddle.no_grad():
        for layer, inputs, _ in attended:
            queries, keys, _ = split_heads(layer.project(inputs[0]), layer.num_heads, 3)
            scores = paddle.matmul(queries * layer.attend.factor, keys, transpose_y=True)
            bias = layer.bias(None)
            shares = F.softmax(scores if bias is None else scores + bias, axis=-1)
            mixed = shares.mean(axis=1)[0].astype("float64").numpy() + np.eye(tokens)
            flow = mixed / mixed.sum(axis=1, keepdims=True) @ flow
    extra = tokens - side**2
    return _scaled((flow[0, extra:] if extra else flow.mean(axis=0)).reshape(side, side))


def _gradient_map(logit: paddle.Tensor, seen: _Seen) -> Optional[Map]:
    for _, _, output in reversed(seen):
        if not isinstance(output, paddle.Tensor) or _layout(output) is None or output.stop_gradient:
            continue
        (slopes,) = paddle.grad([logit], [output], retain_graph=True, allow_unused=True)
        if slopes is None:
            continue
        maps, slopes = (_layout(tensor) for tensor in (output, slopes))
        assert maps is not None and slopes is not None
        weights = slopes.mean(axis=(0, 1))
        return _scaled(np.maximum((maps * weights).sum(axis=2), 0))
    return None


def _layout(tensor: paddle.Tensor) -> Optional[Map]:
    """Return the feature map [h, w, channels] of one image in any layout; None for what is none."""
    shape = list(tensor.shape)
    values: Map = np.asarray(tensor.detach().astype("float64").numpy())
    if len(shape) == 4 and shape[0] == 1:
        is_last = shape[1] == shape[2] and shape[2] != shape[3]
        values = values[0] if is_last else values[0].transpose(1, 2, 0)
    elif len(shape) == 3 and shape[0] == 1:
        side = math.isqrt(shape[1])
        if shape[1] - side**2 > 1:
            return None
        values = values[0, shape[1] - side**2 :].reshape(side, side, shape[2])
    else:
        return None
    return values if min(values.shape[:2]) > 1 else None


def _scaled(found: Map) -> Map:
    low, high = found.min(), found.max()
    scaled: Map = (found - low) / (high - low) if high > low else np.zeros_like(found)
    return scaled


def painted(image_RGB: Image, found: Map) -> Image:
    """Return an image with a map over it, from transparent to glowing."""
    size = (image_RGB.shape[1], image_RGB.shape[0])
    warm = cv2.resize(found.astype(np.float32), size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.applyColorMap((255 * warm).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    part = _OPACITY * warm[..., None] + 0.15
    mixed: Image = ((1 - part) * image_RGB + part * colours).round().clip(0, 255).astype(np.uint8)
    return mixed
