"""A model run by Paddle Inference. Its `run` keeps Python's lock: no other thread of the process runs meanwhile."""

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import inference

from ppcls import device, environment
from ppcls.errors import DeviceError
from ppcls.inference.runtimes import Settings

# Fuses a reshape with the transposition before it, and breaks the program where either has more than four axes, as
# in windows of images (Paddle 3.3).
UNSOUND_PASS = "operator_reshape_onednn_fuse_pass"

MKL = environment.mkl()


class PaddleInference:
    """A model in Paddle's format, on the CPU (through oneDNN unless that is off), a GPU, or a plug-in device.

    Raises: RuntimeError for what Paddle can't load or compute.
    """

    def __init__(self, model: Path, weights: Path, settings: Settings) -> None:
        self.description: Optional[str] = None
        config = _config(model, weights, settings)
        try:
            with _threads_kept():
                self._use(inference.create_predictor(config))
        except (SystemError, ValueError) as error:  # of a pass that breaks the program
            raise RuntimeError(str(error)) from error
        kernels = " with oneDNN" if settings.device == "cpu" and settings.onednn else ""
        place = f"{settings.threads} CPU thread(s)" if settings.device == "cpu" else settings.device
        self.about = f"Paddle Inference {paddle.__version__}{kernels}, {settings.precision}, {place}"

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        self._input.reshape(images.shape)
        self._input.copy_from_cpu(np.ascontiguousarray(images))
        with _threads_kept():
            self._predictor.run()
        return np.asarray(self._output.copy_to_cpu())

    def clone(self) -> "PaddleInference":
        twin = copy.copy(self)
        with _threads_kept():
            twin._use(self._predictor.clone())
        return twin

    def _use(self, predictor: Any) -> None:
        self._predictor = predictor
        self._input = predictor.get_input_handle(predictor.get_input_names()[0])
        self._output = predictor.get_output_handle(predictor.get_output_names()[0])


@contextlib.contextmanager
def _threads_kept() -> Iterator[None]:
    """Leave the process the threads of matrix products that it had: Paddle sets a predictor's, and 1 after each run."""
    before = 0 if MKL is None else MKL.MKL_Get_Max_Threads()
    try:
        yield
    finally:
        if MKL is not None:
            MKL.MKL_Set_Num_Threads(before)


def _config(model: Path, weights: Path, settings: Settings) -> Any:
    # Paddle itself would compute on the CPU instead, or end the process.
    device.require(settings.device, f"device: {settings.device}")
    half, bfloat16 = settings.precision == "float16", settings.precision == "bfloat16"
    if settings.device != "gpu" and (half or settings.tensorrt):
        wanted = "use_fp16" if half else "use_tensorrt"
        raise DeviceError(f"{wanted}: works on a GPU only; received device '{settings.device}'; omit it")
    if bfloat16 and not (settings.device == "cpu" and settings.onednn):
        raise DeviceError(
            f"bfloat16: works on the CPU with oneDNN only; received device '{settings.device}', "
            f"oneDNN {'on' if settings.onednn else 'off'}; omit it"
        )
    config = inference.Config(str(model), str(weights))
    config.disable_glog_info()
    config.switch_ir_optim(settings.optimise)
    if settings.profile:
        config.enable_profile()
    if settings.device == "cpu":
        config.disable_gpu()
        config.set_cpu_math_library_num_threads(settings.threads)
        if settings.onednn:
            config.enable_mkldnn()
            config.delete_pass(UNSOUND_PASS)
        else:
            config.disable_mkldnn()
        if bfloat16:
            config.enable_mkldnn_bfloat16()
    elif settings.device == "gpu":
        kind = inference.PrecisionType.Half if half else inference.PrecisionType.Float32
        config.enable_use_gpu(settings.gpu_mem_mib, 0, kind)
        if settings.tensorrt:
            config.enable_tensorrt_engine(precision_mode=kind, max_batch_size=64, min_subgraph_size=3)
    elif settings.device == "xpu":
        config.enable_xpu()
    else:
        config.enable_custom_device(settings.device)
    return config
