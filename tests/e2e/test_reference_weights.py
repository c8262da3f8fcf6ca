"""ImageNet weights on real photographs: the accuracies and the predictions that the documents name."""

import re
from pathlib import Path

import pytest
from scripts import EVAL, EXPORT, INFER, PREDICT, REPO, run

CONFIG = str(REPO / "configs/ResNet18.yaml")
GROUSE = re.compile(
    r"(\S+):\tclass id\(s\): \[80, .*score\(s\): \[(0\.9\d|1\.00), .*label_name\(s\): \['black grouse', .*"
)


def options(shared: Path, folder: str, labels: str) -> list[str]:
    data = shared / "data" / folder
    return [
        f"Global.pretrained_model={shared}/weights/resnet18-imagenet1k.safetensors",
        "Global.device=cpu",
        f"DataLoader.Eval.dataset.image_root={data}",
        f"DataLoader.Eval.dataset.cls_label_path={data}/{labels}",
        "DataLoader.Eval.loader.num_workers=1",
    ]


@pytest.mark.parametrize(
    ("folder", "labels", "top1", "top5"),
    [
        ("imagenet-sample", "val_list.txt", "0.68750", "0.92500"),
        pytest.param("imagenette-mini", "val_list_imagenet1k.txt", "0.69600", "0.92000", marks=pytest.mark.slow),
    ],
)
def test_the_accuracy_is_that_of_the_reference(
    shared: Path, tmp_path: Path, folder: str, labels: str, top1: str, top5: str
) -> None:
    done = run(tmp_path, EVAL, CONFIG, *options(shared, folder, labels))
    assert done.returncode == 0, done.stderr
    assert f", top1: {top1}, top5: {top5}" in done.stdout


def test_the_black_grouse_comes_first(shared: Path, tmp_path: Path) -> None:
    given = options(shared, "imagenet-sample", "val_list.txt")
    exported = run(tmp_path, EXPORT, CONFIG, *given)
    assert exported.returncode == 0, exported.stderr
    photos = [shared / "data/imagenet-sample/n01795545_black_grouse.JPEG", shared / "data/ILSVRC2012_val_00030010.jpeg"]
    images = f"infer_imgs=[{photos[0]}, {photos[1]}]"
    deploy = str(REPO / "deploy/configs/inference_cls.yaml")
    predicted = run(tmp_path, PREDICT, deploy, "Global.inference_model_dir=inference", f"Global.{images}")
    inferred = run(tmp_path, INFER, CONFIG, *given, f"Infer.{images}")
    for done in (predicted, inferred):
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stdout.splitlines() if "class id(s)" in line]
        assert [line.partition(":")[0] for line in lines] == [photo.name for photo in photos]
        assert all(GROUSE.fullmatch(line) for line in lines), lines
