"""Models of several models against PaddleClas: the same names and shapes in the state dict, and the same outputs."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from recipe import filled

from ppcls.config import load_config
from ppcls.engine import build
from ppcls.errors import ConfigError

FILE = Path(__file__).resolve().parents[3] / "shared/parity/models.json.gz"
ALL: dict[str, Any] = json.loads(gzip.decompress(FILE.read_bytes())) if FILE.exists() else {}
CASES = {case["yaml"].split("/")[-1]: (key, case) for key, case in ALL.items() if "models" in case["arch"]}
# Small ones, for each time: plain models, and chains.
EACH_TIME = ("resnet34_distill_resnet18_dkd.yaml", "resnet34_distill_resnet18_afd.yaml")


def built(case: Any) -> nn.Layer:
    channels = case["image_shape"][0]
    try:
        return build.model(
            load_config(None, [f"Arch={json.dumps(case['arch'])}", f"Global.image_shape=[{channels}, 8, 8]"])
        )
    except ConfigError as error:
        pytest.skip(f"not here: {str(error).splitlines()[0]}")


@pytest.mark.parametrize("name", CASES)
def test_the_state_dict_is_that_of_paddleclas(name: str, shared: Path) -> None:
    _, case = CASES[name]
    with paddle.LazyGuard():
        model = built(case)
    state = {key: [list(entry.shape), str(entry.dtype).split(".")[-1]] for key, entry in model.state_dict().items()}
    assert state == {key: [list(shape), dtype] for key, (shape, dtype) in case["state"].items()}


@pytest.mark.parametrize("name", [n if n in EACH_TIME else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_the_outputs_are_those_of_paddleclas(name: str, shared: Path) -> None:
    key, case = CASES[name]
    model = filled(lambda: built(case))
    model.eval()
    images = np.random.default_rng(0).standard_normal((2, *case["image_shape"])).astype("float32")
    with paddle.no_grad():
        outputs = model(paddle.to_tensor(images))
    with np.load(shared / "parity/models.npz") as arrays:
        for output in case["outputs"]:
            expected = arrays[f"{key}/{output}"]
            found = outputs[output if "." in output else f"{output}.logits"].numpy()
            assert np.abs(found - expected).max() <= 1e-4 * (np.abs(expected).max() + 1), output
