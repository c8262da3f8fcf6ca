"""Whole `Arch` sections of PaddleClas's YAMLs: the same names and shapes in the state dict, and the same outputs."""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from recipe import fill

from ppcls.batch import outputs_of
from ppcls.config import load_config
from ppcls.models import ARCHITECTURES
from ppcls.models.ml_decoder import put_ml_decoder
from ppcls.registry import Part

PARITY = Path(__file__).resolve().parents[3] / "shared/parity"
SECTIONS = json.loads(gzip.decompress((PARITY / "models.json.gz").read_bytes())) if PARITY.exists() else {}
DECODERS = {index: found for index, found in SECTIONS.items() if found["arch"].get("use_ml_decoder")}


def decoder(arch: Mapping[str, Any]) -> paddle.nn.Layer:
    ours = {"name", "pretrained", "use_ml_decoder", "use_fused_attn", "use_ssld"}
    model = ARCHITECTURES.build(Part(arch["name"], {key: value for key, value in arch.items() if key not in ours}))
    model.arch_name = arch["name"]
    put_ml_decoder(model, arch["class_num"], 80)
    return model


def check_state(model: paddle.nn.Layer, expected: Mapping[str, Any]) -> None:
    state = {key: [list(entry.shape), str(entry.dtype).split(".")[-1]] for key, entry in model.state_dict().items()}
    assert state == {key: [list(shape), dtype] for key, (shape, dtype) in expected.items()}


def check_outputs(model: paddle.nn.Layer, index: str, shape: list[int]) -> None:
    fill(model)
    model.eval()
    images = np.random.default_rng(0).standard_normal((2, *shape)).astype("float32")
    with paddle.no_grad():
        outputs = outputs_of(model(paddle.to_tensor(images)))
    with np.load(PARITY / "models.npz") as arrays:
        expected = {name.partition("/")[2]: arrays[name] for name in arrays if name.startswith(f"{index}/")}
    for name, values in expected.items():
        actual = outputs[name or "logits"].numpy()
        assert np.abs(actual - values).max() <= 1e-4 * (np.abs(values).max() + 1), name


def small(index: str) -> bool:
    """Whether a model is quick to compute."""
    state = SECTIONS[index]["state"].values()
    return sum(int(np.prod(shape)) for shape, _ in state) < 20e6


def with_slow_marks(indices: Iterable[str]) -> list[Any]:
    return [index if small(index) else pytest.param(index, marks=pytest.mark.slow) for index in indices]


@pytest.mark.parametrize("index", with_slow_marks(DECODERS), ids=lambda index: DECODERS[index]["arch"]["name"])
def test_a_model_with_an_ml_decoder_is_that_of_paddleclas(index: str, shared: Path) -> None:
    model = decoder(DECODERS[index]["arch"])
    check_state(model, DECODERS[index]["state"])
    check_outputs(model, index, DECODERS[index]["image_shape"])


RETRIEVAL = {index: found for index, found in SECTIONS.items() if found["arch"]["name"] == "RecModel"}


def rec_model(arch: Mapping[str, Any], folder: Path) -> paddle.nn.Layer:
    file = folder / "arch.yaml"
    file.write_text(json.dumps({"Arch": arch}))
    return ARCHITECTURES.build(load_config(str(file)).Arch)


@pytest.mark.parametrize("index", with_slow_marks(RETRIEVAL), ids=lambda index: RETRIEVAL[index]["yaml"])
def test_a_model_of_retrieval_is_that_of_paddleclas(index: str, shared: Path, tmp_path: Path) -> None:
    model = rec_model(RETRIEVAL[index]["arch"], tmp_path)
    check_state(model, RETRIEVAL[index]["state"])
    check_outputs(model, index, RETRIEVAL[index]["image_shape"])
