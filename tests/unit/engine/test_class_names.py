"""Labels are numbers, and their meaning is the classes' names: those of a checkpoint, and those of the data of now."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from runs import MakeEngine, trained

from ppcls.engine import checkpoints
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError

# What becomes of the class folders blue, green and red.
CHANGES = {
    "renamed": ({"red": "scarlet"}, ["blue", "green", "scarlet"]),
    "reordered": ({"blue": "yellow", "red": "blue", "yellow": "red"}, ["blue", "green", "red"]),
    "added in front": ({"+": "amber"}, ["amber", "blue", "green", "red"]),
    "added behind": ({"+": "violet"}, ["blue", "green", "red", "violet"]),
    "fewer": ({"green": ""}, ["blue", "red"]),
}


@pytest.fixture
def done(make: MakeEngine) -> Engine:
    return trained(make("Tiny", "run", "Global.epochs=1"))


def changed(shapes: Path, folder: Path, names: dict[str, str]) -> list[str]:
    """Copy the data with other class folders; return the options of a run on it."""
    shutil.copytree(shapes, folder)
    options = []
    for split, section in (("train", "Train"), ("val", "Eval")):
        for old, new in names.items():
            if old == "+":
                shutil.copytree(folder / split / "red", folder / split / new)
            elif new:
                (folder / split / old).rename(folder / split / new)
            else:
                shutil.rmtree(folder / split / old)
        options.append(f"DataLoader.{section}.dataset.image_root={folder / split}")
    return [*options, f"Arch.class_num={len(list((folder / 'train').iterdir()))}"]


@pytest.mark.parametrize("change", ["renamed", "added in front", "added behind", "fewer"])
def test_a_run_on_other_classes_is_not_resumed(
    make: MakeEngine, done: Engine, shapes: Path, tmp_path: Path, change: str
) -> None:
    names, found = CHANGES[change]
    label = next(i for i, name in enumerate([*found, "?"]) if [*done.train_loader.dataset.label_names, ""][i] != name)
    resumed = make("Tiny", "run", "Global.epochs=2", "Global.checkpoints=auto", *changed(shapes, tmp_path / "d", names))
    with pytest.raises(CheckpointError) as caught:
        resumed.train()
    message = str(caught.value)
    assert message.startswith(
        f"Global.checkpoints: '{done.folder}/latest' was trained on other classes than DataLoader.Train.dataset has "
        f"now; received {len(found)} names for 3, of which label {label} is "
    )
    assert checkpoints.read(done.folder / "latest").states["epoch"] == 1


def test_the_same_classes_of_other_images_are_resumed(
    make: MakeEngine, done: Engine, shapes: Path, tmp_path: Path
) -> None:
    names, _ = CHANGES["reordered"]  # the same names: nothing can tell that their images were exchanged
    options = changed(shapes, tmp_path / "d", names)
    assert trained(make("Tiny", "run", "Global.epochs=2", "Global.checkpoints=auto", *options)).state.epoch == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("renamed", "2 kept (blue, green), 1 new (scarlet), 1 dropped (red)"),
        ("added in front", "3 kept (blue, green, red), 1 new (amber), 0 dropped"),
        ("added behind", "3 kept (blue, green, red), 1 new (violet), 0 dropped"),
        ("fewer", "2 kept (blue, red), 0 new, 1 dropped (green)"),
    ],
)
def test_at_fine_tuning_the_rows_of_the_classifier_follow_the_names(
    make: MakeEngine,
    done: Engine,
    shapes: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: str,
    told: str,
) -> None:
    names, found = CHANGES[change]
    old = checkpoints.read(done.folder / "best_model").weights
    options = changed(shapes, tmp_path / "d", names)
    initial = make("Tiny", "initial", *options).model.state_dict()
    tuned = make("Tiny", "tuned", *options, f"Global.pretrained_model={done.folder}/best_model")
    tuned.prepare()
    for name in ("fc.weight", "fc.bias"):
        now = tuned.model.state_dict()[name].numpy()
        for row, label_name in enumerate(found):
            known = label_name in ("blue", "green", "red")
            place = ["blue", "green", "red"].index(label_name) if known else row
            expected = old[name] if known else initial[name].numpy()
            np.testing.assert_array_equal(now[..., row], expected[..., place])
    assert (
        f"{done.folder}/best_model.pdparams: the rows of fc.weight, fc.bias follow the names of the classes: {told}"
    ) in caplog.messages


def test_at_fine_tuning_on_the_same_classes_nothing_is_moved_or_said(
    make: MakeEngine, done: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="ppcls")
    tuned = make("Tiny", "tuned", f"Global.pretrained_model={done.folder}/best_model")
    tuned.prepare()
    saved = checkpoints.read(done.folder / "best_model").weights
    for name, value in tuned.model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), saved[name])
    assert not caplog.messages


def test_names_that_are_known_but_for_some_rows_move_those_alone(
    make: MakeEngine, done: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """More rows than names, as for classes that have no images yet."""
    tuned = make("Tiny", "tuned", "Arch.class_num=5", f"Global.pretrained_model={done.folder}/best_model")
    tuned.prepare()
    saved = checkpoints.read(done.folder / "best_model").weights
    np.testing.assert_array_equal(tuned.model.fc.weight.numpy()[:, :3], saved["fc.weight"])
    assert "3 kept (blue, green, red), 0 new, 0 dropped" in caplog.text


def test_the_weights_of_arch_pretrained_have_names_too(
    make: MakeEngine, done: Engine, shapes: Path, tmp_path: Path
) -> None:
    options = changed(shapes, tmp_path / "d", CHANGES["renamed"][0])
    engine = make("Tiny", "eval", *options, f"Arch.pretrained={done.folder}/best_model")
    with pytest.raises(Exception, match="has other classes than the weights; .* label 2 is 'scarlet' instead of 'red'"):
        engine.evaluate_weights()
