import math
import typing

import numpy as np
import paddle
import pytest

from ppcls.models.layers import Head, synchronise
from ppcls.models.resnet import VARIANTS
from ppcls.models.resnet_variants import VARIANTS as RETRIEVAL
from ppcls.models.resnext import VARIANTS as GROUPED
from ppcls.optim import OPTIMIZERS
from ppcls.optim.groups import Target
from ppcls.registry import Facts, Part

ResNet18, ResNet18_vd, ResNet50, ResNet50_vc = (
    VARIANTS[name] for name in ("ResNet18", "ResNet18_vd", "ResNet50", "ResNet50_vc")
)

SE_ResNet18_vd = GROUPED["SE_ResNet18_vd"]


def sgd(model: paddle.nn.Layer) -> typing.Any:
    return OPTIMIZERS.build(Part("SGD"), Facts(target=Target(model, 1.0)))


def images(size: int = 64, channels: int = 3) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(0).standard_normal((2, channels, size, size)).astype("float32"))


def trained(model: paddle.nn.Layer) -> list[tuple[str, paddle.Tensor]]:
    """Paddle counts batch norm's statistics among the parameters; these are the others."""
    return [(name, parameter) for name, parameter in model.named_parameters() if not parameter.stop_gradient]


@pytest.mark.parametrize("constructor", [ResNet18, ResNet18_vd, ResNet50_vc, SE_ResNet18_vd])
@pytest.mark.parametrize("size", [64, 75])
def test_the_layout_changes_nothing_but_the_speed(constructor: typing.Any, size: int) -> None:
    paddle.seed(0)
    nchw = constructor(class_num=7)
    nhwc = constructor(class_num=7, data_format="NHWC")
    nhwc.set_state_dict(nchw.state_dict())
    nchw.eval()
    nhwc.eval()
    expected = nchw(images(size))
    assert expected.shape == [2, 7]
    largest = float(expected.abs().max())  # some hundreds: rounding of that is what a logit near 0 shows
    np.testing.assert_allclose(nhwc(images(size)), expected, rtol=1e-4, atol=1e-6 * largest)


def test_training_reaches_every_parameter() -> None:
    for constructor in (ResNet18, ResNet18_vd, ResNet50_vc):
        model = constructor(class_num=3, data_format="NHWC")
        model(images(32)).sum().backward()
        assert [name for name, parameter in trained(model) if parameter.grad is None] == []


def test_weights_start_kaiming_normal_and_the_head_uniform() -> None:
    paddle.seed(0)
    model = ResNet18()
    weight = model.state_dict()["blocks.7.conv1.conv.weight"].numpy()
    assert weight.std() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=1e-2)
    head = model.fc.weight.numpy()
    bound = 1 / math.sqrt(512)
    assert np.abs(head).max() <= bound
    assert head.std() == pytest.approx(bound / math.sqrt(3), rel=1e-2)
    assert not model.fc.bias.numpy().any()


def test_lr_mult_list_multiplies_the_rate_of_the_stem_and_the_stages_but_not_of_the_head() -> None:
    model = ResNet50(lr_mult_list=[0.1, 0.2, 0.3, 0.4, 0.5])
    sgd(model)
    rates: dict[float, set[str]] = {}
    for name, parameter in trained(model):
        part = ".".join(name.split(".")[:2])
        rates.setdefault(parameter.optimize_attr["learning_rate"], set()).add(part)
    assert rates == {
        0.1: {"stem.0"},
        0.2: {f"blocks.{index}" for index in range(3)},
        0.3: {f"blocks.{index}" for index in range(3, 7)},
        0.4: {f"blocks.{index}" for index in range(7, 13)},
        0.5: {f"blocks.{index}" for index in range(13, 16)},
        1.0: {"fc.weight", "fc.bias"},
    }


def test_a_rate_of_zero_freezes_a_stage() -> None:
    model = ResNet18(class_num=3, lr_mult_list=[0.0, 0.0, 0.0, 0.0, 1.0])
    before = {name: parameter.numpy().copy() for name, parameter in trained(model)}
    optimizer = sgd(model)
    model(images()).square().sum().backward()
    optimizer.step()
    moved = {name for name, parameter in trained(model) if not np.array_equal(parameter.numpy(), before[name])}
    assert {name.split(".")[0] + name.split(".")[1] for name in moved} == {
        "blocks6",
        "blocks7",
        "fcweight",
        "fcbias",
    }


@pytest.mark.parametrize("constructor", [ResNet18, ResNet18_vd])
def test_stride_list_sets_the_strides_of_stem_pool_and_stages(constructor: typing.Any) -> None:
    for index in range(5):
        strides = [1, 1, 1, 1, 1]
        strides[index] = 2
        model = constructor(class_num=2, stride_list=strides)
        x, sizes = images(16), []
        stages = [model.blocks[2 * stage : 2 * stage + 2] for stage in range(4)]
        for part in (model.stem, model.max_pool, *stages):
            x = part(x)
            sizes.append(x.shape[-1])
        assert sizes == [8 if index <= position else 16 for position in (0, 1, 1, 2, 3, 4)]


def test_grey_images_need_one_input_channel() -> None:
    assert ResNet18_vd(class_num=2, input_image_channel=1)(images(32, channels=1)).shape == [2, 2]


def test_synchronised_batch_norm_over_one_rank_is_batch_norm() -> None:
    model = ResNet18(class_num=2)
    synchronise(model)
    assert model(images(32)).shape == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_num": 0}, "class_num: must be at least 1; received 0"),
        ({"input_image_channel": 0}, "input_image_channel: must be at least 1; received 0"),
        (
            {"lr_mult_list": [1.0]},
            r"lr_mult_list: must be 5 numbers of at least 0; received \[1.0\]; give one",
        ),
        ({"lr_mult_list": [1, 1, 1, 1, -1]}, "lr_mult_list: must be 5 numbers"),
        ({"stride_list": [2, 2, 2, 2, 0]}, r"stride_list: must be 5 numbers of at least 1; received \[2, 2, 2, 2, 0\]"),
        ({"stride_list": []}, "stride_list: must be 5 numbers"),
        (
            {"layer_type": "DiverseBranchBlock", "data_format": "NHWC"},
            "layer_type: DiverseBranchBlock computes in NCHW; received data_format: NHWC; drop it",
        ),
    ],
)
def test_impossible_arguments_are_refused_by_name(arguments: dict[str, typing.Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResNet18(**arguments)


def test_bottlenecks_are_refused_the_identity_as_first_shortcut() -> None:
    with pytest.raises(ValueError, match="use_first_short_conv: bottlenecks need it; received False; drop it"):
        ResNet50(use_first_short_conv=False)


def test_without_its_first_projection_the_first_block_adds_its_input_as_it_is() -> None:
    keys, fewer = (set(ResNet18(use_first_short_conv=projects).state_dict()) for projects in (True, False))
    assert keys - fewer == {key for key in keys if key.startswith("blocks.0.short.")}


def test_a_stem_without_activation_lets_negative_numbers_through() -> None:
    with_act, without = ResNet18(class_num=2), ResNet18(class_num=2, stem_act=None)
    without.set_state_dict(with_act.state_dict())
    np.testing.assert_array_equal(with_act.stem(images(32)), paddle.nn.functional.relu(without.stem(images(32))))


def test_diverse_branches_are_deployed_as_one_convolution_each() -> None:
    paddle.seed(0)
    model = ResNet18(class_num=3, layer_type="DiverseBranchBlock", use_first_short_conv=False)
    model(images()).sum().backward()  # also so that the statistics are none of a new model
    assert [name for name, parameter in trained(model) if parameter.grad is None] == []
    model.eval()
    deployed = model.deployable()
    convs = {key.rsplit(".", 1)[0] for key in deployed.state_dict() if ".conv" in key and not key.endswith("bias")}
    assert {name for name in convs if name.startswith("blocks.0.")} == {
        "blocks.0.conv0.dbb_reparam",
        "blocks.0.conv1.dbb_reparam",
    }
    expected = model(images())
    np.testing.assert_allclose(deployed(images()), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_biases_and_gates_of_metabin_learn_at_their_rates() -> None:
    model = RETRIEVAL["ResNet50_metabin"](class_num=2, bias_lr_factor=2.0, gate_lr_factor=3.0)
    sgd(model)
    rates = {name: parameter.optimize_attr["learning_rate"] for name, parameter in trained(model)}
    assert {name for name, rate in rates.items() if rate == 3} == {name for name in rates if "gate" in name}
    assert {name for name, rate in rates.items() if rate == 2} == {name for name in rates if "bias" in name}


def test_the_exported_program_gives_the_same_logits(tmp_path: typing.Any) -> None:
    model = ResNet18_vd(class_num=4, data_format="NHWC")
    model.eval()
    expected = model(images(32)).numpy()
    spec = [paddle.static.InputSpec([None, 3, 32, 32], "float32", name="x")]
    program = paddle.jit.to_static(model, input_spec=spec, full_graph=True)
    paddle.jit.save(program, str(tmp_path / "inference"))
    np.testing.assert_allclose(paddle.jit.load(str(tmp_path / "inference"))(images(32)), expected, rtol=1e-5, atol=1e-5)


def test_the_head_is_the_only_one_of_its_kind() -> None:
    for constructor in (ResNet18, ResNet50_vc):
        model = constructor()
        heads = [name for name, layer in model.named_sublayers() if isinstance(layer, Head)]
        assert heads == [model.head_name]
