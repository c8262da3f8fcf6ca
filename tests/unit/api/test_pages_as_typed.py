"""What the documents tell to type is typed, with smaller models on drawn images, from an empty folder.

A block that is not run here has a comment before it that says why not, or which test runs it (tests/pages.py).
"""

import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import safetensors.numpy
from pages import CHINESE, PAGES, REPO, blocks, commands, name_of

import ppcls
from ppcls.cli import main

TYPED = [
    page
    for page in PAGES
    if page not in CHINESE and any(language in ("sh", "python") and not mark for language, _, mark in blocks(page))
]
# What stands in the pages, and what is typed instead to be done in seconds.
SMALLER = (
    (r"(?<!configs/)\b(ResNet18|ResNet50|PPLCNet_x1_0)\b", "Small"),
    (r"\bepochs: 5\b", "epochs: 1"),
    (r"\b(320|80)\)", "16)"),
    (r"Global.epochs=20 -o Global.pretrained_model=\S+", "Global.epochs=1"),
)
SMALL: dict[str, Any] = {
    "model": "Small",
    "size": 32,
    "epochs": 1,
    "override": {"Arch.pretrained": False, "Global.cpu_ops": "stock", "Global.device": "cpu"},
}
CLASSES = ("daisy", "lily", "poppy", "rose", "violet")


def draw(file: Path, rng: np.random.Generator, colour: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = rng.integers(0, 120, (40, 40, 3), dtype="uint8")
    image[10:30, 10:30] = (40 * colour, 255 - 40 * colour, 90)
    cv2.imwrite(str(file), image)


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the pages take for granted, and with what `ppcls train flowers` writes."""
    folder, rng = tmp_path_factory.mktemp("stand_ins"), np.random.default_rng(0)
    for colour, name in enumerate(CLASSES):
        for number in range(6):
            split = "val" if number > 3 else "train"
            draw(folder / "flowers" / name / f"{number}.png", rng, colour)
            draw(folder / "dataset" / "flowers" / split / name / f"{number}.png", rng, colour)
            draw(folder / "other_flowers" / name / f"{number}.png", rng, colour)
    for file in ("rose.jpg", "cat.jpg", "images/a.jpg", "photos/a.jpg", "photos/tulips/a.jpg", "photos/tulips/b.jpg"):
        draw(folder / file, rng, 3)
    (folder / "configs").symlink_to(REPO / "configs")
    # By our names; test_foreign_weights.py reads timm's.
    weights = {name: value.numpy() for name, value in ppcls.create_model("ResNet18_vd").state_dict().items()}
    safetensors.numpy.save_file(weights, str(folder / "resnet18d.safetensors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert ppcls.train("flowers", **SMALL).report
    shutil.copytree(folder / "output" / "flowers" / "inference", folder / "inference")
    return folder


def type_in(words: list[str]) -> None:
    """Do what a command line does, by `ppcls` in this process; on a folder it trains dry, as that was done before."""
    program, *rest = words
    if program == "python":
        runpy.run_path(rest[0])
    if program != "ppcls":
        return
    if rest[0] == "train" and "-c" not in rest:
        rest += ["--dry", *([] if "--model" in rest else ["--model", "Small"])]
    elif "-c" in rest:
        rest += ["-o", "Arch.name=Small", "-o", "Global.cpu_ops=stock"]
    assert main(rest) == 0, rest


@pytest.mark.parametrize("page", TYPED, ids=name_of)
def test_what_a_page_tells_to_type_does_something(
    page: Path, stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(stand_ins, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    train, names = ppcls.train, {"ppcls": ppcls}
    # With other options than the command, as on the page: a run of its own.
    monkeypatch.setattr(ppcls, "train", lambda source, **given: train(source, **{**given, **SMALL, "patience": 1}))
    for language, text, mark in blocks(page):
        for pattern, smaller in SMALLER:
            text = re.sub(pattern, smaller, text)
        if (name := re.match(r"# (\w+\.\w+)\n", text)) is not None:
            Path(name[1]).write_text(text)
        elif language == "python" and not mark:
            exec(compile(text, name_of(page), "exec"), names)
        for words in commands(text if language == "sh" and not mark else ""):
            type_in(words)
