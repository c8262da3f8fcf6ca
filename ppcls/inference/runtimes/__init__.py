"""What runs an exported model: Paddle Inference, ONNX Runtime or OpenVINO, each behind the same two methods."""

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Optional, Protocol

import numpy as np
from numpy.typing import NDArray

from ppcls.errors import DeviceError

Precision = Literal["float32", "bfloat16", "float16"]
# The key under which an ONNX file carries its description.
METADATA = "ppcls"
EngineName = Literal["paddle", "openvino", "onnxruntime"]


@dataclass(frozen=True)
class Settings:
    """Where and how to compute. `threads`: of the CPU; `gpu_mem_mib`: first size of the memory pool on a GPU."""

    device: str = "cpu"
    threads: int = 1
    precision: Precision = "float32"
    onednn: bool = True
    optimise: bool = True
    tensorrt: bool = False
    gpu_mem_mib: int = 8000
    profile: bool = False
    # In a process of its own, if the engine stops the threads of this one while it computes.
    isolated: bool = False


class Runtime(Protocol):
    """A loaded model. One thread at a time may use it; `clone` gives another thread one that shares the weights."""

    # What computes, in words.
    about: str
    # What an ONNX file carries; None for Paddle's formats, where it stands beside the model.
    description: Optional[str]

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return the scores float32 [N, class_num] of a batch of the model's input."""

    def clone(self) -> "Runtime": ...


def load(engine: EngineName, model: Path, weights: Optional[Path], settings: Settings) -> Runtime:
    """Load a model: `inference.json` or `.pdmodel` with its weights for Paddle, an `.onnx` file for the others.

    Raises DeviceError for what the engine can't do here.
    """
    if engine == "paddle" and settings.isolated:
        from ppcls.inference.runtimes.isolated import Isolated

        return Isolated(engine, model, weights, replace(settings, isolated=False))
    if engine == "paddle":
        from ppcls.inference.runtimes.paddle_inference import PaddleInference

        assert weights is not None
        return PaddleInference(model, weights, settings)
    if settings.device != "cpu":
        raise DeviceError(f"engine: {engine} computes on the CPU only; received device '{settings.device}'; use paddle")
    if not installed(engine):
        raise DeviceError(f"engine: {engine} is not installed; pip install {engine}, or use another engine")
    if engine == "openvino":
        from ppcls.inference.runtimes.open_vino import OpenVino

        return OpenVino(model, settings)
    from ppcls.inference.runtimes.onnx_runtime import OnnxRuntime

    return OnnxRuntime(model, settings)


def installed(engine: EngineName) -> bool:
    """Return whether the package of an engine is here."""
    return importlib.util.find_spec(engine) is not None
