"""The evaluation chains give PaddleClas's pixels."""

import json
from pathlib import Path

import numpy as np
import pytest

from ppcls.images import TRANSFORMS
from ppcls.images.pipeline import Pipeline


@pytest.mark.parametrize("chain", ["imagenet_eval", "bicubic_pil", "bicubic_cv2_292_256", "area_square"])
def test_an_evaluation_chain_gives_the_reference_pixels(shared: Path, chain: str) -> None:
    ops = json.loads((shared / "parity/transforms.json").read_text())[chain]
    pipeline = Pipeline([TRANSFORMS.load(name)(**arguments) for op in ops for name, arguments in op.items()])
    rng = np.random.default_rng(0)
    with np.load(shared / "parity/transforms.npz") as expected:
        keys = [key for key in expected if key.startswith(f"{chain}/")]
        assert len(keys) == 8
        for key in keys:
            data = (shared / "data/imagenet-sample" / key.partition("/")[2]).read_bytes()
            difference = pipeline.sample(data, rng).astype(int) - expected[key]
            assert abs(difference).max() <= (1 if chain == "bicubic_pil" else 0), key
