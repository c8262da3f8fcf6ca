import json
import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import safetensors.numpy

import ppcls
from ppcls import pdparams
from ppcls.engine import checkpoints
from ppcls.errors import CheckpointError
from ppcls.models.cards import card_of
from ppcls.models.resnet import VARIANTS
from ppcls.models.weights import load_weights

ResNet18, ResNet18_vd, ResNet34, ResNet50, ResNet50_vc = (
    VARIANTS[name] for name in ("ResNet18", "ResNet18_vd", "ResNet34", "ResNet50", "ResNet50_vc")
)


def arrays_of(model: paddle.nn.Layer) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def assert_equal(model: paddle.nn.Layer, expected: dict[str, np.ndarray]) -> None:
    actual = arrays_of(model)
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)


def torchvision_arrays(model: paddle.nn.Layer, depths: list[int], projection: bool) -> dict[str, np.ndarray]:
    """The weights of one of our ResNets under torchvision's names, by an independent walk."""
    ours = arrays_of(model)
    theirs: dict[str, np.ndarray] = {}

    def move(our: str, conv: str, norm: str) -> None:
        theirs[f"{conv}.weight"] = ours[f"{our}.conv.weight"]
        leaves = {"weight": "weight", "bias": "bias", "_mean": "running_mean", "_variance": "running_var"}
        for our_leaf, leaf in leaves.items():
            theirs[f"{norm}.{leaf}"] = ours[f"{our}.bn.{our_leaf}"]
        theirs[f"{norm}.num_batches_tracked"] = np.array(5)

    move("stem.0", "conv1", "bn1")
    block = 0
    for stage, depth in enumerate(depths, start=1):
        for index in range(depth):
            for conv in range(3):
                if f"blocks.{block}.conv{conv}.conv.weight" in ours:
                    name = f"layer{stage}.{index}"
                    move(f"blocks.{block}.conv{conv}", f"{name}.conv{conv + 1}", f"{name}.bn{conv + 1}")
            if index == 0 and (stage > 1 or projection):
                downsample = f"layer{stage}.0.downsample"
                move(f"blocks.{block}.short", f"{downsample}.0", f"{downsample}.1")
            block += 1
    theirs["fc.weight"] = np.ascontiguousarray(ours["fc.weight"].T)
    theirs["fc.bias"] = ours["fc.bias"]
    return theirs


def test_a_saved_model_is_loaded_by_its_prefix(tmp_path: Path) -> None:
    saved = ResNet18(class_num=5)
    paddle.save(saved.state_dict(), str(tmp_path / "best_model.pdparams"))
    model = ResNet18(class_num=5)
    load_weights(model, str(tmp_path / "best_model"))
    assert_equal(model, arrays_of(saved))


def test_safetensors_are_loaded_with_bfloat16_widened(tmp_path: Path) -> None:
    saved = arrays_of(ResNet18(class_num=5))
    halves = {name: (array.view(np.uint32) >> 16).astype(np.uint16) for name, array in saved.items()}
    header, offset = {}, 0
    for name, half in halves.items():
        header[name] = {"dtype": "BF16", "shape": half.shape, "data_offsets": [offset, offset + half.nbytes]}
        offset += half.nbytes
    text = json.dumps(header).encode()
    body = b"".join(half.tobytes() for half in halves.values())
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    pdparams.write(tmp_path / "b.pdparams", halves)
    expected = {name: (half.astype(np.uint32) << 16).view(np.float32) for name, half in halves.items()}
    for name in ("a.safetensors", "b.pdparams"):
        model = ResNet18(class_num=5)
        load_weights(model, str(tmp_path / name))
        assert_equal(model, expected)


def test_torchvision_names_are_recognised(tmp_path: Path) -> None:
    saved = ResNet50(class_num=5)
    path = tmp_path / "a.safetensors"
    safetensors.numpy.save_file(torchvision_arrays(saved, [3, 4, 6, 3], projection=True), str(path))
    model = ResNet50(class_num=5)
    load_weights(model, str(path))
    assert_equal(model, arrays_of(saved))


def test_the_first_shortcut_that_torchvision_lacks_becomes_the_identity(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    pdparams.write(path, torchvision_arrays(ResNet34(class_num=5), [3, 4, 6, 3], projection=False))
    model = ResNet34(class_num=5)
    load_weights(model, str(path))
    model.eval()
    x = paddle.randn([1, 64, 4, 4])
    np.testing.assert_allclose(model.blocks[0].short(x), x, rtol=1e-6)


def test_the_public_resnet18_of_torchvision_knows_its_images(shared: Path) -> None:
    path = shared / "weights/resnet18-imagenet1k.safetensors"
    if not path.is_file():
        pytest.skip(f"weights not present: {path}")
    model = ResNet18()
    load_weights(model, str(path))
    reference = safetensors.numpy.load_file(str(path))
    ours = arrays_of(model)
    np.testing.assert_array_equal(ours["stem.0.conv.weight"], reference["conv1.weight"])
    np.testing.assert_array_equal(ours["blocks.7.conv1.bn._variance"], reference["layer4.1.bn2.running_var"])
    np.testing.assert_array_equal(ours["blocks.2.short.conv.weight"], reference["layer2.0.downsample.0.weight"])
    np.testing.assert_array_equal(ours["fc.weight"], reference["fc.weight"].T)


@pytest.mark.parametrize("constructor", [ResNet18, ResNet50_vc])
def test_a_head_for_other_classes_keeps_its_initial_values_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, constructor: Any
) -> None:
    saved = arrays_of(constructor(class_num=5))
    pdparams.write(tmp_path / "a.pdparams", saved)
    model = constructor(class_num=3)
    before = arrays_of(model)
    with caplog.at_level(logging.INFO, "ppcls"):
        load_weights(model, str(tmp_path / "a.pdparams"))
    head = {name for name in before if name.startswith(model.head_name + ".")}
    assert_equal(model, {name: (before if name in head else saved)[name] for name in before})
    assert caplog.messages[-1] == (
        f"{tmp_path}/a.pdparams has another number of classes than the model: "
        f"{', '.join(sorted(head))} keep their initial values"
    )


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "model.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("torchvision", [False, True])
def test_a_prefix_of_all_names_is_taken_off_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, prefix: str, torchvision: bool
) -> None:
    saved = ResNet18(class_num=5)
    arrays = torchvision_arrays(saved, [2, 2, 2, 2], projection=True) if torchvision else arrays_of(saved)
    pdparams.write(tmp_path / "a.pdparams", {f"{prefix}{name}": array for name, array in arrays.items()})
    model = ResNet18(class_num=5)
    with caplog.at_level(logging.INFO, "ppcls"):
        load_weights(model, str(tmp_path / "a.pdparams"))
    assert_equal(model, arrays_of(saved))
    assert f"{tmp_path}/a.pdparams: all names begin with '{prefix}', which is taken off" in caplog.messages


def test_a_prefix_of_some_names_stays(tmp_path: Path) -> None:
    arrays = arrays_of(ResNet18(class_num=5))
    arrays["module.fc.bias"] = arrays.pop("fc.bias")
    pdparams.write(tmp_path / "a.pdparams", arrays)
    with pytest.raises(CheckpointError, match=r"missing: fc\.bias; unexpected: module\.fc\.bias; give"):
        load_weights(ResNet18(class_num=5), str(tmp_path / "a.pdparams"))


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_weights_that_are_kept_beside_other_things_are_found(tmp_path: Path, key: str) -> None:
    saved = ResNet18(class_num=5)
    pdparams.write(tmp_path / "a.pdparams", {key: arrays_of(saved), "epoch": 3, "optimizer": {"lr": [0.1]}})
    model = ResNet18(class_num=5)
    load_weights(model, str(tmp_path / "a.pdparams"))
    assert_equal(model, arrays_of(saved))


@pytest.mark.parametrize("bits", [0x7F80, 0xFF80, 0x7FC0])  # bfloat16: infinity, minus infinity, not a number
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, bits: int) -> None:
    model = ResNet18(class_num=5)
    before = arrays_of(model)
    for dtype in ("float32", "bfloat16"):
        arrays = arrays_of(ResNet18(class_num=5))
        if dtype == "bfloat16":
            arrays["fc.bias"] = (arrays["fc.bias"].view(np.uint32) >> 16).astype(np.uint16)
        values = arrays["fc.bias"].view(np.uint16 if dtype == "bfloat16" else np.uint32)
        values[2] = bits if dtype == "bfloat16" else bits << 16
        pdparams.write(tmp_path / "a.pdparams", arrays)
        with pytest.raises(CheckpointError, match=r"a\.pdparams: has values that are not finite .*, in fc\.bias; the"):
            load_weights(model, str(tmp_path / "a.pdparams"))
    assert_equal(model, before)


def test_weights_that_are_not_those_of_their_checkpoint_are_refused(tmp_path: Path) -> None:
    saved, other = arrays_of(ResNet18(class_num=5)), arrays_of(ResNet18(class_num=5))
    checkpoints.write(tmp_path / "best_model", checkpoints.Checkpoint(saved, {}, {"label_names": list("abcde")}))
    model = ResNet18(class_num=5)
    load_weights(model, str(tmp_path / "best_model"))
    assert_equal(model, saved)
    pdparams.write(tmp_path / "best_model.pdparams", other)
    for name in ("best_model", "best_model.pdparams"):
        with pytest.raises(CheckpointError) as caught:
            load_weights(model, str(tmp_path / name))
        assert str(caught.value).startswith(
            f"{tmp_path}/best_model.pdparams: not the file that best_model.pdstates beside it tells of (its checksum"
        )
    (tmp_path / "best_model.pdstates").unlink()
    load_weights(model, str(tmp_path / "best_model"))
    assert_equal(model, other)


def test_weights_of_another_architecture_are_refused_with_the_names(tmp_path: Path) -> None:
    pdparams.write(tmp_path / "a.pdparams", arrays_of(ResNet18(class_num=5)))
    model = ppcls.create_model("ResNet18_vd", class_num=5)
    before = arrays_of(model)
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, str(tmp_path / "a.pdparams"))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/a.pdparams: doesn't fit ResNet18_vd; missing: stem.1.conv.weight, ")
    assert "; other shape: stem.0.conv.weight [64, 3, 7, 7] instead of [32, 3, 3, 3], " in message
    assert message.endswith("; give weights of ResNet18_vd")
    assert_equal(model, before)


def test_long_lists_of_names_are_cut(tmp_path: Path) -> None:
    arrays = arrays_of(ResNet18(class_num=5))
    pdparams.write(tmp_path / "a.pdparams", {**arrays, **{f"extra{i:02}": np.ones(1) for i in range(12)}})
    with pytest.raises(CheckpointError, match="unexpected: extra00, .*extra09 and 2 more; give"):
        load_weights(ResNet18(class_num=5), str(tmp_path / "a.pdparams"))


@pytest.mark.parametrize("architecture", ["ResNet18", "SqueezeNet1_0"])  # a linear head, and a 1x1 convolution
def test_rows_of_a_head_follow_the_names_on_the_axis_of_the_classes(tmp_path: Path, architecture: str) -> None:
    saved = arrays_of(ppcls.create_model(architecture, class_num=3))
    states = {"label_names": ["ant", "bee", "cat"]}
    checkpoints.write(tmp_path / "best_model", checkpoints.Checkpoint(saved, {}, states))
    model = ppcls.create_model(architecture, class_num=4)
    before = arrays_of(model)
    load_weights(model, str(tmp_path / "best_model"), class_names=["dog", "cat", "ant", "eel"])
    changed = [name for name in saved if saved[name].shape != before[name].shape]
    assert len(changed) == 2
    for name, values in arrays_of(model).items():
        if name not in changed:
            np.testing.assert_array_equal(values, saved[name])
            continue
        axis = values.shape.index(4)
        for row, (source, old_row) in enumerate([(before, 0), (saved, 2), (saved, 0), (before, 3)]):
            np.testing.assert_array_equal(values.take(row, axis), source[name].take(old_row, axis))


def test_official_weights_keep_the_rows_of_the_classes_that_imagenet_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = arrays_of(ppcls.create_model("PPLCNet_x0_25"))
    file = tmp_path / "weights.pdparams"
    pdparams.write(file, saved)
    monkeypatch.setattr("ppcls.models.weights.download", lambda source: file)
    model = ppcls.create_model("PPLCNet_x0_25", class_num=3)
    before = arrays_of(model)["fc.weight"]
    names = ["no animal", "goldfish, Carassius auratus", "tench, Tinca tinca"]
    load_weights(model, card_of("PPLCNet_x0_25").location, class_names=names)
    found = arrays_of(model)["fc.weight"]
    np.testing.assert_array_equal(found[:, 1:], saved["fc.weight"][:, [1, 0]])
    np.testing.assert_array_equal(found[:, 0], before[:, 0])
