"""What predict_cls.py and infer.py do with the model of the journey, in this process."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import TRANSFORMS, Journey

from ppcls.cli import main

# The form of PaddleClas's deploy/configs/inference_cls.yaml.
PADDLECLAS_FORM = """
Global:
  infer_imgs: "{images}"
  inference_model_dir: "{model}"
  batch_size: 1
  use_gpu: True
  enable_mkldnn: True
  cpu_num_threads: 2
  enable_benchmark: True
  use_fp16: False
  ir_optim: True
  use_tensorrt: False
  gpu_mem: 8000
  enable_profile: False

PreProcess:
  transform_ops:
    - ResizeImage:
        resize_short: 28
    - CropImage:
        size: 24
    - NormalizeImage:
        scale: 0.00392157
        mean: [0.5, 0.5, 0.5]
        std: [0.5, 0.5, 0.5]
        order: ""
        channel_num: 3
    - ToCHWImage:

PostProcess:
  main_indicator: Topk
  Topk:
    topk: 5
    class_id_map_file: {labels}
  SavePreLabel:
    save_dir: {saved}
"""

Predict = Callable[..., tuple[int, str, str]]


@pytest.fixture
def predict(journey: Journey, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Predict:
    """Return what predicts the images of the class `red`, with options; gives status, output and errors."""

    def call(*overrides: str) -> tuple[int, str, str]:
        config = tmp_path / "deploy.yaml"
        config.write_text(f"Global: {{inference_model_dir: {journey.folder}/exported, infer_imgs: {shapes}/val/red}}\n")
        status = main(
            ["-c", str(config), *(word for option in overrides for word in ("-o", option))], command="predict"
        )
        return (status, *capsys.readouterr())

    return call


@pytest.fixture
def infer(journey: Journey, shapes: Path, capsys: pytest.CaptureFixture[str]) -> Predict:
    """Return what infers the images of the class `red` with the weights."""

    def call(*overrides: str) -> tuple[int, str, str]:
        options = [f"Infer.infer_imgs={shapes}/val/red", TRANSFORMS, *overrides]
        options = [f"Global.pretrained_model={journey.folder}/output/ResNet18/best_model", *options]
        words = [word for option in options for word in ("-o", option)]
        status = main(["-c", str(journey.folder / Journey.config), *words], command="infer")
        return (status, *capsys.readouterr())

    return call


def test_infer_takes_a_list_below_a_folder_and_writes_its_answers_as_paddlex_wants(
    infer: Predict, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.txt").write_text("red/1.png\nblue/0.png 0\n")
    given = [f"Infer.infer_imgs={shapes}/val", f"Infer.infer_list={tmp_path}/list.txt"]
    status, output, _ = infer(*given, f"Infer.save_dir={tmp_path}/answers/")
    assert (status, names(output)) == (0, ["1.png", "0.png"])
    answers = json.loads((tmp_path / "answers.json").read_text())
    assert [answer["file_name"] for answer in answers] == [f"{shapes}/val/red/1.png", f"{shapes}/val/blue/0.png"]
    assert answers[0].keys() == {"class_ids", "scores", "label_names", "file_name"}
    status, _, errors = infer(f"Infer.infer_imgs=[{shapes}]", given[1])
    assert status == 2
    assert errors.endswith("Infer.infer_list: needs one folder as Infer.infer_imgs; received several\n")


def names(output: str) -> list[str]:
    return [line.partition(":\t")[0] for line in output.splitlines() if ":\tclass id(s): [" in line]


def test_images_come_in_batches_of_any_size(predict: Predict) -> None:
    one_by_one = predict()
    assert one_by_one[0] == 0
    assert names(one_by_one[1]) == [f"{number}.png" for number in range(5)]
    for size in (2, 5, 64):
        assert predict(f"Global.batch_size={size}") == one_by_one


def test_the_names_of_the_folders_travel_with_the_weights(predict: Predict, infer: Predict) -> None:
    for call, option in ((predict, "PostProcess.Topk.topk=1"), (infer, "Infer.PostProcess={name: Topk, topk: 1}")):
        lines = [line for line in call(option)[1].splitlines() if "class id" in line]
        name_of = ["blue", "green", "red"]
        for line in lines:
            found = re.search(
                r"class id\(s\): \[(\d)\], score\(s\): \[[01]\.\d\d\], label_name\(s\): \['(\w+)'\]", line
            )
            assert found
            assert name_of[int(found[1])] == found[2]


@pytest.mark.parametrize("kind", ["predict", "infer"])
def test_a_corrupt_image_is_reported_and_the_others_predicted(
    request: pytest.FixtureRequest, kind: str, shapes: Path, tmp_path: Path
) -> None:
    call: Predict = request.getfixturevalue(kind)
    shutil.copytree(shapes / "val/red", tmp_path / "images")
    whole = (tmp_path / "images/1.png").read_bytes()
    (tmp_path / "images/1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "images/empty.jpg").touch()
    section = "Global" if kind == "predict" else "Infer"
    status, output, errors = call(f"{section}.infer_imgs={tmp_path}/images", f"{section}.batch_size=2")
    assert status == 1
    assert names(output) == ["0.png", "2.png", "3.png", "4.png"]
    for name in ("1.png", "empty.jpg"):
        assert f"{tmp_path}/images/{name}: " in output + errors
    assert "Traceback" not in output + errors


def test_a_damaged_model_is_refused(predict: Predict, journey: Journey, tmp_path: Path) -> None:
    shutil.copytree(journey.folder / "exported", tmp_path / "model")
    weights = tmp_path / "model/inference.pdiparams"
    weights.write_bytes(weights.read_bytes()[:-4])
    status, output, errors = predict(f"Global.inference_model_dir={tmp_path}/model")
    assert (status, output) == (2, "")
    assert errors == f"'{weights}': is damaged (its checksum does not fit); export it again\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["Global.use_gpu=True"], "Global.use_gpu: True: the device 'gpu' is not available; Paddle "),
        (["Global.use_sdaa=True"], "Global.use_sdaa: True: the device 'sdaa' is not available; Paddle "),
        (
            ["Global.use_gpu=True", "Global.use_npu=True"],
            "Global: one device at a time; received use_gpu, use_npu; keep",
        ),
        (["Global.use_fp16=True"], "use_fp16: works on a GPU only; received device 'cpu'; omit it"),
        (["Global.infer_imgs=null"], "missing key 'Global.infer_imgs'; `predict` needs it"),
        (["Global.infer_imgs=nowhere.jpg"], "infer_imgs: 'nowhere.jpg' does not exist; give an image, a folder or a"),
        (
            ["Global.inference_model_dir=."],
            "inference_model_dir: '.' has no inference.yml; give the folder that",
        ),
        (
            ["PreProcess.transform_ops=[NormalizeImage: , ResizeImage: {size: 24}]"],
            "-o PreProcess.transform_ops=[NormalizeImage: , ResizeImage: {size: 24}]",
        ),
        (
            ["PreProcess.transform_ops=[ResizeImage: {size: 20}]"],
            "PreProcess: gives images [3, 20, 20]; the model t",
        ),
        (
            ["PostProcess.main_indicator=ThreshOutput"],
            "main_indicator is ThreshOutput, whose threshold is missing; add",
        ),
        (
            ["PostProcess.Topk.class_id_map_file=imagenet1k_label_list.txt"],
            "class_id_map_file: the model has 3 classes; received 1000 names (imagenet1k_label_list.txt); give the map",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exits_with_2(predict: Predict, options: list[str], message: str) -> None:
    status, output, errors = predict(*options)
    assert (status, output) == (2, "")
    assert message in errors
    assert errors.count("\n") == 1


def test_a_map_of_another_size_is_refused_by_infer(infer: Predict) -> None:
    part = "Infer.PostProcess={name: Topk, class_id_map_file: imagenet1k_label_list.txt}"
    status, _, errors = infer(part)
    assert status == 2
    assert "Topk: class_id_map_file: the model has 3 classes; received 1000 names" in errors


def test_a_deploy_yaml_of_paddleclas_works(
    journey: Journey, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.txt").write_text("0 bleu\n1 vert\n2 rouge\n")
    model, images = journey.folder / "exported", shapes / "val/red"
    places = {"images": images, "model": model, "labels": tmp_path / "labels.txt", "saved": tmp_path / "saved"}
    (tmp_path / "theirs.yaml").write_text(PADDLECLAS_FORM.format(**places))
    assert main(["-c", str(tmp_path / "theirs.yaml"), "-o", "Global.use_gpu=False"], command="predict") == 0
    output, errors = capsys.readouterr()
    assert errors == ""  # its PreProcess gives the same images: no warning
    assert names(output) == [f"{number}.png" for number in range(5)]
    assert "'rouge'" in output
    assert re.search(r"\| +run \| +\d+\.\d\d \| +\d+\.\d\d \| +\d+\.\d\d \| +\d+\.\d% \|\n", output)
    assert re.search(r"^5 images, \d+\.\d images/s$", output, re.MULTILINE)
    best = [int(line.partition("[")[2].partition(",")[0]) for line in output.splitlines() if "class id" in line]
    for number, class_id in enumerate(best):
        assert (tmp_path / f"saved/{class_id}/{number}.png").read_bytes() == (images / f"{number}.png").read_bytes()


def test_other_preprocessing_than_the_model_s_is_warned_of(predict: Predict, tmp_path: Path) -> None:
    ops = "ResizeImage: {size: 24}, NormalizeImage: {mean: [0, 0, 0], std: [1, 1, 1]}"
    status, output, errors = predict(f"PreProcess.transform_ops=[{ops}]")
    assert status == 0
    assert len(names(output)) == 5
    assert errors == (
        f"{tmp_path}/deploy.yaml: PreProcess gives other images than the transforms that the model was exported "
        "with; remove the section to use those\n"
    )


def test_a_folder_for_predicted_images_that_cannot_be_is_one_line(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, _, errors = predict(f"PostProcess.SavePreLabel.save_dir={tmp_path}/file/saved")
    assert status == 2
    assert "PostProcess.SavePreLabel.save_dir: can't make the folder" in errors


def test_a_model_of_more_classes_than_there_were_folders_names_them_by_number(
    journey: Journey, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        f"Global.output_dir={tmp_path}/output",
        "Arch.class_num=5",
        "Global.epochs=1",
        "Global.iter_per_epoch=1",
        "Global.eval_during_train=False",
    ]
    words = [str(journey.folder / Journey.config), *(word for option in options for word in ("-o", option))]
    assert main(["-c", *words], command="train") == 0
    weights = ["-o", f"Global.pretrained_model={tmp_path}/output/ResNet18/latest"]
    assert main(["-c", *words, *weights, "-o", f"Infer.infer_imgs={shapes}/val/red/0.png"], command="infer") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("0.png")]
    assert sorted(re.findall(r"'(\w+)'", line)) == ["3", "4", "blue", "green", "red"]


@pytest.mark.parametrize("kind", ["predict", "infer"])
def test_images_of_one_file_name_are_told_apart_and_all_are_answered(
    request: pytest.FixtureRequest, kind: str, shapes: Path, tmp_path: Path
) -> None:
    call: Predict = request.getfixturevalue(kind)
    section = "Global" if kind == "predict" else "Infer"
    status, output, _ = call(f"{section}.infer_imgs={shapes}/val")
    expected = [f"{name}/{index}.png" for name in ("blue", "green", "red") for index in range(4)]
    assert status == 0 and names(output) == [*expected, "4.png"]
    (tmp_path / "list.txt").write_text("".join(f"{shapes}/val/red/{name}\t2\n" for name in ("1.png", "0.png", "1.png")))
    status, output, _ = call(f"{section}.infer_imgs={tmp_path}/list.txt", f"{section}.batch_size=2")
    assert status == 0 and names(output) == ["1.png", "0.png", "1.png"]


def test_copies_by_class_keep_the_folders_below_the_searched_one(
    predict: Predict, shapes: Path, tmp_path: Path
) -> None:
    save = f"PostProcess.SavePreLabel.save_dir={tmp_path}/saved"

    def saved() -> list[str]:
        found = sorted(str(file.relative_to(tmp_path / "saved")).partition("/")[2] for file in saved_files())
        shutil.rmtree(tmp_path / "saved")
        return found

    def saved_files() -> list[Path]:
        return [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]

    every = sorted(str(path.relative_to(shapes / "val")) for path in (shapes / "val").glob("*/*.png"))
    assert len(every) == 13
    assert predict(f"Global.infer_imgs={shapes}/val", save)[0] == 0
    assert saved() == every
    (tmp_path / "list.txt").write_text("".join(f"{shapes}/val/{name} 0\n" for name in every))
    assert predict(f"Global.infer_imgs={tmp_path}/list.txt", save)[0] == 0
    assert saved() == sorted(f"{shapes}/val/{name}".lstrip("/") for name in every)
    assert predict(f"Global.infer_imgs=[{shapes}/val/red, {shapes}/val/blue/0.png]", save)[0] == 0
    assert saved() == ["blue/0.png", *(f"red/{number}.png" for number in range(5))]


def test_names_of_any_bytes_are_printed(predict: Predict, shapes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in (b"caf\xe9.png", b"a\nb.png", "\u043a\u043e\u0442.png".encode()):
        shutil.copy(shapes / "val/red/0.png", os.path.join(os.fsencode(folder), name))
    (folder / "bad\udcff.png").write_bytes(b"broken")
    status, output, errors = predict(f"Global.infer_imgs={folder}")
    assert status == 1 and sorted(names(output)) == ["a\\nb.png", "caf\\xe9.png", "\u043a\u043e\u0442.png"]
    assert errors == f"{folder}/bad\\xff.png: no image: 6 bytes starting with b'broken'; replace or remove it\n"
