"""An ONNX model run by ONNX Runtime, in float32 on the CPU."""

from pathlib import Path
from typing import Any, Optional

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ppcls.errors import DeviceError
from ppcls.inference.runtimes import METADATA, Settings


class OnnxRuntime:
    """A session, which any number of threads may use at a time."""

    def __init__(self, model: Path, settings: Settings) -> None:
        if settings.precision != "float32":
            raise DeviceError(
                f"precision: ONNX Runtime computes in float32; received {settings.precision}; use engine: openvino"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.log_severity_level = 3
        if not settings.optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self.description: Optional[str] = self._session.get_modelmeta().custom_metadata_map.get(METADATA)
        self.about = f"ONNX Runtime {onnxruntime.__version__}, float32, {settings.threads} CPU thread(s)"

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(self._session.run(None, {self._input: images})[0])

    def clone(self) -> "OnnxRuntime":
        return self
