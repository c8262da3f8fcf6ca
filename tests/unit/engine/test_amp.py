import numpy as np
import paddle
import pytest
from paddle import nn

from ppcls.config.schema import AMPSection
from ppcls.engine.precision import Precision
from ppcls.errors import DeviceError


def model() -> nn.Layer:
    paddle.seed(0)
    return nn.Sequential(nn.Conv2D(3, 4, 3, bias_attr=False), nn.BatchNorm2D(4), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))


def images() -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype("float32"))


def bfloat16(values: np.ndarray) -> np.ndarray:
    """Round to 8 significant bits, ties to even."""
    bits = values.astype("float32").view("uint32")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype("uint32").view("float32")


def test_off_is_float32() -> None:
    plain, prepared = model(), model()
    precision = Precision(AMPSection(use_amp=False), "cpu")
    precision.prepare(prepared, None)
    with precision.autocast():
        assert np.array_equal(prepared(images()).numpy(), plain(images()).numpy())
    assert str(precision) == "float32"
    assert precision.scaler.state_dict() == {}


def test_on_the_cpu_products_are_rounded_to_bfloat16_in_training() -> None:
    layer = nn.Linear(3, 2)
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    expected = bfloat16(bfloat16(x) @ bfloat16(layer.weight.numpy()) + layer.bias.numpy())
    Precision(AMPSection(), "cpu").prepare(nn.Sequential(layer), None)
    assert np.array_equal(layer(paddle.to_tensor(x)).numpy(), expected)


def test_on_the_cpu_a_convolution_keeps_its_padding() -> None:
    for padding in ("SAME", 1, [1, 2]):
        plain = nn.Conv2D(3, 4, 4, padding=padding)
        expected = plain(paddle.ones([1, 3, 8, 8])).shape
        Precision(AMPSection(), "cpu").prepare(plain, None)
        assert plain(paddle.ones([1, 3, 8, 8])).shape == expected


def test_on_the_cpu_gradients_are_rounded_as_well() -> None:
    plain, rounded = model(), model()
    Precision(AMPSection(), "cpu").prepare(rounded, None)
    for net in (plain, rounded):
        (net(images()) ** 2).mean().backward()
    for name in ("0.weight", "3.weight"):
        found, expected = (dict(net.named_parameters())[name].grad.numpy() for net in (rounded, plain))
        assert np.array_equal(found, bfloat16(found))
        assert not np.array_equal(found, expected)
        assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("use_fp16_test", [False, True])
def test_on_the_cpu_an_evaluation_is_rounded_only_if_asked_for(use_fp16_test: bool) -> None:
    plain, prepared = model(), model()
    precision = Precision(AMPSection(use_fp16_test=use_fp16_test), "cpu")
    precision.prepare(prepared, None)
    plain.eval(), prepared.eval()
    with precision.autocast(training=False):
        scores = prepared(images()).numpy()
    assert np.array_equal(scores, plain(images()).numpy()) != use_fp16_test


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (AMPSection(dtype="float16"), "AMP.dtype: float16 has no operators on the CPU; use -o AMP.dtype=bfloat16"),
        (AMPSection(level="O2"), "AMP.level: O2 keeps the weights in a type without operators on the CPU"),
        (AMPSection(custom_black_list=("conv2d",)), "AMP.custom_white_list, custom_black_list: choose among operators"),
    ],
)
def test_what_the_cpu_cannot_do_is_refused(section: AMPSection, message: str) -> None:
    with pytest.raises(DeviceError, match=f"^{message}.*, or -o AMP.use_amp=False; received device 'cpu'"):
        Precision(section, "cpu")


def test_what_paddle_would_only_warn_about_is_refused() -> None:
    """This Paddle is not on a GPU: its auto_cast warns, and computes in float32."""
    with pytest.raises(DeviceError, match="AMP.dtype: float16 can't be used on 'gpu:0'; Paddle says: .*no effect"):
        Precision(AMPSection(), "gpu:0")


def test_an_operator_in_both_lists_is_refused() -> None:
    section = AMPSection(custom_white_list=("softmax",), custom_black_list=("softmax",))
    with pytest.raises(DeviceError, match="AMP: .*[Ww]hite list.*black list"):
        Precision(section, "gpu:0")
