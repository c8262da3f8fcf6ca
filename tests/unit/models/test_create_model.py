import re
import subprocess
import sys
from pathlib import Path

import paddle
import pytest

import ppcls
from ppcls.errors import ConfigError
from ppcls.models import ARCHITECTURES


def test_importing_ppcls_loads_neither_paddle_nor_numpy_nor_cv2() -> None:
    code = "import sys, ppcls; ppcls.list_models(); print({'paddle', 'numpy', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_version_is_that_of_the_package() -> None:
    project = (Path(ppcls.__file__).parents[1] / "pyproject.toml").read_text()
    assert re.search('^version = "(.*)"$', project, re.MULTILINE)[1] == ppcls.__version__


def test_models_are_listed_by_pattern_in_any_case() -> None:
    assert ppcls.list_models("resnet50_v*") == ["ResNet50_vc", "ResNet50_vd"]
    assert ppcls.list_models("*_VC") == ["ResNet50_vc"]
    assert ppcls.list_models("none") == []
    assert ppcls.list_models() == sorted(ppcls.list_models())


def test_models_made_of_others_are_none_to_choose() -> None:
    assert "DistillationModel" in ARCHITECTURES
    assert not {"DistillationModel", "RecModel"} & set(ppcls.list_models())


def test_a_model_is_created_by_name() -> None:
    model = ppcls.create_model("ResNet18", class_num=10, data_format="NHWC")
    assert model.arch_name == "ResNet18"
    assert ppcls.create_model("resnet18", class_num=10).arch_name == "ResNet18"
    assert model.fc.weight.shape == [512, 10]


def test_a_wrong_name_or_argument_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="unknown architecture 'ResNet81'; did you mean 'ResNet18'"):
        ppcls.create_model("ResNet81")
    with pytest.raises(ConfigError, match="unknown argument of ResNet18 'class_nums'; did you mean 'class_num'"):
        ppcls.create_model("ResNet18", class_nums=3)
    with pytest.raises(ConfigError, match="unknown argument of ResNet18 'depth'; known: class_num, data_format"):
        ppcls.create_model("ResNet18", depth=3)


def test_images_of_a_size_that_a_model_has_no_weights_for_are_refused() -> None:
    model = ppcls.create_model("AlexNet", class_num=2)
    message = (
        r"images: AlexNet can't compute .* received \[2, 3, 64, 64\]; it is made for 224 pixels; change their size"
    )
    with pytest.raises(ConfigError, match=message):
        model(paddle.zeros([2, 3, 64, 64]))
