import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml

from ppcls.errors import CheckpointError, ConfigError
from ppcls.inference import artifact
from ppcls.registry import Part


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of an exported model."""
    shutil.copytree(exported, tmp_path / "model")
    return tmp_path / "model"


def change(folder: Path, old: str, new: str) -> None:
    text = (folder / artifact.DESCRIPTION).read_text()
    assert text.count(old) == 1
    (folder / artifact.DESCRIPTION).write_text(text.replace(old, new))


def test_the_folder_holds_three_files(exported: Path) -> None:
    assert sorted(file.name for file in exported.iterdir()) == [
        "inference.json",
        "inference.pdiparams",
        "inference.yml",
    ]


def test_the_description_says_all_that_a_predictor_needs(exported: Path) -> None:
    content = yaml.safe_load((exported / "inference.yml").read_text())
    sections, facts = ["Global", "PreProcess", "PostProcess"], ["input_shape", "input_type", "class_num", "measured"]
    assert list(content) == [*sections, *facts, "sha256"]
    assert content["Global"]["model_name"] == "RegNetX_200MF"
    assert [next(iter(op)) for op in content["PreProcess"]["transform_ops"]] == [
        "ResizeImage",
        "CropImage",
        "NormalizeImage",
        "ToCHWImage",
    ]
    assert list(content["PostProcess"]) == ["Topk"]
    assert content["PostProcess"]["Topk"]["label_list"][7] == "digit 7"
    assert (content["input_shape"], content["class_num"]) == ([3, 32, 32], 10)


def test_what_is_written_is_read(folder: Path) -> None:
    read = artifact.read(folder)
    artifact.write(folder, read)
    assert artifact.read(folder) == read
    unnamed = dataclasses.replace(read, PostProcess=artifact.PostProcessSection())
    artifact.write(folder, unnamed)
    assert artifact.read(folder) == unnamed


@pytest.mark.parametrize("name", ["inference.json", "inference.pdiparams"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"inference_model_dir: '.*/model' has no {name}; give the folder that"):
        artifact.read(folder)


@pytest.mark.parametrize("name", ["inference.json", "inference.pdiparams"])
def test_a_damaged_file_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"/model/{name}': is damaged .*; export it again"):
        artifact.read(folder)


def test_names_for_another_number_of_classes_are_refused(folder: Path) -> None:
    change(folder, "class_num: 10", "class_num: 11")
    with pytest.raises(CheckpointError, match="inference.yml: label_list: 11 classes; received 10 names; export it"):
        artifact.read(folder)


# As PaddleX writes it; source: dump_infer_config in ppcls/utils/config.py of PaddleClas 2.6.
PADDLEX_FORM = """\
Global:
  model_name: ResNet18
Hpi:
  backend_config:
    paddle_tensorrt: {{dynamic_shapes: {{x: [[1, 3, 32, 32], [1, 3, 32, 32], [1, 3, 32, 32]]}}, max_batch_size: 1}}
PostProcess:
  {postprocess}
PreProcess:
  transform_ops:
  - ResizeImage:
      resize_short: 36
  - CropImage:
      size: 32
  - NormalizeImage:
      channel_num: 3
      mean: [0.485, 0.456, 0.406]
      order: ''
      scale: 0.00392156862745098
      std: [0.229, 0.224, 0.225]
  - ToCHWImage: null
"""


MULTI = Part("MultiLabelThreshOutput", {"threshold": 0.4})


@pytest.mark.parametrize(
    ("postprocess", "part"),
    [
        ("Topk: {topk: 2, label_list: [a, b]}", Part("Topk", {"topk": 2})),
        (
            "MultiLabelThreshOutput: {threshold: 0.4, label_list: [a, b]}",
            MULTI,
        ),
    ],
)
def test_the_form_of_paddlex_is_read(folder: Path, postprocess: str, part: Part) -> None:
    ours = artifact.read(folder)
    (folder / artifact.DESCRIPTION).write_text(PADDLEX_FORM.format(postprocess=postprocess))
    read = artifact.read(folder)
    assert read.postprocess == part
    assert read.PostProcess.Topk.label_list == ("a", "b")
    assert [(op.name, op.args.get("resize_short")) for op in read.transforms] == [
        (op.name, op.args.get("resize_short")) for op in ours.transforms
    ]
    assert artifact.parse_text(artifact.text(read), "again") == dataclasses.replace(read, Hpi={})


def test_a_post_process_that_paddlex_lacks_stands_outside_of_its_sections(folder: Path) -> None:
    part = Part("ThreshOutput", {"threshold": 0.3})
    artifact.write(folder, dataclasses.replace(artifact.read(folder), main=part))
    content = yaml.safe_load((folder / "inference.yml").read_text())
    assert list(content["PostProcess"]) == ["Topk"]
    assert content["main"] == {"name": "ThreshOutput", "threshold": 0.3}
    assert artifact.read(folder).postprocess == part


def test_the_form_of_earlier_exports_is_read(folder: Path) -> None:
    change(folder, "  Topk:", "  main_indicator: ThreshOutput\n  ThreshOutput: {threshold: 0.3}\n  Topk:")
    assert artifact.read(folder).postprocess == Part("ThreshOutput", {"threshold": 0.3})


def test_a_mistake_in_the_description_is_reported_with_its_line(folder: Path) -> None:
    change(folder, "resize_short", "resize_shrt")
    with pytest.raises(ConfigError, match=r"inference.yml:\d+: .*'resize_shrt'; did you mean 'resize_short'\?"):
        artifact.read(folder)
