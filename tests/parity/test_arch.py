"""Our architectures against PaddleClas: same names, shapes and logits."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.models import ARCHITECTURES


@pytest.fixture(scope="module")
def architectures(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "parity/arch.json").read_text())


def reference_value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("_variance"):
        return generator.uniform(0.5, 1.5, shape).astype("float32")
    if len(shape) < 2:
        offset = 1.0 if key.endswith("weight") else 0.0
        return (offset + 0.1 * generator.standard_normal(shape)).astype("float32")
    fan = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
    return (generator.standard_normal(shape) * np.sqrt(1 / fan)).astype("float32")


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_names_shapes_and_logits_are_those_of_paddleclas(
    name: str, shared: Path, architectures: dict[str, Any]
) -> None:
    if name not in architectures:
        pytest.skip(f"no reference numbers for {name}")
    reference = architectures[name]
    weights = {key: reference_value(key, tuple(shape)) for key, (shape, _) in reference["state"].items()}
    size = reference["image_size"]
    images = np.random.default_rng(0).standard_normal((2, 3, size, size)).astype("float32")
    with np.load(shared / "parity/arch.npz") as logits:
        expected = logits[name]
    for data_format in ("NCHW", "NHWC"):
        model = ARCHITECTURES.load(name)(data_format=data_format)
        state = model.state_dict()
        assert [(key, list(tensor.shape)) for key, tensor in state.items()] == [
            (key, shape) for key, (shape, _) in reference["state"].items()
        ]
        assert sum(parameter.size for parameter in model.parameters()) == reference["num_params"]
        model.set_state_dict(weights)
        model.eval()
        with paddle.no_grad():
            actual = model(paddle.to_tensor(images)).numpy()
        assert np.abs(actual - expected).max() <= 1e-4 * (np.abs(expected).max() + 1)
