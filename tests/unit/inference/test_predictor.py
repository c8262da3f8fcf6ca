import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppcls.config import load_deploy_config
from ppcls.errors import CheckpointError, ConfigError, DataError, DeviceError
from ppcls.inference import artifact
from ppcls.inference.postprocess import Prediction
from ppcls.inference.predictor import Predictor


@pytest.fixture(scope="module")
def images(exported: Path, photos: list[bytes]) -> np.ndarray:
    pipeline = Predictor(exported).pipeline
    return pipeline.finish(np.stack([pipeline.sample(photo, np.random.default_rng(0)) for photo in photos]))


def test_scores_add_up_to_one_and_do_not_depend_on_the_batch(exported: Path, images: np.ndarray) -> None:
    predictor = Predictor(exported)
    scores = predictor.scores(images)
    assert (scores.shape, scores.dtype) == ((20, 10), np.float32)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    one_by_one = np.concatenate([predictor.scores(image[None]) for image in images])
    np.testing.assert_allclose(scores, one_by_one, atol=1e-5)
    assert np.array_equal(predictor.scores(images), scores)


@pytest.mark.parametrize("setting", [{"onednn": False}, {"optimise": False}, {"threads": 1}])
def test_settings_do_not_change_the_scores(exported: Path, images: np.ndarray, setting: dict[str, Any]) -> None:
    expected = Predictor(exported).scores(images)
    np.testing.assert_allclose(Predictor(exported, **setting).scores(images), expected, atol=1e-4)


def test_a_predictor_carries_its_preprocessing(exported: Path, photos: list[bytes]) -> None:
    predictor = Predictor(exported)
    image = predictor.pipeline.sample(photos[0], np.random.default_rng(0))
    assert image.shape == (32, 32, 3)
    assert predictor.artifact.PostProcess.Topk.label_list[3] == "digit 3"


def test_images_of_another_size_are_refused(exported: Path) -> None:
    message = r"the model takes images \[N, 3, 32, 32\]; received \[1, 3, 48, 48\]; correct or remove the transforms"
    with pytest.raises(DataError, match=message):
        Predictor(exported).scores(np.zeros((1, 3, 48, 48), "float32"))


@pytest.mark.parametrize(
    ("setting", "name"), [({"precision": "float16"}, "use_fp16"), ({"tensorrt": True}, "use_tensorrt")]
)
def test_what_only_a_gpu_does_is_refused_elsewhere(exported: Path, setting: dict[str, Any], name: str) -> None:
    with pytest.raises(DeviceError, match=f"{name}: works on a GPU only; received device 'cpu'; omit it"):
        Predictor(exported, **setting)


@pytest.mark.parametrize("device", ["gpu", "sdaa"])
def test_a_device_that_is_not_there_is_refused(exported: Path, device: str) -> None:
    with pytest.raises(DeviceError, match=f"device: {device}: the device '{device}' is not available; Paddle "):
        Predictor(exported, device=device)


def test_no_threads_are_refused(exported: Path) -> None:
    with pytest.raises(ConfigError, match="threads: must be at least 1; received 0"):
        Predictor(exported, threads=0)


def same(one: Prediction, other: Prediction) -> bool:
    return one.class_ids == other.class_ids and np.allclose(one.scores, other.scores, atol=1e-5)


def test_transforms_that_leave_another_size_are_a_problem_of_the_image(exported: Path, tmp_path: Path) -> None:
    config = load_deploy_config(None, ["PreProcess.transform_ops=[ResizeImage: {resize_short: 32}]"])
    square, wide = np.zeros((40, 40, 3), "uint8"), np.zeros((40, 60, 3), "uint8")
    with pytest.raises(
        ConfigError, match=r"-o: PreProcess: gives images \[3, 32, 43\]; the model takes \[3, 32, 32\]; .*None"
    ):
        Predictor(exported, deploy=config)
    text = artifact.text(Predictor(exported).artifact).replace("  - CropImage: {size: 32}\n", "")
    folder = shutil.copytree(exported, tmp_path / "no_crop")
    (folder / "inference.yml").write_text(text.replace("resize_short: 36", "resize_short: 32"))
    predictor = Predictor(folder)
    first, second = predictor.stream([square, wide])
    assert first.prediction and second.problem.startswith("comes to 48 x 32, where 32 x 32 is needed; add")


def test_clones_answer_in_threads_of_their_own(exported: Path, images: np.ndarray) -> None:
    first = Predictor(exported, threads=1)
    expected = first.scores(images)
    clones = [first, first.clone(), first.clone().clone()]

    def ask(number: int) -> float:
        start, size = number % 13, 1 + number % 7
        return float(
            np.abs(clones[number % 3].scores(images[start : start + size]) - expected[start : start + size]).max()
        )

    with ThreadPoolExecutor(3) as threads:
        # Each clone stays with one thread.
        results = [threads.submit(lambda turn: [ask(turn + 3 * n) for n in range(40)], turn) for turn in range(3)]
        assert max(max(result.result()) for result in results) < 1e-5


def test_a_model_in_a_process_of_its_own_leaves_this_one_free(exported: Path, images: np.ndarray) -> None:
    predictor = Predictor(exported, isolated=True)
    np.testing.assert_allclose(predictor.scores(images), Predictor(exported).scores(images), atol=1e-5)
    assert predictor.about.startswith("Paddle Inference")
    twin = predictor.clone()
    np.testing.assert_array_equal(twin.scores(images[:2]), predictor.scores(images[:2]))


def children() -> set[int]:
    """Return the processes that this thread has started; other tests may have left some."""
    return set(map(int, Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()))


def test_a_model_in_a_process_of_its_own_outlives_a_signal_to_the_whole_group(
    exported: Path, images: np.ndarray
) -> None:
    others = children()
    predictor = Predictor(exported, isolated=True)
    (child,) = children() - others
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(child, number)
    predictor.scores(images)
    assert children() - others == {child}


def test_a_model_whose_process_died_is_started_again(exported: Path, images: np.ndarray) -> None:
    others = children()
    predictor = Predictor(exported, isolated=True)
    before = predictor.scores(images)
    (child,) = children() - others
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    np.testing.assert_array_equal(predictor.scores(images), before)


def test_a_script_may_ask_for_a_process_of_its_own_at_its_top_level(exported: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import ppcls\nprint(ppcls.Predictor({str(exported)!r}, isolated=True).about)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("Paddle Inference")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_process_cannot_load_is_reported_here(exported: Path) -> None:
    with pytest.raises(DeviceError, match="use_fp16: works on a GPU only"):
        Predictor(exported, precision="float16", isolated=True)


def test_an_old_export_with_a_deploy_yaml_of_paddleclas_predicts_the_same(
    exported: Path, photos: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("".join(f"{index} digit {index}\n" for index in range(10)))
    script = f"""
import paddle, ppcls
from ppcls.export.graph import Scores
paddle.seed(0)
graph = Scores(ppcls.create_model("RegNetX_200MF", class_num=10), "softmax")
graph.eval()
spec = [graph.input_spec((3, 32, 32))]
paddle.jit.save(paddle.jit.to_static(graph, input_spec=spec, full_graph=True), {str(tmp_path / "model/inference")!r})
"""
    old = {**os.environ, "FLAGS_enable_pir_api": "0"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], env=old, check=True, capture_output=True)
    assert (tmp_path / "model/inference.pdmodel").is_file()
    (tmp_path / "deploy.yaml").write_text(f"""
PreProcess:
  transform_ops:
    - ResizeImage: {{resize_short: 36}}
    - CropImage: {{size: 32}}
    - NormalizeImage: {{scale: 0.00392157, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], order: ''}}
    - ToCHWImage:
PostProcess:
  main_indicator: Topk
  Topk: {{topk: 2, class_id_map_file: {tmp_path}/labels.txt}}
""")
    with pytest.raises(CheckpointError, match="has no inference.yml with its preprocessing; give the folder"):
        Predictor(tmp_path / "model")
    predictor = Predictor(tmp_path / "model", deploy=tmp_path / "deploy.yaml")
    assert (predictor.input_shape, predictor.class_num) == ((3, 32, 32), 10)
    (prediction,) = predictor.predict(photos[0])
    assert prediction.label_names == [f"digit {index}" for index in prediction.class_ids]
    # The description of PaddleClas 2.6 says the same, but for the shapes.
    (tmp_path / "model/inference.yml").write_text(f"""
Global: {{model_name: RegNetX_200MF}}
Hpi: {{backend_configs: {{}}}}
PreProcess:
  transform_ops:
    - ResizeImage: {{resize_short: 36}}
    - CropImage: {{size: 32}}
    - NormalizeImage: {{channel_num: 3, scale: 0.00392156862745098, order: ''}}
    - ToCHWImage:
PostProcess:
  Topk: {{topk: 2, label_list: [{", ".join(f"digit {index}" for index in range(10))}]}}
""")
    assert same(Predictor(tmp_path / "model").predict(photos[0])[0], prediction)


def test_the_public_name_needs_no_import_of_paddle_before() -> None:
    import ppcls

    assert ppcls.Predictor is Predictor
    with pytest.raises(AttributeError, match="module 'ppcls' has no attribute 'Predicter'"):
        _ = ppcls.Predicter


def test_a_classifier_has_no_features_to_give(exported: Path, photos: list[bytes]) -> None:
    with pytest.raises(ConfigError, match="gives scores of classes, not features"):
        next(Predictor(exported).embed(photos))
