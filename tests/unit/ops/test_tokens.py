"""The operators of tokens and their gradients against Paddle's own in float64."""

from typing import Any, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from test_elementwise import assert_same
from test_operators import dtype, random, tolerance

from ppcls.models.layers import attend, split_heads
from ppcls.models.layers.windows import Windows
from ppcls.ops.operators import run

pytestmark = pytest.mark.usefixtures("onednn")
__all__ = ["dtype"]


@pytest.mark.parametrize("shape", [(16, 512), (2, 7, 24), (2, 3, 5, 40)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear(shape: tuple[int, ...], with_bias: bool, dtype: str) -> None:
    arrays = [random(*shape), random(shape[-1], 10, seed=1), *([random(10, seed=2)] if with_bias else [])]
    types = [dtype, "float32", "float32"]

    def mine(x: Any, weight: Any, bias: Optional[Any] = None) -> Any:
        return run("linear", x, weight, bias)[0]

    assert_same(mine, F.linear, arrays, types, tolerance(dtype, 16 * shape[-1]))


@pytest.mark.parametrize("shape", [(4, 16), (2, 7, 768), (3, 4, 5, 30)])
def test_layer_norm(shape: tuple[int, ...], dtype: str) -> None:
    width = shape[-1]
    arrays = [3 + random(*shape), 1 + 0.1 * random(width, seed=1), random(width, seed=2)]
    types = [dtype, "float32", "float32"]
    assert_same(
        lambda x, scale, shift: run("layer_norm", x, scale, shift, 1e-5)[0],
        lambda x, scale, shift: F.layer_norm(x, width, scale, shift, 1e-5),
        arrays,
        types,
        tolerance(dtype, 200),
    )


@pytest.mark.parametrize(
    "bias",
    [None, (1, 3, 7, 7), (2, 3, 7, 7), (2, 1, 7, 7)],
    ids=["none", "of heads", "of samples and heads", "of samples"],
)
def test_attention(bias: Optional[tuple[int, ...]], dtype: str) -> None:
    heads, width = 3, 8
    arrays = [random(4, 7, 3 * heads * width), *([random(*bias, seed=1)] if bias else [])]

    def mine(qkv: Any, bias: Optional[Any] = None) -> Any:
        return run("attention", qkv, bias, heads, width**-0.5)[0]

    def expected(qkv: Any, bias: Optional[Any] = None) -> Any:
        queries, keys, values = split_heads(qkv, heads, 3)
        return attend(queries * width**-0.5, keys, values, bias=bias)

    assert_same(mine, expected, arrays, [dtype, "float32"], tolerance(dtype, 100))


@pytest.mark.parametrize(("width", "shift"), [(4, 0), (4, 2), (1, 0)])
def test_windows_and_images_of_them(width: int, shift: int, dtype: str) -> None:
    layer, window = Windows(4, shift, width=width), [4, width, shift]
    images = random(2, 8, 12, 6)
    within = tolerance(dtype)
    assert_same(lambda x: run("windows", x, window)[0], layer.by_parts, [images], [dtype], within)
    tokens = random(2 * 8 * 12 // (4 * width), 4 * width, 6)
    assert_same(
        lambda x: run("join_windows", x, 8, 12, window)[0],
        lambda x: layer.join_by_parts(x, 8, 12),
        [tokens],
        [dtype],
        within,
    )


def test_windows_that_do_not_fill_an_image_are_refused() -> None:
    with pytest.raises(
        (OSError, ValueError, RuntimeError), match="those of 4 x 4 pixels, moved by 0, don't fill images"
    ):
        run("windows", paddle.ones([1, 6, 8, 3]), [4, 4, 0])
    with pytest.raises((OSError, ValueError, RuntimeError), match="length, length.; received .1, 2, 5, 5."):
        run("attention", paddle.ones([2, 5, 18]), paddle.to_tensor(np.ones([1, 2, 5, 5], "float32")), 3, 1.0)
