"""Every operator and its gradient against Paddle's own in float64."""

from typing import Any, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from ppcls.models.layers import Activation, activate
from ppcls.ops.operators import OneDNN, run

pytestmark = pytest.mark.usefixtures("onednn")

FLOAT32, BFLOAT16 = 2e-6, 2e-2  # largest error over the largest value, by type


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def leaf(array: np.ndarray, dtype: str) -> paddle.Tensor:
    tensor = paddle.to_tensor(array).astype(dtype)
    tensor.stop_gradient = False
    return tensor


def nhwc(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1)


def numpy(tensor: paddle.Tensor) -> np.ndarray:
    return tensor.astype("float64").numpy()


def assert_close(actual: paddle.Tensor, expected: paddle.Tensor, tolerance: float) -> None:
    a, e = numpy(actual), numpy(expected)
    assert a.shape == e.shape
    assert np.abs(a - e).max() <= tolerance * max(np.abs(e).max(), 1.0)


@pytest.fixture(params=["float32", "bfloat16"])
def dtype(request: pytest.FixtureRequest) -> str:
    if request.param == "bfloat16":
        request.getfixturevalue("onednn_bfloat16")
    return str(request.param)


def tolerance(dtype: str, terms: int = 1) -> float:
    return BFLOAT16 if dtype == "bfloat16" else FLOAT32 * max(1.0, terms**0.5)


# Batch, height, width, channels in and out, kernel, stride, padding, dilation, groups.
CONVOLUTIONS = [
    (2, 8, 8, 16, 32, 3, 1, 1, 1, 1),
    (2, 9, 7, 3, 64, 7, 2, 3, 1, 1),
    (1, 7, 7, 64, 16, 1, 1, 0, 1, 1),
    (3, 15, 13, 32, 48, 1, 2, 0, 1, 1),
    (2, 11, 17, 24, 40, 3, 2, 1, 1, 1),
    (2, 13, 13, 32, 32, 3, 1, 2, 2, 1),
    (2, 9, 9, 32, 64, 3, 1, 1, 1, 4),
    (2, 10, 10, 32, 32, 3, 2, 1, 1, 32),
    (1, 12, 12, 32, 32, 5, 1, 2, 1, 32),
    (2, 13, 11, 24, 24, 5, 2, 2, 1, 24),
    (3, 9, 14, 40, 40, 7, 1, 3, 1, 40),
    (2, 7, 6, 20, 20, 4, 2, 1, 1, 20),
    (2, 8, 9, 16, 16, 2, 1, 0, 1, 16),
    (2, 12, 12, 16, 16, 3, 1, 2, 2, 16),
    (2, 3, 3, 48, 48, 9, 2, 4, 1, 48),
    (2, 9, 9, 12, 18, 3, 1, 1, 1, 6),
    (1, 5, 5, 1, 1, 3, 1, 1, 1, 1),
    (2, 6, 6, 17, 13, 3, 1, 1, 1, 1),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_and_both_of_its_gradients(case: tuple[int, ...], dtype: str) -> None:
    n, h, w, c_in, c_out, kernel, stride, padding, dilation, groups = case
    x, weight = random(n, c_in, h, w), random(c_out, c_in // groups, kernel, kernel, seed=1)
    expected_x, expected_weight = (
        leaf(x, dtype).astype("float64").detach(),
        leaf(weight, dtype).astype("float64").detach(),
    )
    expected_x.stop_gradient = expected_weight.stop_gradient = False
    expected = F.conv2d(expected_x, expected_weight, None, stride, padding, dilation, groups)
    gradient = random(*expected.shape, seed=2)
    expected.backward(paddle.to_tensor(gradient).astype(dtype).astype("float64"))

    actual_x, actual_weight = leaf(nhwc(x), dtype), leaf(weight, "float32")
    window = [stride] * 2 + [padding] * 4 + [dilation] * 2
    (actual,) = run("convolution", actual_x, actual_weight, window, groups, True)
    actual.backward(paddle.to_tensor(nhwc(gradient)).astype(dtype))
    assert actual.dtype == actual_x.dtype
    assert actual_weight.grad.dtype == paddle.float32
    terms = c_in // groups * kernel**2
    assert_close(actual, expected.transpose([0, 2, 3, 1]), tolerance(dtype, terms))
    assert_close(actual_x.grad, expected_x.grad.transpose([0, 2, 3, 1]), tolerance(dtype, terms * c_out // c_in))
    assert_close(actual_weight.grad, expected_weight.grad, tolerance(dtype, n * h * w))


def normalised(
    x: paddle.Tensor,
    scale: paddle.Tensor,
    shift: paddle.Tensor,
    statistics: tuple[paddle.Tensor, paddle.Tensor],
    residual: Optional[paddle.Tensor],
    act: Optional[Activation],
    training: bool,
) -> paddle.Tensor:
    y = F.batch_norm(x, *statistics, scale, shift, training=training, momentum=0.9, epsilon=1e-5, data_format="NHWC")
    y = y if residual is None else y + residual
    return activate(act, y)


@pytest.mark.parametrize(
    "shape", [(2, 5, 7, 16), (1, 3, 3, 2048), (4, 33, 31, 24), (1, 3, 3, 3), (2, 40, 40, 64)], ids=str
)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "form", ["plain", "relu", "relu6", "leaky_relu", "hardswish", "swish", "plain add", "relu add"]
)
def test_batch_norm_its_gradients_and_its_statistics(
    shape: tuple[int, ...], training: bool, form: str, dtype: str
) -> None:
    channels, act = shape[-1], form.split()[0].replace("plain", "none")
    # A mean far from 0, where squares lose digits.
    arrays = {"x": 5 + random(*shape), "scale": 1 + 0.1 * random(channels), "shift": random(channels, seed=3)}
    if "add" in form:
        arrays["residual"] = random(*shape, seed=4)
    kept = random(channels, seed=5), np.abs(random(channels, seed=6)) + 0.5
    gradient = random(*shape, seed=7)

    types = {name: dtype if name in ("x", "residual") else "float32" for name in arrays}
    actual = {name: leaf(array, types[name]) for name, array in arrays.items()}
    expected = {name: leaf(numpy(tensor.detach()), "float64") for name, tensor in actual.items()}
    expected_statistics = tuple(paddle.to_tensor(array) for array in kept)
    expected_y = normalised(
        expected["x"], expected["scale"], expected["shift"], expected_statistics, expected.get("residual"),
        None if act == "none" else act, training,
    )  # fmt: skip
    expected_y.backward(paddle.to_tensor(gradient).astype(dtype).astype("float64"))

    statistics = [paddle.to_tensor(array).astype("float32") for array in kept]
    inputs = [actual["x"], actual["scale"], actual["shift"], *statistics]
    if "residual" in actual:
        y = run("batch_norm_add", *inputs, actual["residual"], 0.9, 1e-5, act, training)[0]
    else:
        y = run("batch_norm", *inputs, 0.9, 1e-5, act, training)[0]
    y.backward(paddle.to_tensor(gradient).astype(dtype))
    assert_close(y, expected_y, tolerance(dtype, 16))
    for mine, theirs in zip(statistics, expected_statistics):
        assert_close(mine, theirs, tolerance("float32", 16))
    for name, tensor in actual.items():
        assert tensor.grad.dtype == tensor.dtype
        assert_close(tensor.grad, expected[name].grad, tolerance(dtype, 200))


@pytest.mark.parametrize("act", ["relu", "relu6", "hardswish", "swish"])
def test_batch_norm_lets_what_is_not_a_number_through(act: str) -> None:
    x = paddle.full([1, 2, 2, 4], float("nan"))
    statistics = [paddle.zeros([4]), paddle.ones([4])]
    y = run("batch_norm", x, paddle.ones([4]), paddle.zeros([4]), *statistics, 0.9, 1e-5, act, True)[0]
    assert paddle.isnan(y).all()
    assert paddle.isnan(run("batch_norm", x.astype("bfloat16"), paddle.ones([4]), paddle.zeros([4]), *statistics, 0.9,
                            1e-5, act, True)[0].astype("float32")).all()  # fmt: skip


@pytest.mark.parametrize("act", [None, "relu", "hardswish", "gelu"])
@pytest.mark.parametrize("residual", [True, False])
def test_the_folded_convolution_is_convolution_and_batch_norm(
    act: Optional[Activation], residual: bool, dtype: str
) -> None:
    x, weight = leaf(random(2, 9, 9, 32), dtype), leaf(0.1 * random(24, 32, 3, 3), "float32")
    scale, shift, mean = (leaf(random(24, seed=seed), "float32") for seed in range(3))
    variance = leaf(np.abs(random(24, seed=3)) + 0.5, "float32")
    window = [1] * 8
    (convolved,) = run("convolution", x, weight, window, 1, True)
    added = leaf(random(2, 9, 9, 24, seed=4), dtype) if residual else None
    expected = normalised(
        convolved.astype("float32"), scale, shift, (mean, variance), None if added is None else added.astype("float32"),
        act, False,
    )  # fmt: skip
    (actual,) = run("folded", x, weight, scale, shift, mean, variance, added, window, 1, 1e-5, act or "none")
    assert_close(actual, expected, tolerance(dtype, 300))


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding"),
    [((2, 12, 12, 16), 3, 2, 1), ((1, 7, 9, 5), 3, 2, 1), ((2, 8, 8, 64), 2, 2, 0), ((3, 5, 5, 24), 3, 1, 1)],
)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling(kind: str, shape: tuple[int, ...], kernel: int, stride: int, padding: int, dtype: str) -> None:
    x = leaf(random(*shape), dtype)
    x64 = leaf(numpy(x.detach()), "float64")
    pool = F.max_pool2d if kind == "max" else F.avg_pool2d
    expected = pool(x64, kernel, stride, padding, data_format="NHWC")
    actual = run("pooling", x, [kernel] * 2 + [stride] * 2 + [padding] * 4, kind == "max")[0]
    gradient = paddle.to_tensor(random(*expected.shape, seed=1)).astype(dtype)
    expected.backward(gradient.astype("float64"))
    actual.backward(gradient)
    assert_close(actual, expected, tolerance(dtype))
    assert_close(x.grad, x64.grad, tolerance(dtype))


@pytest.mark.parametrize(("size", "stride"), [(8, 2), (9, 2), (7, 1)])
def test_same_padding_is_paddles(onednn: OneDNN, size: int, stride: int) -> None:
    layer = paddle.nn.AvgPool2D(2, stride=stride, padding="SAME", ceil_mode=True, data_format="NHWC")
    x = paddle.to_tensor(random(2, size, size, 8).astype("float32"))
    assert_close(onednn.avg_pool(layer, x), layer(x), FLOAT32)


def test_the_global_average(onednn: OneDNN) -> None:
    x = leaf(random(3, 7, 5, 20), "float32")
    y = onednn.global_avg_pool(paddle.nn.AdaptiveAvgPool2D(1), x)
    assert_close(y, x.mean([1, 2], keepdim=True), FLOAT32)
    y.sum().backward()
    assert_close(x.grad, paddle.full_like(x, 1 / 35), FLOAT32)


def test_the_layout_there_and_back(onednn: OneDNN) -> None:
    images = leaf(random(2, 3, 5, 7), "float32")
    (x,) = run("channels_last", images, False)
    np.testing.assert_array_equal(x.numpy(), nhwc(images.numpy()))
    x.backward(2 * x)
    np.testing.assert_array_equal(images.grad.numpy(), 2 * images.numpy())


def test_the_gradients_of_both_uses_add_up(dtype: str) -> None:
    x = leaf(random(2, 3, 3, 8), dtype)
    first, second = run("branch", x)
    (2 * first.astype("float32") + second.astype("float32").square()).sum().backward()
    assert_close(x.grad, 2 + 2 * x.astype("float32"), tolerance(dtype))


def test_a_use_that_the_loss_does_not_depend_on_adds_nothing() -> None:
    x = leaf(random(2, 3, 3, 8), "float32")
    run("branch", x)[1].sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.ones([2, 3, 3, 8]))


X = paddle.ones([2, 8, 8, 4])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("convolution", [X, paddle.ones([8, 3, 3, 3]), [1] * 8, 1, True], "groups: 1 groups of weights"),
        ("convolution", [X[0], paddle.ones([8, 4, 3, 3]), [1] * 8, 1, True], "expected .N, H, W, C.; received .8, 8"),
        ("convolution", [X, paddle.ones([8, 4, 3, 3]), [1] * 7, 1, True], "window: expected 8 numbers; received 7"),
        ("convolution", [X, paddle.ones([8, 4, 11, 11]), [1] * 8, 1, True], "smaller than the kernel"),
        ("convolution", [X.astype("int32"), paddle.ones([8, 4, 3, 3]), [1] * 8, 1, True], "expected float32 or bf"),
        ("batch_norm", [X, *[paddle.ones([5])] * 4, 0.9, 1e-5, "relu", True], "Scale: expected float32"),
        ("batch_norm", [X, *[paddle.ones([4])] * 4, 0.9, 1e-5, "gelu", True], "not with gelu"),
        ("activation", [X, "relu7"], "there is no activation relu7"),
        ("gate", [X, paddle.ones([2, 5])], "each sample and channel of .2, 8, 8, 4.; received .2, 5."),
        ("concat", [[X, X[:, 1:]], False], "expected images like"),
        ("concat", [[X, X[..., 1:]], True], "expected images like"),
        ("halves", [X[..., 1:]], "an even number of channels"),
        ("pooling", [X, [9, 9, 1, 1, 0, 0, 0, 0], True], "smaller than the window"),
        ("pooling", [X, [2, 2, 0, 1, 0, 0, 0, 0], True], "strides above 0"),
        ("linear", [X, paddle.ones([5, 4]), None], "linear: expected X .*; received .2, 8, 8, 4. and .5, 4."),
        ("channels_last", [X[0], False], "channels last: expected float32"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(name: str, arguments: list[Any], message: str) -> None:
    with pytest.raises((OSError, ValueError, RuntimeError), match=message):
        run(name, *arguments)


def test_without_gradients_an_operator_keeps_nothing_for_them() -> None:
    x, weight = leaf(random(4, 8), "float32"), leaf(random(8, 8), "float32")
    with paddle.no_grad():
        (y,) = run("linear", x, weight, None)
    assert y.stop_gradient
