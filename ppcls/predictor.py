"""An exported model, ready to predict with Paddle Inference."""

from pathlib import Path
from typing import Literal, Optional, Union

import numpy as np
from paddle import inference

from ppcls import artifact, pictures
from ppcls.errors import DataError, DeviceError


class Predictor:
    """Scores of pictures from the folder that `tools/export_model.py` wrote.

    `device`: `cpu`, `gpu`, `xpu` or the name of a plug-in device such as `sdaa`. `threads`: of the CPU; None: as
    many as OMP_NUM_THREADS says. `gpu_mem_mib`: first size of the memory pool on a GPU. Raises CheckpointError
    for a damaged folder and DeviceError for a device, or a precision on it, that is not there.
    """

    def __init__(
        self,
        folder: Union[str, Path],
        *,
        device: str = "cpu",
        threads: Optional[int] = None,
        precision: Literal["float32", "float16"] = "float32",
        onednn: bool = True,
        optimise: bool = True,
        tensorrt: bool = False,
        gpu_mem_mib: int = 8000,
        profile: bool = False,
    ) -> None:
        self.artifact = artifact.read(Path(folder))
        self.pipeline = pictures.pipeline(self.artifact.transforms)
        half = precision == "float16"
        if device != "gpu" and (half or tensorrt):
            wanted = "use_fp16" if half else "use_tensorrt"
            raise DeviceError(f"{wanted}: works on a GPU only; received device '{device}'; leave it out")
        config = inference.Config(str(Path(folder) / artifact.MODEL), str(Path(folder) / artifact.WEIGHTS))
        config.disable_glog_info()
        config.switch_ir_optim(optimise)
        if profile:
            config.enable_profile()
        if device == "cpu":
            config.disable_gpu()
            if threads is not None:
                config.set_cpu_math_library_num_threads(threads)
            if onednn:
                config.enable_mkldnn()
            else:
                config.disable_mkldnn()
        elif device == "gpu":
            kind = inference.PrecisionType.Half if half else inference.PrecisionType.Float32
            config.enable_use_gpu(gpu_mem_mib, 0, kind)
            if tensorrt:
                config.enable_tensorrt_engine(precision_mode=kind, max_batch_size=64, min_subgraph_size=3)
        elif device == "xpu":
            config.enable_xpu()
        else:
            config.enable_custom_device(device)
        self._predictor = inference.create_predictor(config)
        self._input = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        self._output = self._predictor.get_output_handle(self._predictor.get_output_names()[0])

    def scores(self, images_NCHW: np.ndarray) -> np.ndarray:
        """Return softmax scores float32 [N, class_num] of finished images float32 [N, C, H, W].

        Raises DataError for images of another size than the model was exported for.
        """
        if images_NCHW.shape[1:] != self.artifact.input_shape:
            raise DataError(
                f"the model takes images [N, {', '.join(map(str, self.artifact.input_shape))}]; "
                f"received {list(images_NCHW.shape)}; correct or remove the transforms that replace the model's own"
            )
        self._input.reshape(images_NCHW.shape)
        self._input.copy_from_cpu(np.ascontiguousarray(images_NCHW))
        self._predictor.run()
        return np.asarray(self._output.copy_to_cpu())
