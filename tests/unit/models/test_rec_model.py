"""Models for retrieval: where the backbone stops, necks, and heads with margins."""

import math
from typing import Any

import numpy as np
import paddle
import pytest

from ppcls import create_model
from ppcls.config.schema import ArchPart
from ppcls.errors import ConfigError
from ppcls.models import ARCHITECTURES, HEADS
from ppcls.models.gears import FC
from ppcls.models.rec_model import RecModel, StopLayer, stop_after
from ppcls.models.weights import load_weights
from ppcls.registry import Part

WEIGHT = np.array([[1.0, 0.0], [0.0, 1.0]], "float32")
ANGLE = 0.3
FEATURES = 5 * np.array([[math.cos(ANGLE), math.sin(ANGLE)]], "float32")


def rec_model(stop: str = "flatten", **gears: Any) -> RecModel:
    part = Part("RecModel", {"Backbone": ArchPart("ResNet18"), "BackboneStopLayer": StopLayer(stop), **gears})
    model: RecModel = ARCHITECTURES.build(part)
    return model


def logits(name: str, **arguments: Any) -> np.ndarray:
    head = HEADS.build(Part(name, {"embedding_size": 2, "class_num": 2, **arguments}))
    getattr(head, head.weight_name).set_value(WEIGHT)
    return head(paddle.to_tensor(FEATURES), paddle.to_tensor([0])).numpy()[0]


def test_the_outputs_are_those_of_backbone_neck_and_head() -> None:
    gears = {
        "Neck": Part("FC", {"embedding_size": 512, "class_num": 8}),
        "Head": Part("CosMargin", {"embedding_size": 8, "class_num": 3}),
    }
    model = rec_model(**gears)
    outputs = model(paddle.randn([2, 3, 32, 32]), paddle.to_tensor([0, 2]))
    shapes = {name: tensor.shape for name, tensor in outputs.items()}
    assert shapes == {"backbone": [2, 512], "neck": [2, 8], "features": [2, 8], "logits": [2, 3]}
    assert rec_model("avg_pool")(paddle.randn([2, 3, 32, 32]))["features"].shape == [2, 512, 1, 1]


def test_the_head_may_take_what_the_neck_takes() -> None:
    gears = {
        "Neck": Part("FRFNNeck", {"num_features": 64, "low_dim": 4}),
        "Head": Part("FC", {"embedding_size": 64, "class_num": 3}),
        "head_feature_from": "backbone",
    }
    backbone = ArchPart("WideResNet", {"depth": 10, "widen_factor": 1})
    part = Part("RecModel", {"Backbone": backbone, "BackboneStopLayer": StopLayer("bn1"), **gears})
    outputs = ARCHITECTURES.build(part)(paddle.randn([2, 3, 32, 32]))
    # As in PaddleClas, which pools by a function: what is left of the backbone pools.
    shapes = {name: tensor.shape for name, tensor in outputs.items()}
    assert shapes == {"backbone": [2, 64], "neck": [2, 4], "features": [2, 4], "logits": [2, 3]}
    assert (outputs["backbone"] < 0).any()
    with pytest.raises(ConfigError, match="infer_output_key: logits come from a head; received none; add Head"):
        rec_model(infer_output_key="logits")


def test_a_layer_to_stop_after_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no layer 'pool'; choose from stem, max_pool, blocks, avg_pool, flatten, fc"):
        rec_model("pool")


def test_weights_of_the_whole_backbone_load_into_one_that_stops(tmp_path: Any) -> None:
    whole, model = create_model("ResNet18", class_num=7), create_model("ResNet18")
    paddle.save(whole.state_dict(), str(tmp_path / "w.pdparams"))
    stop_after(model, "flatten")
    load_weights(model, str(tmp_path / "w.pdparams"))
    np.testing.assert_array_equal(model.blocks[0].conv0.conv.weight.numpy(), whole.blocks[0].conv0.conv.weight.numpy())


def test_rates_of_the_backbone_are_those_of_its_parameters_inside() -> None:
    part = ArchPart("ResNet18", {"lr_mult_list": [0.5, 1.0, 1.0, 1.0, 1.0]})
    model = ARCHITECTURES.build(Part("RecModel", {"Backbone": part}))
    names = [name for name in model.state_dict() if any(group.has(name) for group in model.param_groups)]
    assert names and all(name.startswith("backbone.stem.") for name in names)


@pytest.mark.parametrize("name", ["ArcMargin", "CosMargin", "CircleMargin", "AdaMargin"])
def test_an_evaluation_has_plain_cosines(name: str) -> None:
    arguments = {} if name == "AdaMargin" else {"margin": 0.2, "scale": 10.0}
    head = HEADS.build(Part(name, {"embedding_size": 2, "class_num": 2, **arguments}))
    getattr(head, head.weight_name).set_value(WEIGHT)
    head.eval()
    np.testing.assert_allclose(head(paddle.to_tensor(FEATURES))[0], [math.cos(ANGLE), math.sin(ANGLE)], rtol=1e-5)


def test_margins_are_those_of_their_papers() -> None:
    own, other = math.cos(ANGLE), math.sin(ANGLE)
    np.testing.assert_allclose(
        logits("ArcMargin", margin=0.2, scale=10.0), [10 * math.cos(ANGLE + 0.2), 10 * other], rtol=1e-4
    )
    np.testing.assert_allclose(logits("CosMargin", margin=0.2, scale=10.0), [10 * (own - 0.2), 10 * other], rtol=1e-5)
    circle = [10 * (1.25 - own) * (own - 0.75), 10 * (other + 0.25) * (other - 0.25)]
    np.testing.assert_allclose(logits("CircleMargin", margin=0.25, scale=10.0), circle, rtol=1e-4)
    # One image is of mean quality in its batch but for the running deviation: (5 - 5) / 100.
    np.testing.assert_allclose(logits("AdaMargin", m=0.4, s=10.0), [10 * (own - 0.4), 10 * other], rtol=1e-4)


def test_a_number_of_outputs_must_be_given() -> None:
    with pytest.raises(ValueError, match="class_num: must be at least 1; received 0"):
        FC(embedding_size=4)
