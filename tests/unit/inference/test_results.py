import json
from pathlib import Path

import pytest

from ppcls.errors import ConfigError
from ppcls.inference.postprocess import Prediction
from ppcls.inference.results import Results

BEST = Prediction([3, 1], [0.75, 0.25], ['a "b", c', "d\ne"])
NAMES = ["a.jpg", 'odd, "name"\n2.jpg', "c.jpg"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_an_interrupted_file_is_completed_wherever_it_was_cut(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole{suffix}"
    with Results(whole) as results:
        for number, name in enumerate(NAMES):
            results.add(name, None if number == 1 else BEST, "damaged\nfile" if number == 1 else "")
    content = whole.read_bytes()
    for length in range(len(content) + 1):
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(content[:length])
        with Results(cut) as results:
            assert results.last_name == (NAMES[results.num_done - 1] if results.num_done else "")
            assert results.num_failed == (results.num_done > 1)
            for number in range(results.num_done, 3):
                results.add(NAMES[number], None if number == 1 else BEST, "damaged\nfile" if number == 1 else "")
            assert results.num_failed == 1
        assert cut.read_bytes() == content, length


def test_the_rows_say_all(tmp_path: Path) -> None:
    with Results(tmp_path / "new/out.csv") as table, Results(tmp_path / "out.jsonl") as lines:
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
        ("out.jsonl", "hello\n", "is there and holds other things; give another file"),
        ("out.jsonl", "{}\n", "is there and holds other things; give another file"),
        ("out.csv", "a,b\n1,2\n", "is there and holds other things; give another file"),
    ],
)
def test_another_file_is_left_alone(tmp_path: Path, name: str, content: str, message: str) -> None:
    if content:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=message):
        Results(tmp_path / name)
    assert not content or (tmp_path / name).read_text() == content
