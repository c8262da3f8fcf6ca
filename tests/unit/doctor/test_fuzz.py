"""Mutated images and lists end nothing, and none of them is lost in silence, whoever reads them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Optional

import cv2
import numpy as np
import pytest
from mutated import mutations, usable_seeds

from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.base import Batching, BatchSampler
from ppcls.data.sources.folders import ImageFolder
from ppcls.data.sources.listing import class_id, flags, read_list
from ppcls.data.sources.lists import ImageNetDataset
from ppcls.data.sources.multi_label import MultiLabelDataset
from ppcls.doctor.check import check
from ppcls.doctor.findings import Findings
from ppcls.doctor.splits import split_of, splits_at
from ppcls.errors import DataError
from ppcls.images.lists import paths_in
from ppcls.images.pipeline import Pipeline
from ppcls.images.stream import batches, find
from ppcls.images.transforms.geometry import CropImage, ResizeImage
from ppcls.text import printable

PIPELINE = Pipeline([ResizeImage(24), CropImage(16)])


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.slow)])
def test_mutated_images_of_every_format_are_decoded_or_refused(count: int) -> None:
    script = Path(__file__).parents[2] / "mutated.py"
    done = subprocess.run([sys.executable, str(script), str(count), "1"], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    print(report)
    assert sum(report["told"].values()) == 2 * count and {"decoded", "damaged"} <= report["told"].keys()
    assert {"JPEG", "PNG", "BMP"} <= set(report["formats"]), report["missing"]
    assert report["grown_mb"] < 50 and report["peak_mb"] < 2500


def test_no_mutated_image_is_lost_in_silence(tmp_path: Path) -> None:
    count = 150
    for number, data in enumerate(mutations(usable_seeds()[0], count, 7)):
        file = tmp_path / "ab"[number % 2] / f"{number:03}.jpg"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
    predicted = [one for batch in batches(find(str(tmp_path)), PIPELINE, 16) for one in batch]
    assert len(predicted) == count and all((one.image is None) == bool(one.problem) for one in predicted)
    bad = {str(one.source) for one in predicted if one.problem}
    assert 10 < len(bad) < count - 10

    dataset = ImageFolder(PIPELINE, 2, image_root=str(tmp_path), skip_corrupt=True)
    loader = Loader(dataset, BatchSampler(dataset.labels, 0, 0, 1, True, Batching(batch_size=16)), [], 0, num_workers=2)
    trained = sum(len(batch) for batch in loader.epoch(0))
    assert {message.split(": ")[0] for message in loader.skipped} == bad and trained == count - len(bad)
    loader.close()

    findings = Findings()
    checked = check(splits_at(str(tmp_path), findings), None, findings, 0)
    refused = {"undecodable", "truncated", "too large", "unsupported", "empty file"}
    said = [example.where for found in findings.sorted() if found.kind in refused for example in found.examples]
    assert sorted(said) == sorted(bad)
    assert (checked.records["width"] > 0).sum() == count - len(bad)


PIECES = [
    "a.jpg", "b c.jpg", "cat/a.jpg", "../x.jpg", "/a.jpg", "", " ", "\t", "  ", "\n", "\r\n", "\r", "\0", "\ufeff", "0",
    "1", "2", "-1", "+1", "0_1", "1e3", "9" * 20, "0,1", "1,0,1", ",", "0,1,2", "#", "\u00a0", "\u2028", "\u0663",
    "\x85", "\\", "//", ".", "..", "a" * 5000, "caf\u00e9.jpg", "\x1b[31m", '"', "'", "nan", "True", "None", "0x1",
]  # fmt: skip


def random_list(rng: np.random.Generator) -> bytes:
    """A list of lines that are right, or of pieces that mostly are not."""
    lines = []
    for _ in range(rng.integers(0, 6)):
        if rng.random() < 0.5:
            name, space = ["a.jpg", "b c.jpg"][rng.integers(2)], [" ", "  ", "\t"][rng.integers(3)]
            lines.append(f"{name}{space}{rng.integers(2)}")
        else:
            lines.append("".join(PIECES[place] for place in rng.integers(0, len(PIECES), rng.integers(1, 6))))
    data = bytearray("\n".join(lines).encode())
    if rng.random() < 0.1:
        place = rng.integers(len(data) + 1)
        data[place:place] = rng.bytes(3)
    return bytes(data)


def outcome(call: Callable[..., Any], *arguments: Any, **more: Any) -> Optional[Any]:
    """Return what the call gives; None where it refuses the list, in words that can be printed."""
    try:
        return call(*arguments, **more)
    except DataError as error:
        assert all(printable(line) == line for line in str(error).split("\n")), str(error)
        return None


def read_in_all_ways(path: str) -> int:
    """Return how many lines all readers of lists find, the same number; 0 where all refuse the list."""
    counts = {len(outcome(lambda: list(paths_in(path, "infer_imgs"))) or ())}
    for parse, delimiter in ((class_id, None), (class_id, ","), (flags, "\t")):
        listing = outcome(read_list, path, delimiter, parse)
        counts.add(len(listing.paths) + len(listing.faulty) if listing else 0)
    (count,) = counts
    return count


@pytest.mark.parametrize("count", [300, pytest.param(5_000, marks=pytest.mark.slow)])
def test_mutated_lists_are_read_or_refused_and_no_line_is_lost(tmp_path: Path, count: int) -> None:
    for name in ("a.jpg", "b c.jpg"):
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    path = str(tmp_path / "list.txt")
    given = {"image_root": str(tmp_path), "cls_label_path": path}
    num_read = num_built = 0
    for number in range(count):
        data = random_list(np.random.default_rng([3, number]))
        Path(path).write_bytes(data)
        num_lines = read_in_all_ways(path)
        if num_lines:
            num_read += 1
            lines = re.split("\r\n|\r|\n", data.decode("utf-8-sig"))
            assert num_lines == sum(1 for line in lines if line.strip())
        trained = outcome(ImageNetDataset, PIPELINE, 3, (), **given)
        outcome(ImageNetDataset, PIPELINE, 3, [path], **given, relabel=True)
        outcome(MultiLabelDataset, PIPELINE, 2, **given)
        findings = Findings()
        split = outcome(split_of, "Train", "ImageNetDataset", given, 3, findings)
        if trained is not None:
            num_built += 1
            assert split is not None and len(trained) == num_lines
            assert {found.kind for found in findings.sorted()} <= {"listed twice", "two labels"}
            assert len(split) + sum(found.count for found in findings.sorted()) == num_lines
    print({"read": num_read, "refused": count - num_read, "trained on": num_built})
    assert num_read > count // 2 and num_built > count // 20
