"""An ONNX model run by OpenVINO, on the CPU."""

import copy
from pathlib import Path
from typing import Any, Optional

import numpy as np
import openvino
from numpy.typing import NDArray

from ppcls.errors import DeviceError
from ppcls.inference.runtimes import METADATA, Settings

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVino:
    """A request of a compiled model; clones are requests of the same one."""

    def __init__(self, model: Path, settings: Settings) -> None:
        if settings.precision not in PRECISIONS:
            raise DeviceError(
                f"precision: OpenVINO computes in {' or '.join(PRECISIONS)}; received {settings.precision}"
            )
        hints = {
            "INFERENCE_NUM_THREADS": settings.threads,
            "INFERENCE_PRECISION_HINT": PRECISIONS[settings.precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        read = core.read_model(str(model))
        carried = ["framework", METADATA]
        self.description: Optional[str] = read.get_rt_info(carried).astype(str) if read.has_rt_info(carried) else None
        self._compiled = core.compile_model(read, "CPU", hints)
        self._request = self._compiled.create_infer_request()
        version = openvino.__version__.partition("-")[0]
        self.about = f"OpenVINO {version}, {settings.precision}, {settings.threads} CPU thread(s)"

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(self._request.infer({0: images})[0])

    def clone(self) -> "OpenVino":
        twin = copy.copy(self)
        twin._request = self._compiled.create_infer_request()
        return twin
