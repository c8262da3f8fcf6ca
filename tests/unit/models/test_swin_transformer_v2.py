"""Swin Transformer V2, of which PaddleClas gives no numbers, by a small one; against torchvision in tests/parity."""

import numpy as np
import paddle
import pytest

from ppcls.errors import ConfigError
from ppcls.models import ARCHITECTURES
from ppcls.models.swin_transformer_v2 import SwinTransformerV2, log_spaced_offsets


@pytest.fixture
def model() -> SwinTransformerV2:
    paddle.seed(0)
    return SwinTransformerV2(64, 8, (2, 2, 1, 1), (1, 2, 2, 4), 4, class_num=3)


def images(size: int = 64) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(0).standard_normal((2, 3, size, size)).astype("float32"))


def test_its_weights_are_those_of_swin_but_for_the_attention() -> None:
    with paddle.LazyGuard():
        one, two = (
            ARCHITECTURES.load(name)().state_dict()
            for name in ("SwinTransformer_tiny_patch4_window7_224", "SwinTransformerV2_tiny_patch4_window8_256")
        )
    own = {"logit_scale", "q_bias", "v_bias", "relative_coords_table", "cpb_mlp.0.weight", "cpb_mlp.0.bias"}
    only_two = {key.split(".attn.")[-1] for key in set(two) - set(one)}
    assert only_two - {f"layers.{stage}.blocks.{block}.attn_mask" for stage in range(3) for block in (1, 3, 5)} == {
        *own,
        "cpb_mlp.2.weight",
    }
    assert {key.split(".attn.")[-1] for key in set(one) - set(two)} == {"relative_position_bias_table", "qkv.bias"}
    changed = {key for key in set(one) & set(two) if one[key].shape != two[key].shape}
    assert {key.split(".", 2)[-1] for key in changed if "relative_position_index" not in key} == {
        "downsample.norm.weight",
        "downsample.norm.bias",
    }


def test_windows_shift_only_where_they_are_smaller_than_the_image(model: SwinTransformerV2) -> None:
    assert [[block.windows.shift for block in stage.blocks] for stage in model.layers] == [[0, 2], [0, 2], [0], [0]]
    assert [stage.blocks[0].windows.size for stage in model.layers] == [4, 4, 4, 2]
    assert model.layers[0].blocks[1].attn_mask.shape == [16, 16, 16]


def test_attention_takes_no_notice_of_the_length_of_keys(model: SwinTransformerV2) -> None:
    attention = model.layers[0].blocks[0].attn
    tokens = paddle.randn([1, 16, 8])
    expected = attention(tokens, None)
    longer = np.repeat([1, 3, 1], 8).astype("float32")
    attention.qkv.weight.set_value(attention.qkv.weight * longer)
    np.testing.assert_allclose(attention(tokens, None), expected, rtol=1e-4, atol=1e-6)


def test_offsets_are_spaced_by_logarithms_of_the_pretrained_window() -> None:
    table = log_spaced_offsets(3, 3)[0]
    np.testing.assert_allclose(
        table[:, 0, 0], np.array([-1, -np.log2(5) / np.log2(9), 0, 0.7325, 1]) * np.log2(9) / 3, rtol=1e-3
    )
    assert table.shape == (5, 5, 2) and log_spaced_offsets(3, 2)[0, 4, 4].tolist() == pytest.approx(
        [np.log2(17) / 3] * 2
    )


def test_it_learns_and_every_parameter_takes_part(model: SwinTransformerV2) -> None:
    optimizer = paddle.optimizer.AdamW(1e-2, parameters=model.parameters())
    losses = []
    for _ in range(6):
        loss = paddle.nn.functional.cross_entropy(model(images()), paddle.to_tensor([0, 1]))
        loss.backward()
        assert all(weight.grad is not None for weight in model.parameters())
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
    assert losses[-1] < losses[0]


def test_images_of_another_size_are_refused_with_a_reason(model: SwinTransformerV2) -> None:
    with pytest.raises(ConfigError, match="within 64 x 64 pixels; received 32 x 32; resize the images"):
        model(images(32))
