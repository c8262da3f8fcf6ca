"""Names of any bytes can be printed, logged and written, and are told apart."""

import json

import pytest

from ppcls.text import as_utf8, printable

NAMES = ["plain.jpg", "\u043a\u043e\u0442.jpg", "caf\udce9.jpg", "a\nb\t\x1b[31m.jpg", "\ud800.jpg", "\u2028.jpg", ""]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_written(name: str) -> None:
    for text in (as_utf8(name), printable(name)):
        assert json.loads(json.dumps(text, ensure_ascii=False).encode()) == text
    assert len(printable(name).splitlines()) <= 1 and printable(name).isprintable()


def test_what_can_be_written_stays() -> None:
    assert [as_utf8(name) for name in NAMES[:2]] == [printable(name) for name in NAMES[:2]] == NAMES[:2]
    assert as_utf8("a\nb") == "a\nb"


def test_other_bytes_and_control_characters_are_shown_as_python_writes_them() -> None:
    assert as_utf8("caf\udce9") == printable("caf\udce9") == "caf\\xe9"
    assert printable("a\nb\t\x1b\r") == "a\\nb\\t\\x1b\\r"
