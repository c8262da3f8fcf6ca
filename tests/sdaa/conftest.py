"""A simulated SDAA accelerator, built by the C++ compiler that is there."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

SOURCES = Path(__file__).parent


@pytest.fixture(scope="session")
def sdaa(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has four simulated SDAA devices."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ here to build the simulated device with")
    spec = importlib.util.find_spec("paddle")
    assert spec and spec.origin
    paddle, folder = Path(spec.origin).parent, tmp_path_factory.mktemp("plugin")
    options = ["-std=c++17", "-O1", "-fPIC", "-shared", "-DPADDLE_WITH_CUSTOM_DEVICE", f"-I{paddle}/include"]
    libraries = [f"-L{paddle}/libs", "-l:libphi_core.so", "-l:libcommon.so"]
    sources = [str(SOURCES / name) for name in ("sim_sdaa.cc", "float16_kernels.cc")]
    target = str(folder / "libpaddle_sdaa.so")
    built = subprocess.run([compiler, *options, *sources, *libraries, "-o", target], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return {**os.environ, "CUSTOM_DEVICE_ROOT": str(folder), "MKL_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 32 training and 8 held-back images in 4 class folders each."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for split, count in (("train", 32), ("val", 8)):
        for index in range(count):
            file = root / split / f"class{index % 4}" / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype="uint8"), (40, 40)))
    return root
