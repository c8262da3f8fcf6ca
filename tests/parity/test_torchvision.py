"""What PaddleClas can't build itself, against torchvision."""

import re
from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.models import ARCHITECTURES

# torchvision's names for parts of Swin Transformer V2, and ours.
RENAMED = (
    (r"^features\.0\.0\.", "patch_embed.proj."),
    (r"^features\.0\.2\.", "patch_embed.norm."),
    (r"^features\.([246])\.", lambda match: f"layers.{int(match[1]) // 2 - 1}.downsample."),
    (r"^features\.([1357])\.", lambda match: f"layers.{int(match[1]) // 2}.blocks."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
)


def renamed(key: str) -> str:
    for pattern, replacement in RENAMED:
        key = re.sub(pattern, replacement, key)
    return key


def converted(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return torchvision's weights by our names; its biases of keys are none of ours, as they have no effect."""
    ours = {}
    for key, value in state.items():
        name = renamed(key)
        if name.endswith("qkv.bias"):
            ours[name.replace("qkv.bias", "q_bias")], _, ours[name.replace("qkv.bias", "v_bias")] = np.split(value, 3)
        elif not name.endswith("relative_position_index"):
            is_linear = value.ndim == 2 and name.endswith("weight")
            ours[name] = value.T if is_linear else value
    return ours


def drawn(state: Any) -> Any:
    random = np.random.default_rng(0)
    return {
        key: random.normal(1.0 if "norm" in key and key.endswith("weight") else 0.0, 0.1, value.shape)
        if value.is_floating_point() and not key.endswith(("logit_scale", "relative_coords_table"))
        else value
        for key, value in state.items()
    }


def test_swin_transformer_v2_has_the_logits_of_torchvision() -> None:
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    theirs = torchvision.models.swin_v2_t(weights=None).eval()
    theirs.load_state_dict({key: torch.as_tensor(value) for key, value in drawn(theirs.state_dict()).items()})
    ours = ARCHITECTURES.load("SwinTransformerV2_tiny_patch4_window8_256")()
    ours.eval()
    weights = converted({key: value.numpy() for key, value in theirs.state_dict().items()})
    fixed = {key for key in ours.state_dict() if key.endswith(("attn_mask", "relative_position_index"))}
    assert set(weights) | fixed == set(ours.state_dict())
    table = "layers.0.blocks.0.attn.relative_coords_table"
    np.testing.assert_allclose(ours.state_dict()[table], weights[table], rtol=1e-6)
    for key, entry in ours.state_dict().items():
        if key not in fixed:
            entry.set_value(weights[key])
    images = np.random.default_rng(1).standard_normal((1, 3, 256, 256)).astype("float32")
    with paddle.no_grad(), torch.no_grad():
        actual, expected = ours(paddle.to_tensor(images)).numpy(), theirs(torch.as_tensor(images)).numpy()
    assert np.abs(actual - expected).max() <= 1e-4 * (np.abs(expected).max() + 1)
