"""The documents, and the commands in them."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PAGES = sorted([*REPO.glob("*.md"), REPO / "run_scripts/README.md", *(REPO / "docs").rglob("*.md")])
CHINESE = [REPO / "README_zh.md", *sorted((REPO / "docs/zh").glob("*.md"))]

_BLOCK = re.compile(
    r"(?:^<!-- (not run: [^\n]+|run by tests/\S+) -->\n)?^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
# A line continues in quotes, or after a backslash.
_LINE = re.compile(r'(?:"(?:\\.|[^"\\])*"|\\\n|[^\n"])+')


def name_of(page: Path) -> str:
    return page.relative_to(REPO).as_posix()


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the language, the text and the mark of each block of code.

    The mark is what a comment on the line before says of a block that tests/unit/api/test_pages_as_typed.py is not to
    run: `not run: REASON`, or `run by TEST`.
    """
    for mark, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        yield language, text, mark


def commands(shell: str) -> Iterator[list[str]]:
    """Yield the words of each command in the text of a shell block; its variables are put in."""
    variables: dict[str, str] = {}
    for line in _LINE.findall(re.sub(r"^\w+=\$\((.*)\)$", r"\1", shell, flags=re.MULTILINE)):
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars=";&")
        words.whitespace_split = True
        for separates, command in itertools.groupby(words, lambda word: set(word) <= set(";&")):
            found = list(command)
            if assigned := re.fullmatch(r"(\w+)=(.*)", found[0], re.DOTALL):
                variables[assigned[1]] = assigned[2].replace("\n", " ")
            elif not separates:
                yield found
