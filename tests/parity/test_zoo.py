"""Every architecture against PaddleClas: the same names, shapes and types in the state dict, and the same logits."""

import functools
import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from recipe import filled

from ppcls.models import ARCHITECTURES

PARITY = Path(__file__).resolve().parents[3] / "shared/parity"


def references() -> dict[str, Any]:
    if not (PARITY / "zoo.json.gz").exists():
        return {}
    return {
        **json.loads((PARITY / "arch.json").read_text()),
        **json.loads(gzip.decompress((PARITY / "zoo.json.gz").read_bytes())),
    }


REFERENCES = references()
NAMES = [name for name in ARCHITECTURES.names() if name in REFERENCES]


@functools.cache
def num_weights(name: str) -> int:
    return sum(math.prod(shape) for shape, _ in REFERENCES[name]["state"].values())


def computed_each_time(name: str) -> bool:
    """Whether a model is the smallest of its family file that has numbers, and not too large for that."""
    family = ARCHITECTURES.module_of[name]
    relatives = [other for other in NAMES if ARCHITECTURES.module_of[other] == family]
    return name == min(relatives, key=num_weights) and num_weights(name) < 40e6


def with_slow_marks() -> list[Any]:
    return [name if computed_each_time(name) else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]


def first_tensor(outputs: Any) -> np.ndarray:
    logits = outputs["logits"] if isinstance(outputs, Mapping) else outputs
    return logits.numpy()


@pytest.mark.parametrize("name", NAMES)
def test_the_state_dict_is_that_of_paddleclas(name: str, shared: Path) -> None:
    with paddle.LazyGuard():
        model = ARCHITECTURES.load(name)()
    state = {key: [list(entry.shape), str(entry.dtype).split(".")[-1]] for key, entry in model.state_dict().items()}
    assert state == {key: [list(shape), dtype] for key, (shape, dtype) in REFERENCES[name]["state"].items()}


@pytest.mark.parametrize("name", with_slow_marks())
def test_the_logits_are_those_of_paddleclas(name: str, shared: Path) -> None:
    size = REFERENCES[name]["image_size"]
    with np.load(shared / "parity/zoo.npz") as zoo, np.load(shared / "parity/arch.npz") as arch:
        if name not in zoo and name not in arch:
            pytest.skip(f"no reference logits for {name}")
        expected = zoo[name] if name in zoo else arch[name]
    model = filled(ARCHITECTURES.load(name))
    model.eval()
    images = np.random.default_rng(0).standard_normal((2, 3, size, size)).astype("float32")
    with paddle.no_grad():
        actual = first_tensor(model(paddle.to_tensor(images)))
    assert np.abs(actual - expected).max() <= 1e-4 * (np.abs(expected).max() + 1)
