"""`ppcls predict IMAGES --out FILE`: all rows, resumed where it was stopped."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ppcls.cli import main

COMMAND = [sys.executable, "-c", "import sys; from ppcls.cli import main; sys.exit(main())"]


@pytest.fixture
def folder(photos: list[bytes], tmp_path: Path) -> Path:
    """A folder of 200 images, one of them broken."""
    folder = tmp_path / "images"
    for number in range(200):
        file = folder / f"{number // 50}/{number:03}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photos[number % len(photos)])
    (folder / "2/101.jpg").write_bytes(b"broken")
    return folder


def test_the_table_has_a_row_for_each_image_in_order(
    folder: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(folder), "--model", str(exported), "-o", "Global.batch_size=16", "--out"]
    assert main([*words, str(tmp_path / "out.csv")]) == 1
    assert "200 images, 1 of them could not be read; the results are in" in capsys.readouterr().out
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == sorted(map(str, folder.rglob("*.jpg")))
    assert [row["name"] for row in rows if row["error"]] == [f"{folder}/2/101.jpg"]
    assert rows[0]["label_names"].split("|")[0] == f"digit {rows[0]['class_ids'].split('|')[0]}"
    # The same images repeat.
    assert rows[0]["class_ids"] == rows[20]["class_ids"]
    # Nothing is left to do, and nothing changes.
    before = (tmp_path / "out.csv").read_bytes()
    assert main([*words, str(tmp_path / "out.csv")]) == 1
    assert (tmp_path / "out.csv").read_bytes() == before


def test_a_killed_run_goes_on_where_it_was(folder: Path, exported: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    words = ["predict", str(folder), "--model", str(exported), "-o", "Global.batch_size=1", "--out"]
    assert main([*words, str(whole)]) == 1
    process = subprocess.Popen([*COMMAND, *words, str(killed)], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not killed.exists() or killed.stat().st_size < 2000:
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    rows = killed.read_text().count("\n")
    assert 0 < rows < 200
    assert main([*words, str(killed)]) == 1
    one, other = ([json.loads(line) for line in path.read_text().splitlines()] for path in (whole, killed))
    assert [row["name"] for row in one] == [row["name"] for row in other]
    assert [row["class_ids"] for row in one] == [row["class_ids"] for row in other]


def test_rows_of_other_images_are_not_mixed_in(
    folder: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", "--model", str(exported), "--out", str(tmp_path / "out.csv")]
    assert main([*words, str(folder / "0")]) == 0
    assert main([*words, str(folder / "1")]) == 2
    assert "has row 50 for" in capsys.readouterr().err


def test_the_model_and_the_images_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--model", "."]) == 2
    assert capsys.readouterr().err == "-o: missing key 'Global.infer_imgs'; `predict` needs it\n"


def test_rows_of_another_model_are_not_completed(
    folder: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(exported, tmp_path / "other")
    about = (other / "inference.yml").read_text()
    (other / "inference.yml").write_text(about.replace("resize_short: 36", "resize_short: 40"))
    words = ["predict", str(folder / "0"), "--out", str(tmp_path / "out.csv"), "--model"]
    assert main([*words, str(exported)]) == 0
    before = (tmp_path / "out.csv").read_bytes()
    for options, what in (
        ([str(other)], "model"),
        ([str(exported), "-o", "PostProcess.Topk.topk=1"], "PostProcess"),
        ([str(exported), "-o", "Global.use_bf16=True"], "precision"),
        ([str(exported), "-o", "PreProcess.transform_ops=[ResizeImage: {size: 32}]"], "PreProcess"),
    ):
        assert main([*words, *options]) == 2
        assert f"already exists and was made by another {what}; give another file" in capsys.readouterr().err
    assert (tmp_path / "out.csv").read_bytes() == before
    assert main([*words, str(exported), "-o", "Global.batch_size=3"]) == 0
    assert (tmp_path / "out.csv").read_bytes() == before


def test_what_is_ignored_of_a_folder_is_said_once(
    folder: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "0/notes.txt").touch()
    (folder / "0/._000.jpg").touch()
    assert main(["predict", str(folder / "0"), "--out", str(tmp_path / "out.csv"), "--model", str(exported)]) == 0
    assert capsys.readouterr().err.splitlines()[:1] == [
        f"{folder}/0: 1 files ignored (.txt 1), 1 hidden or system files and folders skipped (._000.jpg 1)"
    ]
