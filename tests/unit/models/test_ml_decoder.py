"""ML-Decoder in place of a head: its questions, its weights, and the weights of a model without it."""

from pathlib import Path

import numpy as np
import paddle
import pytest

from ppcls import create_model
from ppcls.models.ml_decoder import MLDecoder, put_ml_decoder
from ppcls.models.weights import load_weights


def decoded(class_num: int = 5, query_num: int = 80) -> paddle.nn.Layer:
    model = create_model("PPLCNet_x0_25", class_num=class_num)
    put_ml_decoder(model, class_num, query_num)
    return model


@pytest.mark.parametrize("query_num", [80, 2], ids=["a query a class", "2 queries for 5 classes"])
def test_there_is_a_logit_for_each_class_of_images_of_any_size(query_num: int) -> None:
    model = decoded(5, query_num)
    for size in (32, 64):
        assert model(paddle.randn([2, 3, size, size])).shape == [2, 5]


def test_it_looks_at_places_not_at_their_mean() -> None:
    head = MLDecoder(8, 3, query_num=3, width=16)
    head.eval()
    maps = paddle.randn([1, 8, 2, 2])
    mean = maps.mean([2, 3], keepdim=True).expand([1, 8, 2, 2])
    assert not np.allclose(head(maps).numpy(), head(mean).numpy(), atol=1e-4)


def test_its_queries_are_fixed_and_the_rest_learns() -> None:
    model = decoded()
    model(paddle.randn([2, 3, 32, 32])).sum().backward()
    assert model.fc.query_pos_embed.weight.grad is None
    assert model.fc.input_proj.weight.grad is not None and model.conv1.conv.weight.grad is not None


def test_weights_of_the_model_with_its_plain_head_start_the_backbone(tmp_path: Path) -> None:
    plain, path = create_model("PPLCNet_x0_25", class_num=10), str(tmp_path / "plain.pdparams")
    paddle.save(plain.state_dict(), path)
    model = decoded()
    initial = model.fc.group_conv.weight.numpy()
    load_weights(model, path)
    np.testing.assert_array_equal(model.last_conv.weight.numpy(), plain.last_conv.weight.numpy())
    np.testing.assert_array_equal(model.fc.group_conv.weight.numpy(), initial)
    paddle.save(model.state_dict(), path)
    again = decoded()
    load_weights(again, path, new_head=False)
    np.testing.assert_array_equal(again.fc.group_conv.weight.numpy(), initial)


def test_a_model_of_several_heads_is_refused() -> None:
    with pytest.raises(ValueError, match="GoogLeNet has more than one head"):
        put_ml_decoder(create_model("GoogLeNet", class_num=5), 5, 80)
