"""Variants of transformers of which PaddleClas gives no numbers, held against those of which it does."""

import numpy as np
import paddle
import pytest

from ppcls.models import ARCHITECTURES
from ppcls.models.cae import waves
from ppcls.models.solider import SOLIDER, ChannelwiseMerging


def keys(name: str) -> set[str]:
    with paddle.LazyGuard():
        return set(ARCHITECTURES.load(name)().state_dict())


@pytest.fixture
def solider() -> SOLIDER:
    paddle.seed(0)
    return SOLIDER(8, (1, 1, 2, 1), (1, 2, 2, 4), class_num=3, semantic_weight=0.25)


def images() -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype("float32"))


def test_solider_has_the_weights_of_swin_and_its_own() -> None:
    swin, solider = (keys(f"SwinTransformer_base_patch4_window7_224{end}") for end in ("", "_SOLIDER"))
    assert swin < solider
    assert {key.split(".")[0] for key in solider - swin} == {
        "semantic_embed_w",
        "semantic_embed_b",
        *(f"norm{stage}" for stage in range(4)),
    }


def test_solider_merges_patches_as_unfold_does() -> None:
    merging = ChannelwiseMerging(3)
    x_NHWC = paddle.randn([2, 4, 6, 3])
    tokens = paddle.nn.functional.unfold(x_NHWC.transpose([0, 3, 1, 2]), 2, strides=2).transpose([0, 2, 1])
    expected = merging.reduction(merging.norm(tokens))
    np.testing.assert_allclose(merging(x_NHWC).flatten(1, 2), expected, rtol=1e-4, atol=1e-6)


def test_the_semantic_weight_of_solider_steers_its_features(solider: SOLIDER) -> None:
    solider.eval()
    expected = solider.features(images())
    solider.semantic_weight = 0.75
    assert not np.allclose(solider.features(images()), expected, atol=1e-3)
    with pytest.raises(ValueError, match="semantic_weight: must be from 0 to 1; received 1.5"):
        SOLIDER(8, (1, 1, 1, 1), (1, 1, 1, 1), semantic_weight=1.5)


def test_every_trained_weight_of_solider_takes_part(solider: SOLIDER) -> None:
    solider(images()).square().sum().backward()
    trained = [(key, weight) for key, weight in solider.named_parameters() if not weight.stop_gradient]
    assert [key for key, weight in trained if weight.grad is None] == []


def test_cae_has_the_weights_of_a_vit_with_biases_of_its_own() -> None:
    vit, cae = keys("BEiTv2_vit_base_patch16_224"), keys("cae_base_patch16_224")
    endings = {key.split(".", 2)[-1] if key.startswith("blocks.") else key for key in cae - vit}
    assert endings == {
        "attn.q_bias",
        "attn.v_bias",
        "pos_embed",
        "patch_embed.proj.bias",
        "fc_norm.weight",
        "fc_norm.bias",
        "head.weight",
        "head.bias",
    }


def test_positions_of_cae_are_waves_down_and_then_across() -> None:
    positions = waves((2, 3), 4)[0]
    np.testing.assert_array_equal(positions[0], 0)
    expected = [[np.sin(y), np.cos(y), np.sin(x), np.cos(x)] for y in range(2) for x in range(3)]
    np.testing.assert_allclose(positions[1:], expected, rtol=1e-6)


@pytest.mark.slow
def test_the_aesthetic_model_has_a_whole_clip_and_gives_one_score() -> None:
    model = ARCHITECTURES.load("CLIP_large_patch14_224_aesthetic")()
    model.eval()
    assert keys("CLIP_vit_large_patch14_224") == {key[6:] for key in model.state_dict() if key.startswith("model.")}
    with paddle.no_grad():
        assert model(images()).shape == [2, 1]
