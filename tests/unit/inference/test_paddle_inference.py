"""What Paddle Inference's oneDNN gets wrong does not reach the user."""

from pathlib import Path
from typing import Any, Callable

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from ppcls import environment
from ppcls.errors import ConfigError
from ppcls.export.onnx import convert
from ppcls.inference import artifact
from ppcls.inference.predictor import Predictor
from ppcls.inference.runtimes import Settings, paddle_inference
from ppcls.inference.runtimes.paddle_inference import PaddleInference
from ppcls.models.layers import join_windows, pad_to_multiples, split_windows


class Computes(nn.Layer):
    """A linear layer, what a function makes of its images [N, H, W, 16], and ten classes."""

    def __init__(self, function: Callable[[paddle.Tensor], paddle.Tensor]) -> None:
        super().__init__()
        self.linear, self.function = nn.Linear(3, 16), function
        self.fc = nn.Linear(16, 10)

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.function(self.linear(images_NCHW.transpose([0, 2, 3, 1])))
        return F.softmax(self.fc(x.flatten(1, 2).mean(1)))


def in_windows(x: paddle.Tensor) -> paddle.Tensor:
    tokens = split_windows(pad_to_multiples(x, 7, 7), 7, 7)
    return join_windows(F.gelu(tokens), 7, 7, image_height=35, image_width=35)


def pooled(x: paddle.Tensor) -> paddle.Tensor:
    return F.adaptive_avg_pool2d(x, 64, data_format="NHWC")


def saved(folder: Path, function: Callable[[paddle.Tensor], paddle.Tensor]) -> tuple[nn.Layer, Path, Path]:
    model = Computes(function)
    model.eval()
    spec = [paddle.static.InputSpec([None, 3, 32, 32], name="x")]
    paddle.jit.save(paddle.jit.to_static(model, input_spec=spec, full_graph=True), str(folder / "inference"))
    return model, folder / artifact.MODEL, folder / artifact.WEIGHTS


def test_windows_of_images_are_computed_through_onednn(tmp_path: Path) -> None:
    model, program, weights = saved(tmp_path, in_windows)
    runtime = PaddleInference(program, weights, Settings())
    images = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype("float32")
    for _ in range(3):  # a write beyond the result shows late
        np.testing.assert_allclose(runtime.scores(images), model(paddle.to_tensor(images)).numpy(), atol=1e-5)


def test_a_model_that_onednn_cannot_load_is_computed_without_it(
    exported: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = paddle_inference.inference.create_predictor

    def broken(config: Any) -> Any:  # as a pass breaks some programs
        if config.mkldnn_enabled():
            raise SystemError("(Fatal) Ctx should have corresponding OpInfo")
        return create(config)

    monkeypatch.setattr(paddle_inference.inference, "create_predictor", broken)
    predictor = Predictor(exported, engine="paddle", threads=1)
    assert "oneDNN can't run this model ((Fatal) Ctx should have corresponding OpInfo)" in caplog.text
    assert predictor.about == f"Paddle Inference {paddle.__version__}, float32, 1 CPU thread(s)"


def test_what_paddle2onnx_ends_its_process_for_is_one_message(exported: Path, tmp_path: Path) -> None:
    saved(tmp_path, pooled)
    with pytest.raises(ConfigError, match="paddle2onnx can't convert this model to opset 17; it "):
        convert(tmp_path, artifact.read(exported), 17)


@pytest.mark.skipif(paddle_inference.MKL is None, reason="Paddle has no MKL here")
def test_a_training_in_the_same_process_keeps_its_threads(exported: Path, photos: list[bytes]) -> None:
    before = paddle_inference.MKL.MKL_Get_Max_Threads()
    paddle_inference.MKL.MKL_Set_Num_Threads(environment.physical_cores())
    try:
        predictor = Predictor(exported, engine="paddle", threads=1)
        predictor.clone().predict(photos[0])
        assert paddle_inference.MKL.MKL_Get_Max_Threads() == environment.physical_cores()
    finally:
        paddle_inference.MKL.MKL_Set_Num_Threads(before)
