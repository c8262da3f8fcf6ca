"""`ppcls data ...` as a user types it, and what training does with the faults that it finds."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import browser
import cv2
import numpy as np
import pytest
from planted import FILES, jpeg, plant, plant_list, scene

from ppcls.cli import main
from ppcls.data.sources.folders import ImageFolder
from ppcls.data.sources.lists import ImageNetDataset
from ppcls.data.sources.packed import Pack, PackedDataset
from ppcls.images.pipeline import Pipeline

REPO = Path(__file__).resolve().parents[2]


def data(*words: object) -> int:
    return main(["data", *map(str, words)])


def flowers(root: Path, count: int = 20) -> Path:
    """Two class folders; every fifth image is there twice, the second time smaller."""
    for index in range(count):
        folder = root / ("a rose" if index % 2 else "daisy")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.jpg").write_bytes(jpeg(scene(index, 120, 90)))
        if index % 5 == 0:
            (folder / f"{index} small.jpg").write_bytes(jpeg(scene(index, 60, 45)))
    return root


def test_check_writes_a_table_json_and_a_page_and_exits_with_1_on_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path / "pets")
    out = tmp_path / "new/report"
    assert data("check", tmp_path / "pets", "--out", out, "--num_workers", 0) == 1
    printed = capsys.readouterr().out
    assert "| error   | train | 1     | truncated: images whose end is missing" in printed
    assert re.search(r"^\d+ errors, \d+ warnings; with images: .*report.html$", printed, re.MULTILINE)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert {finding["kind"] for finding in report["findings"]} > set(FILES)
    sound = flowers(tmp_path / "flowers")
    assert data("check", sound, "--out", out, "--num_workers", 0) == 0
    assert "near copies" in capsys.readouterr().out


def test_the_page_loads_nothing_else_and_shows_every_thumbnail(tmp_path: Path) -> None:
    plant(tmp_path / "pets")
    data("check", tmp_path / "pets", "--out", tmp_path, "--num_workers", 0)
    with browser.page(tmp_path / "profile") as page:
        address = (tmp_path / "report.html").as_uri()
        page.open(address, width=1200, height=900)
        assert page.value("document.images.length") > 20
        assert page.value("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert page.value("document.documentElement.scrollWidth") <= 1200
        assert {url for url in page.requested if not url.startswith("data:")} == {address}


def test_check_reads_what_a_config_names(tmp_path: Path, capsys: pytest.CaptureFixture[str], shapes_yaml: str) -> None:
    assert data("check", "-c", shapes_yaml, "--out", tmp_path, "--num_workers", 0) == 0
    printed = capsys.readouterr().out
    assert "| Train | 26 " in printed and "| Eval  | 13 " in printed
    path = plant_list(tmp_path)
    dataset = f"{{name: ImageNetDataset, image_root: {tmp_path}, cls_label_path: {path}}}"
    assert data("check", "-c", shapes_yaml, "-o", f"DataLoader.Train.dataset={dataset}", "--out", tmp_path) == 1
    assert "label out of range" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check"], "PATH: give either a path or -c CONFIG; received neither"),
        (["check", "x", "-c", "y"], "PATH: give either a path or -c CONFIG; received both"),
        (["check", "/nowhere"], "/nowhere: does not exist"),
        (["pack", "{shapes}", "--out", "{tmp}/a.pack"], "--split: choose one of train, val; received None"),
        (["split", "{shapes}"], "is divided or packed already"),
        (["split", "{shapes}/train", "--val", "0.6", "--test", "0.4"], "--val, --test: must leave a share to train on"),
        (["show", "-c", "{yaml}", "--index", "26", "--out", "{tmp}/x.png"], "--index: there are 26 samples; rec"),
        (["show", "-c", "{yaml}", "--batch", "9", "--out", "{tmp}/x.png"], "--batch: there are 4 batches per epoch"),
        (["show", "-c", "{yaml}", "--index", "0", "--out", "/nowhere/x.png"], "--out: can't be written; received"),
    ],
)  # fmt: skip
def test_mistakes_are_named_and_exit_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shapes: Path, shapes_yaml: str, words: list[str], message: str
) -> None:
    assert data(*(word.format(shapes=shapes, yaml=shapes_yaml, tmp=tmp_path) for word in words)) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == ""


@pytest.mark.parametrize("words", [["check", "--num_workers", "-1"], ["split", "x", "--val", "1"], ["show", "-c", "x"]])
def test_arguments_out_of_range_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        data(*words)
    assert caught.value.code == 2


def test_show_writes_a_sample_and_a_batch_as_the_model_gets_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shapes_yaml: str
) -> None:
    def show(*words: object) -> np.ndarray:
        assert data("show", "-c", shapes_yaml, "--out", tmp_path / "x.png", *words) == 0
        return cv2.imread(str(tmp_path / "x.png"))

    first = show("--epoch", 3, "--index", 17)
    assert re.search(r"red/0.png of epoch 3: 2 red$", capsys.readouterr().out.strip())
    # 24 x 24, enlarged 7 times, above a strip of 20 with the label.
    assert first.shape == (168 + 20, 168, 3)
    assert (first[:7, :7] == first[0, 0]).all()
    np.testing.assert_array_equal(show("--epoch", 3, "--index", 17), first)
    assert (show("--epoch", 4, "--index", 17) != first).any()
    assert show("--epoch", 3, "--batch", 1).shape == (3 * 192 - 4, 3 * 172 - 4, 3)
    evaluated = show("--split", "Eval", "--index", 12)[:168:7, :168:7]
    (image,) = (path for path in [Path(capsys.readouterr().out.splitlines()[-1].split(" of epoch")[0])])
    np.testing.assert_array_equal(evaluated, cv2.resize(cv2.imread(str(image)), (24, 24)))


def test_list_writes_lists_that_train_the_same_classes(tmp_path: Path, shapes: Path) -> None:
    assert data("list", shapes, "--out", tmp_path) == 0
    assert (tmp_path / "labels.txt").read_text() == "0 blue\n1 green\n2 red\n"
    for split in ("train", "val"):
        listed = ImageNetDataset(
            Pipeline([]), 3, (), image_root=str(shapes), cls_label_path=str(tmp_path / f"{split}_list.txt")
        )
        folder = ImageFolder(Pipeline([]), 3, image_root=str(shapes / split))
        assert listed.labels.tolist() == folder.labels.tolist() and listed.label_names == folder.label_names
        assert [listed.where(index) for index in range(len(listed))] == [
            folder.where(index) for index in range(len(folder))
        ]


def test_the_names_beside_lists_go_into_the_report_and_the_pack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = flowers(tmp_path / "flowers")
    assert data("split", root, "--num_workers", 0) == 0
    capsys.readouterr()
    assert data("check", root, "--out", tmp_path, "--num_workers", 0) == 0
    assert re.search(r"\| +a rose \|", capsys.readouterr().out)
    for source, split in ((root, ["--split", "val"]), (root / "val_list.txt", [])):
        assert data("pack", source, *split, "--out", tmp_path / "val.pack", "--num_workers", 0) == 0
        assert Pack(str(tmp_path / "val.pack")).label_names == ["a rose", "daisy"]


def test_list_overwrites_nothing_and_refuses_what_no_list_can_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = flowers(tmp_path / "flowers")
    assert data("list", root) == 0
    assert (root / "all_list.txt").read_text().splitlines()[0] == "a rose/1.jpg 0"
    assert data("list", root) == 2
    assert "all_list.txt: already exists; remove it or give another --out" in capsys.readouterr().err
    (root / "daisy/line\nbreak.jpg").write_bytes(b"")
    assert data("list", root, "--out", tmp_path / "new") == 2
    assert "can't hold a name with line breaks" in capsys.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []


def test_split_divides_each_class_by_the_seed_and_keeps_look_alikes_together(tmp_path: Path) -> None:
    root = flowers(tmp_path / "flowers", 40)

    def split(name: str, *words: object) -> dict[str, list[str]]:
        out = tmp_path / name
        assert data("split", root, "--out", out, "--num_workers", 0, *words) == 0
        return {file.stem: file.read_text().splitlines() for file in out.glob("*_list.txt")}

    lists = split("one", "--val", 0.25, "--test", 0.125)
    assert sorted(sum(lists.values(), [])) == sorted(
        f"{path.relative_to(root)} {int(path.parent.name == 'daisy')}" for path in root.glob("*/*.jpg")
    )
    for label in ("0", "1"):
        counts = {name: sum(line.endswith(f" {label}") for line in lines) for name, lines in lists.items()}
        assert 14 <= counts["train_list"] <= 16 and 5 <= counts["val_list"] <= 7 and 2 <= counts["test_list"] <= 4
    for lines in lists.values():
        for line in lines:
            twin = line.replace(" small.jpg", ".jpg")
            assert twin in lines and (line == twin or line in lines)
    assert split("again", "--val", 0.25, "--test", 0.125) == lists
    assert split("other", "--val", 0.25, "--test", 0.125, "--seed", 1) != lists
    assert set(split("two")) == {"train_list", "val_list"}


def test_split_refuses_images_that_can_not_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = flowers(tmp_path / "flowers")
    (root / "daisy/0.jpg").write_bytes(b"broken")
    assert data("split", root, "--num_workers", 0) == 2
    assert "daisy/0.jpg: is the first of 1 images that can't be read" in capsys.readouterr().err


@pytest.mark.parametrize("num_workers", [0, 2])
def test_pack_keeps_bytes_or_shrinks_to_the_short_side(tmp_path: Path, num_workers: int) -> None:
    root = flowers(tmp_path / "flowers")
    whole, small = tmp_path / "whole.pack", tmp_path / "small.pack"
    assert data("pack", root, "--out", whole, "--num_workers", num_workers) == 0
    assert data("pack", root, "--out", small, "--num_workers", num_workers, "--resize_short", 60) == 0
    folder = ImageFolder(Pipeline([]), 2, image_root=str(root))
    for path in (whole, small):
        dataset = PackedDataset(Pipeline([]), 2, data_file=str(path))
        assert dataset.labels.tolist() == folder.labels.tolist() and dataset.label_names == ["a rose", "daisy"]
    packs = Pack(str(whole)), Pack(str(small))
    for index, name in enumerate(packs[0].names):
        original = (root / name).read_bytes()
        assert packs[0].read(index) == original
        image = cv2.imdecode(np.frombuffer(packs[1].read(index), np.uint8), cv2.IMREAD_COLOR)
        if "small" in name:
            assert packs[1].read(index) == original
        else:
            assert image.shape == (60, 80, 3)
            assert np.abs(image.astype(int) - cv2.resize(cv2.imread(str(root / name)), (80, 60))).mean() < 4


def test_pack_refuses_what_it_can_not_shrink_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = flowers(tmp_path / "flowers")
    (root / "daisy/0.jpg").write_bytes(b"broken")
    assert data("pack", root, "--out", tmp_path / "a.pack", "--resize_short", 60, "--num_workers", 0) == 2
    assert "daisy/0.jpg: no image: 6 bytes" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["flowers"]


def test_training_stops_at_a_corrupt_image_or_leaves_it_out_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shapes_yaml: str
) -> None:
    plant(tmp_path / "pets")
    root = tmp_path / "pets/train"
    train = f"DataLoader.Train.dataset.image_root={root}"
    options = ["-c", shapes_yaml, "-o", train, "-o", "Arch.class_num=5", "-o", "Global.epochs=1"]
    options += ["-o", "Global.eval_during_train=False"]
    assert main(["train", *options]) == 2
    assert "image_root: a class folder has no image" in capsys.readouterr().err
    (root / "empty/0.jpg").write_bytes(jpeg(scene(900)))
    assert main(["train", *options]) == 2
    assert re.search(r"train/cat/(gone.jpg|empty.jpg|page.jpg|cut.jpg|line.png|float.tif): ", capsys.readouterr().err)
    (root / "cat/gone.jpg").unlink()
    assert main(["train", *options]) == 2
    assert re.search(r"train/cat/(empty.jpg|page.jpg|cut.jpg|line.png|float.tif): ", capsys.readouterr().err)
    assert main(["train", *options, "-o", "DataLoader.Train.dataset.skip_corrupt=True"]) == 0
    printed = capsys.readouterr().out
    assert "5 corrupt image(s) left out, the first: " in printed


SMALL_SHM = """
import subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/dev/shm"], check=True)
sys.path.insert(0, {repo!r})
from ppcls.data.sources.folders import ImageFolder
from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.base import Batching, BatchSampler
from ppcls.images.pipeline import Pipeline
dataset = ImageFolder(Pipeline([]), 2, image_root={root!r})
loader = Loader(dataset, BatchSampler(dataset.labels, 0, 0, 1, False, Batching(batch_size=20)), [], 0, num_workers=2)
print(sum(len(batch) for _ in range(3) for batch in loader.epoch(0)))
loader.close()
"""


def test_a_tiny_shared_memory_folder_is_enough(tmp_path: Path) -> None:
    for index in range(40):
        folder = tmp_path / str(index % 2)
        folder.mkdir(exist_ok=True)
        (folder / f"{index}.jpg").write_bytes(jpeg(scene(index)))
    if os.geteuid() or subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "x", "/dev/shm"]).returncode:
        pytest.skip("may not mount in a namespace")
    script = SMALL_SHM.format(repo=str(REPO), root=str(tmp_path))
    done = subprocess.run(["unshare", "-m", sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("120\n", "", 0)


def test_names_of_any_bytes_are_checked_and_printed_on_any_terminal(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path) + b"/caf\xe9"
    names = ["\u043a\u043e\u0442".encode() + b"/a\xff.jpg", b"do\xffg/b\n.jpg", b"do\xffg/damaged\xe9.jpg"]
    for seed, name in enumerate(names):
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        with open(os.path.join(root, name), "wb") as file:
            file.write(jpeg(scene(seed))[: -400 if b"damaged" in name else None])
    start = [sys.executable, "-c", "import sys; from ppcls.cli import main; sys.exit(main())"]
    words = [*start, "data", "check", os.fsdecode(root), "--out", str(tmp_path / "report")]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(REPO)}
    done = subprocess.run(words, capture_output=True, env=environment)
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"\\u043a" in done.stdout
    report = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    (found,) = (found for found in report["findings"] if found["kind"] == "truncated")
    assert found["cases"][0]["where"] == f"{tmp_path}/caf\\xe9/do\\xffg/damaged\\xe9.jpg"
    assert "caf\\xe9" in (tmp_path / "report/report.html").read_text(encoding="utf-8")
