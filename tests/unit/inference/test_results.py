import json
from pathlib import Path
from typing import Any

import pytest

from ppcls.errors import ConfigError
from ppcls.inference.postprocess import Prediction
from ppcls.inference.results import Results

BEST = Prediction([3, 1], [0.75, 0.25], ['a "b", c', "d\ne"])
MADE_BY = {"model": {"inference.pdiparams": "12ab"}, "precision": "float32"}
NAMES = ["a.jpg", 'odd, "name"\n2.jpg', "c.jpg"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_an_interrupted_file_is_completed_wherever_it_was_cut(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole{suffix}"
    with Results(whole, MADE_BY) as results:
        for number, name in enumerate(NAMES):
            results.add(name, None if number == 1 else BEST, "damaged\nfile" if number == 1 else "")
    content = whole.read_bytes()
    (tmp_path / f"cut{suffix}.made_by.json").write_bytes((tmp_path / f"whole{suffix}.made_by.json").read_bytes())
    for length in range(len(content) + 1):
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(content[:length])
        with Results(cut, MADE_BY) as results:
            assert results.last_name == (NAMES[results.num_done - 1] if results.num_done else "")
            assert results.num_failed == (results.num_done > 1)
            for number in range(results.num_done, 3):
                results.add(NAMES[number], None if number == 1 else BEST, "damaged\nfile" if number == 1 else "")
            assert results.num_failed == 1
        assert cut.read_bytes() == content, length


def test_the_rows_say_all(tmp_path: Path) -> None:
    with Results(tmp_path / "new/out.csv", MADE_BY) as table, Results(tmp_path / "out.jsonl", MADE_BY) as lines:
        for results in (table, lines):
            results.add("a.jpg", Prediction([3, 1], [0.75, 0.123456789], ["cat", "dog"]), "")
            results.add("b.jpg", None, "damaged")
    assert (tmp_path / "new/out.csv").read_text() == (
        "name,class_ids,scores,label_names,error\na.jpg,3|1,0.75|0.123457,cat|dog,\nb.jpg,,,,damaged\n"
    )
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first["class_ids"] == [3, 1] and first["label_names"] == ["cat", "dog"] and not first["error"]
    assert second == {"name": "b.jpg", "class_ids": [], "scores": [], "label_names": [], "error": "damaged"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("out.txt", None, r"--out: must end in .csv or .jsonl; received '.*out.txt'"),
        ("out.jsonl", "hello\n", "already exists and holds something else; give another file"),
        ("out.jsonl", "{}\n", "already exists and holds something else; give another file"),
        ("out.jsonl", "5\n", "already exists and holds something else; give another file"),
        ("out.jsonl", "[" * 100_000 + "\n", "already exists and holds something else; give another file"),
        ("out.csv", "name\0\n", "already exists and holds something else; give another file"),
        ("out.csv", f"{'x' * 200_000}\n", "already exists and holds something else; give another file"),
        (
            "out.csv",
            "name,class_ids,scores,label_names,error\na.jpg,1,1,,\n",
            "and out.csv.made_by.json, .* can't be read",
        ),
        ("out.csv", "a,b\n1,2\n", "already exists and holds something else; give another file"),
    ],
)
def test_another_file_is_left_alone(tmp_path: Path, name: str, content: str, message: str) -> None:
    if content:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=message):
        Results(tmp_path / name, MADE_BY)
    assert not content or (tmp_path / name).read_text() == content


@pytest.mark.parametrize(
    ("made_by", "what"),
    [
        ({**MADE_BY, "precision": "bfloat16"}, "another precision; give another file"),
        ({"model": {"inference.pdiparams": "34cd"}, "precision": "float16"}, "another model, precision; give another"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rows_of_another_model_or_of_other_settings_are_not_continued(
    tmp_path: Path, made_by: dict[str, Any], what: str, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    with Results(path, MADE_BY) as results:
        results.add("a.jpg", BEST, "")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=f"already exists and was made by {what}"):
        Results(path, made_by)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    with Results(path, MADE_BY) as results:
        assert results.num_done == 1


def test_names_of_any_bytes_make_rows_in_utf_8(tmp_path: Path) -> None:
    name = "caf\udce9.jpg"
    for path in (tmp_path / "a.csv", tmp_path / "a.jsonl"):
        with Results(path, MADE_BY) as results:
            results.add(name, Prediction([0], [1.0], ["c\udcff"]), "")
            results.add("b.jpg", None, f"{name}: damaged")
        assert path.read_text(encoding="utf-8").count("caf\\") == 2
        with Results(path, MADE_BY) as results:
            assert results.num_done == 2
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert first["name"] == "caf\\xe9.jpg" and first["label_names"] == ["c\\xff"]
    assert second["error"] == "caf\\xe9.jpg: damaged"
