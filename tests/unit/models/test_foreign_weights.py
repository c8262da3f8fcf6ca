"""Weights by the names of torchvision, timm, Transformers and OpenCLIP give in our models what they give in theirs."""

import gzip
import json
from pathlib import Path
from typing import Any

import foreign
import numpy as np
import paddle
import pytest
import safetensors.numpy
from foreign import CASES, Case, drawn, image, key_of

import ppcls
from ppcls import pdparams
from ppcls.errors import CheckpointError
from ppcls.models import ARCHITECTURES
from ppcls.models.efficientnet import Overrides
from ppcls.models.weights import load_weights

STORED = json.loads(gzip.decompress(foreign.FILE.read_bytes()))
TOLERANCE = 1e-4
# Of models with FEW weights one of each program is computed each time; those with MANY are not.
FEW, MANY = 10e6, 30e6


def arrays_of(case: Case, *prefixes: str) -> dict[str, np.ndarray]:
    """Return the weights of a case; those whose names begin with one of the prefixes alone, if there are any."""
    shapes = STORED[key_of(case)]["shapes"]
    return {name: drawn(name, tuple(shape)) for name, shape in shapes.items() if name.startswith(prefixes or "")}


def model_of(case: Case, **changed: Any) -> Any:
    arguments = {**case.arguments, **changed}
    if "override_params" in arguments:
        arguments["override_params"] = Overrides(**arguments["override_params"])
    return ppcls.create_model(case.ours, **arguments)


def logits_of(case: Case, model: Any) -> np.ndarray:
    model.eval()
    with paddle.no_grad():
        logits = model(paddle.to_tensor(image(case.image_px))).numpy()
    return logits[:, 0] if logits.ndim == 3 else logits  # embeddings: that of the class token


def marked() -> list[Any]:
    """Return the cases; those after the first of an adapter, or of a family of larger models, are slow tests."""
    seen: set[tuple[str, str]] = set()
    params = []
    for case in CASES:
        num_weights = sum(int(np.prod(shape)) for shape in STORED[key_of(case)]["shapes"].values())
        family = (ARCHITECTURES.module_of[case.ours], case.program if num_weights < FEW else "")
        slow = family in seen or num_weights > MANY
        params.append(pytest.param(case, id=key_of(case), marks=[pytest.mark.slow] if slow else []))
        seen.add(family)
    return params


def case_of(key: str) -> Case:
    return next(case for case in CASES if key_of(case) == key)


def assert_near(actual: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(actual - expected).max() <= TOLERANCE * (1 + np.abs(expected).max())


@pytest.mark.parametrize("case", marked())
def test_weights_of_another_program_give_its_logits(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(arrays_of(case), str(file))
    model = model_of(case)
    load_weights(model, str(file))
    expected = STORED[key_of(case)]["logits"]
    assert_near(logits_of(case, model)[0, : len(expected)], np.array(expected))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=key_of)
def test_what_is_stored_is_what_the_program_computes(case: Case) -> None:
    for package in ("torch", case.program):
        pytest.importorskip(package)
    found = foreign.computed(case)
    assert found["shapes"] == STORED[key_of(case)]["shapes"]
    assert_near(np.array(found["logits"]), np.array(STORED[key_of(case)]["logits"]))


def test_weights_of_other_classes_or_of_none_give_the_features_and_leave_the_head(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    case = case_of("torchvision regnet_x_800mf")
    arrays = arrays_of(case)
    pdparams.write(tmp_path / "a.pdparams", arrays)
    whole, few = model_of(case), model_of(case, class_num=3)
    load_weights(whole, str(tmp_path / "a.pdparams"))
    load_weights(few, str(tmp_path / "a.pdparams"))
    assert "another number of classes than the model: out.bias, out.weight keep" in caplog.messages[-1]
    del arrays["fc.weight"], arrays["fc.bias"]
    pdparams.write(tmp_path / "a.pdparams", arrays)
    load_weights(few, str(tmp_path / "a.pdparams"))
    assert "a.pdparams has no classifier: out.bias, out.weight keep their initial values" in caplog.messages[-1]
    images = paddle.to_tensor(image(64))
    whole.eval()
    few.eval()
    np.testing.assert_array_equal(few.features(images), whole.features(images))
    with pytest.raises(CheckpointError, match=r"missing: out\.weight, out\.bias"):
        load_weights(few, str(tmp_path / "a.pdparams"), new_head=False)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("torchvision efficientnet_b0", "names of torchvision, which pads .*batch_norm_epsilon to 1e-05, or give"),
        ("torchvision swin_t", "set Arch.shift_single_windows to False, or give others"),
    ],
)
def test_a_model_that_computes_otherwise_refuses_the_weights_and_says_what_to_set(
    key: str, message: str, tmp_path: Path
) -> None:
    case = case_of(key)
    arrays = arrays_of(case, "features.0.", "features.1.")  # enough to know them by
    safetensors.numpy.save_file(arrays, str(tmp_path / "a.safetensors"))
    with pytest.raises(CheckpointError, match=message):
        load_weights(ppcls.create_model(case.ours), str(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("channels", [1, 4])
def test_the_first_convolution_takes_grey_images_and_more_channels(
    channels: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.safetensors"
    colour = ppcls.create_model("ResNet18", class_num=3)
    safetensors.numpy.save_file({name: entry.numpy() for name, entry in colour.state_dict().items()}, str(file))
    model = ppcls.create_model("ResNet18", class_num=3, input_image_channel=channels)
    load_weights(model, str(file))
    for each in (colour, model):
        each.eval()
    grey = paddle.to_tensor(image(32)[:, :1])
    if channels == 1:
        np.testing.assert_allclose(model(grey), colour(grey.expand([1, 3, 32, 32])), rtol=1e-4, atol=1e-4)
    weight, given = model.stem[0].conv.weight.numpy(), colour.stem[0].conv.weight.numpy()
    assert weight.shape == (64, channels, 7, 7)
    if channels == 4:
        np.testing.assert_allclose(weight, given[:, [0, 1, 2, 0]] * 0.75, rtol=1e-6)
        assert "stem.0.conv.weight is for 3 channels, and made to fit 4" in caplog.text
    with pytest.raises(CheckpointError, match="doesn't fit"):
        load_weights(model, str(file), new_head=False)
