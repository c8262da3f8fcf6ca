"""The data doctor finds one of every fault, where it is, and nothing that isn't there."""

import itertools
import json
from pathlib import Path
from typing import Any, Optional

import cv2
import numpy as np
import pytest
from planted import FILES, OTHERS, jpeg, plant, plant_list, png, scene

from ppcls.data.sources.names import Names
from ppcls.data.sources.packed import write_pack
from ppcls.doctor import duplicates
from ppcls.doctor.check import Checkup, check
from ppcls.doctor.findings import KINDS, Findings
from ppcls.doctor.page import as_page
from ppcls.doctor.report import as_json, as_tables
from ppcls.doctor.splits import folders_at, split_of, splits_at
from ppcls.errors import DataError


def checkup(path: Path, num_workers: int = 0) -> Checkup:
    findings = Findings()
    return check(splits_at(str(path), findings), None, findings, num_workers)


def found(checked: Checkup, split: Optional[str] = None) -> dict[str, list[str]]:
    """Kind -> the places."""
    cases: dict[str, list[str]] = {}
    for finding in checked.findings.sorted():
        if split in (None, finding.split):
            assert finding.count == len(finding.examples)
            cases.setdefault(finding.kind, []).extend(example.where for example in finding.examples)
    return cases


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkup]:
    root = tmp_path_factory.mktemp("planted")
    plant(root)
    return root, checkup(root, num_workers=2)


def test_one_of_every_fault_of_folders_and_files_is_found(planted: tuple[Path, Checkup]) -> None:
    root, checked = planted
    cases = found(checked)
    assert set(cases) == set(FILES) | OTHERS and len(cases) == 34
    for kind, (name, _) in FILES.items():
        expected = {"grey": ["deep.png", "float.tif", "grey.jpg"]}.get(kind, [name])
        assert sorted(cases[kind]) == [f"{root}/train/cat/{name}" for name in expected], kind
    assert {kind: sorted(place.replace(f"{root}/", "") for place in cases[kind]) for kind in OTHERS} == {
        "unreadable": ["train/cat/gone.jpg"],
        "copies": ["train/dog/again.jpg"],
        "copies with two labels": ["train/dog/1.jpg"],
        "near copies": ["train/dog/smaller.jpg"],
        "near copies with two labels": ["train/dog/3.jpg"],
        "leak": ["val/dog/seen.jpg"],
        "near leak": ["val/dog/seen_smaller.jpg"],
        "twin classes": ["train/dog"],
        "rare class": ["train: class Dog"],
        "other classes": ["val"],
        "empty class": ["train/empty"],
        "outside a class": ["train/stray.jpg"],
        "not an image": ["train/dog/notes.txt"],
        "hidden": ["train/dog/Thumbs.db"],
        "no images": ["train: class empty", "train: class horse"]
        + [f"val: class {c}" for c in ("Dog", "bird", "empty")],
        "imbalance": ["train"],
        "never trained": ["val: class horse"],
    }


def test_sound_images_lead_to_no_finding(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("val", 50)):
        for index in range(20):
            folder = tmp_path / split / f"class {index % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{index}.jpg").write_bytes(jpeg(scene(first + index)))
    checked = checkup(tmp_path)
    assert found(checked) == {} and checked.groups == []
    assert as_tables(checked).endswith("Nothing was found to be wrong.")
    assert [counts.tolist() for counts in checked.class_counts()] == [[10, 10], [10, 10]]


def test_one_of_every_fault_of_a_list_is_found_with_its_line(tmp_path: Path) -> None:
    path = plant_list(tmp_path)
    findings = Findings()
    arguments = {"image_root": str(tmp_path), "cls_label_path": path}
    split = split_of("Train", "ImageNetDataset", arguments, 3, findings)
    cases = found(check([split], 3, findings, 0))
    assert {kind: [place.removeprefix(f"{path}:").lstrip() for place in places] for kind, places in cases.items()} == {
        "bad line": ["3", "4"],
        "missing": ["7: gone.jpg"],
        "two labels": ["6: ./0 x.jpg"],
        "listed twice": ["5: 0 x.jpg"],
        "label out of range": ["8: 2 x.jpg"],
        "no images": ["class 2"],
        "rare class": ["class 0", "class 1"],
    }
    (tmp_path / "none.txt").write_text("")
    findings = Findings()
    split_of("Train", "ImageNetDataset", {**arguments, "cls_label_path": str(tmp_path / "none.txt")}, 3, findings)
    assert [finding.kind for finding in findings.sorted()] == ["empty list"]


def test_lists_of_several_labels_are_checked(tmp_path: Path) -> None:
    for index in range(8):
        (tmp_path / f"{index}.jpg").write_bytes(jpeg(scene(index)))
    lines = [f"{index}.jpg\t1,{index % 2}" for index in range(6)]
    (tmp_path / "list.txt").write_text("\n".join([*lines, "6.jpg\t1,0,1", "7.jpg\t1,2"]))
    findings = Findings()
    arguments = {"image_root": str(tmp_path), "cls_label_path": str(tmp_path / "list.txt")}
    checked = check([split_of("Train", "MultiLabelDataset", arguments, 2, findings)], 2, findings, 0)
    assert set(found(checked)) == {"wrong label count", "bad line", "rare class"}
    assert checked.class_counts()[0].tolist() == [6, 3]
    assert "1,0" in as_page(checked, "labels") or checked.groups == []


def test_a_changed_image_of_a_pack_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pack"
    records = [jpeg(scene(index)) for index in range(12)]
    names = Names([f"{index}.jpg" for index in range(12)])
    write_pack(str(path), records, np.arange(12) % 2, names, ["a", "b"])
    data = bytearray(path.read_bytes())
    data[data.index(records[5]) + 300] ^= 255
    path.write_bytes(data)
    for num_workers in (0, 1):
        assert found(checkup(path, num_workers)) == {"changed": [f"{path}: 5.jpg"]}


def test_a_class_that_is_only_evaluated_and_folders_named_by_numbers_are_found(tmp_path: Path) -> None:
    for split, folders in (("train", ["2", "10"]), ("val", ["2", "10"])):
        for folder in folders:
            (tmp_path / split / folder).mkdir(parents=True)
            for index in range(6):
                data = jpeg(scene(hash((split, folder, index)) % 2**32))
                (tmp_path / split / folder / f"{index}.jpg").write_bytes(data)
    assert set(found(checkup(tmp_path))) == {"numbers as names"}
    for name in ("train", "val"):
        lines = [f"{name}/{folder}/{index}.jpg {folder}" for folder in ("2", "10") for index in range(6)]
        (tmp_path / f"{name}_list.txt").write_text("\n".join(lines if name == "val" else lines[:6]))
    cases = found(checkup(tmp_path))
    assert cases["never trained"] == [f"{tmp_path}/val_list.txt: class 10"]


def test_names_of_any_bytes_are_reported(tmp_path: Path) -> None:
    folder = tmp_path / "all" / "a"
    folder.mkdir(parents=True)
    Path(str(folder).encode().decode() + "/x\udcff.jpg").write_bytes(b"broken")
    checked = checkup(tmp_path / "all")
    for text in (as_json(checked), as_page(checked, "x"), as_tables(checked)):
        assert "\\xff" in text
        text.encode()


def test_the_json_report_has_counts_and_cases(planted: tuple[Path, Checkup]) -> None:
    root, checked = planted
    report: dict[str, Any] = json.loads(as_json(checked))
    assert [split["name"] for split in report["splits"]] == ["train", "val"]
    train = report["splits"][0]
    assert train["classes"]["dog"] == 62 and train["formats"]["JPEG"] > 70
    assert train["sizes_px"]["width"]["median"] == 64 and train["sizes_px"]["height"]["largest"] == 6400
    assert report["errors"] == sum(f["count"] for f in report["findings"] if f["severity"] == "error") > 0
    assert {
        f["kind"]: f["cases"][0]["detail"] for f in report["findings"] if f["kind"] in ("leak", "wrong suffix")
    } == {
        "leak": f"as {root}/train/dog/4.jpg",
        "wrong suffix": "is PNG",
    }
    assert [len(group) for group in report["groups"]] == [2] * 6 and report["num_groups"] == 6


def test_the_page_needs_nothing_but_itself(planted: tuple[Path, Checkup]) -> None:
    page = as_page(planted[1], "<script>alert(1)</script>")
    assert page.count('src="data:image/jpeg;base64,') > 20 and "no image" in page
    assert "http" not in page and "<script" not in page and "&lt;script&gt;" in page
    assert all(f"{KINDS[kind].severity}: {kind}" in page for kind in found(planted[1]))


@pytest.mark.parametrize(
    ("change", "is_near"),
    [
        (lambda image: cv2.resize(image, (100, 75), interpolation=cv2.INTER_AREA), True),
        (lambda image: cv2.resize(image, (256, 256)), True),
        (lambda image: cv2.imdecode(np.frombuffer(jpeg(image, 40), np.uint8), 1), True),
        (lambda image: cv2.convertScaleAbs(image, alpha=1.1, beta=5), True),
        (lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), True),
        (lambda image: image[:, ::-1], False),
        (lambda image: image[25:, 35:], False),
    ],
    ids=["smaller", "squeezed", "worse", "brighter", "grey", "mirrored", "cropped"],
)
def test_photographs_are_recognised_after_small_changes_and_no_others(
    shared: Path, tmp_path: Path, change: Any, is_near: bool
) -> None:
    files = sorted((shared / "data/imagenette-mini/val").glob("*/*.JPEG"))[::12]
    (tmp_path / "a").mkdir()
    for place, file in enumerate(files):
        image = cv2.imread(str(file))
        (tmp_path / f"a/{place}.jpg").write_bytes(file.read_bytes())
        (tmp_path / f"a/{place}_changed.png").write_bytes(png(change(image)))
    groups = checkup(tmp_path).groups
    names = [{Path(f"{index}").name for index in group} for group in groups]
    assert len(names) >= 0.95 * len(files) if is_near else len(names) <= 1
    assert all(len(group) == 2 for group in groups)


def test_paths_of_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for path, problem in (
        ("/nowhere.xml", "/nowhere.xml: does not exist; check the path"),
        ("", "PATH: does not exist"),
        (f"{tmp_path}/train", f"{tmp_path}/train: has no folders; give a folder with one folder per class"),
        (f"{tmp_path}", f"{tmp_path}/train: has no folders"),
    ):
        for read in (splits_at, folders_at):
            with pytest.raises(DataError, match=f"^{problem}"):
                read(path, Findings())
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="a.png: is an image; give a folder"):
        splits_at(f"{tmp_path}/a.png", Findings())
    with pytest.raises(DataError, match="Train: the files of Cifar10 are checked whenever they are read"):
        split_of("Train", "Cifar10", {}, 10, Findings())


def test_very_many_that_look_the_same_are_joined_without_all_pairs_of_them() -> None:
    pairs = duplicates.near_pairs(np.full((3000, 2), 7, np.uint64), np.arange(3000))
    assert 2999 <= len(pairs) <= 8 * 3000
    groups = duplicates.Groups(3000)
    groups.join(pairs)
    assert groups.members() == [list(range(3000))]


def test_thumbnails_agree_where_they_show_the_same_however_many_are_compared() -> None:
    image, other = (cv2.cvtColor(scene(seed), cv2.COLOR_BGR2GRAY) for seed in (0, 1))
    brighter = cv2.convertScaleAbs(image, alpha=0.9, beta=12)
    thumbs = np.stack([duplicates.thumbnail(image) for image in (image, brighter, other)])
    pairs = np.tile([[0, 1], [0, 2]], (40_000, 1))
    assert duplicates.agreeing(thumbs, pairs).reshape(-1, 2).all(axis=0).tolist() == [True, False]
    assert not duplicates.agreeing(thumbs, pairs).reshape(-1, 2).any(axis=0)[1]
    assert duplicates.agreeing(thumbs, pairs[:0]).tolist() == []


def test_folders_that_are_no_classes_are_found(tmp_path: Path) -> None:
    seeds = itertools.count()
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / split / "pets" / name).mkdir(parents=True)
            for index in range(6):
                (tmp_path / split / "pets" / name / f"{index}.jpg").write_bytes(jpeg(scene(next(seeds))))
    cases = found(checkup(tmp_path))
    assert cases == {"one folder too deep": [f"{tmp_path}/train/pets", f"{tmp_path}/val/pets"]}
    (tmp_path / "train/pets/cat/up").symlink_to("..")
    assert found(checkup(tmp_path / "train/pets")) == {"link to itself": [f"{tmp_path}/train/pets/cat/up"]}
    (tmp_path / "other").mkdir()
    for split in ("train", "val"):
        (tmp_path / split).rename(tmp_path / "other" / split.upper())
    assert found(checkup(tmp_path / "other"))["splits as classes"] == [f"{tmp_path}/other"]


def test_relabelled_lists_are_counted_by_the_labels_of_all_splits(tmp_path: Path) -> None:
    for index in range(12):
        (tmp_path / f"{index}.jpg").write_bytes(jpeg(scene(index)))
    (tmp_path / "train.txt").write_text("".join(f"{index}.jpg {index % 3 * 10}\n" for index in range(6)))
    (tmp_path / "val.txt").write_text("".join(f"{index}.jpg {index % 2 * 20}\n" for index in range(6, 12)))
    lists = [str(tmp_path / "train.txt"), str(tmp_path / "val.txt")]
    given = {"image_root": str(tmp_path), "relabel": True}
    train, val = (
        split_of("x", "ImageNetDataset", {**given, "cls_label_path": path}, 3, Findings(), lists) for path in lists
    )
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2] and val.labels.tolist() == [0, 2, 0, 2, 0, 2]
