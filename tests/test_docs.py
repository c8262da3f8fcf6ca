"""The commands in README.md and docs/ are such as the commands accept."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ppcls.cli.entry import make_parser
from ppcls.config import load_config, load_deploy_config

REPO = Path(__file__).resolve().parents[1]
PAGES = sorted([*REPO.glob("*.md"), REPO / "run_scripts/README.md", *(REPO / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
CHINESE = [REPO / "README_zh.md", *sorted((REPO / "docs/zh").glob("*.md"))]
SCRIPTS = {
    "train.py": "train",
    "eval.py": "eval",
    "infer.py": "infer",
    "export_model.py": "export",
    "predict_cls.py": "predict",
    "predict_rec.py": "embed",
}


def commands(page: Path) -> list[list[str]]:
    """Return the words of each `python .../SCRIPT.py` line in the page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in line.split("; ") if any(script in part for script in SCRIPTS)]
    found = [shlex.split(part, comments=True) for part in parts]
    return [words for words in found if len(words) > 1 and Path(words[1]).name in SCRIPTS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_every_command_of_a_page_is_accepted(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, script, *words in commands(page):
        in_deploy = script.startswith("python/")
        monkeypatch.chdir(REPO / "deploy" if in_deploy else REPO)
        assert Path(script).is_file(), script
        arguments = make_parser(SCRIPTS[Path(script).name]).parse_args(words)
        load = load_deploy_config if arguments.command in ("predict", "embed") else load_config
        load(arguments.config, arguments.override)


def test_the_tables_of_paddleclas_dialect_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPO / "docs"))
    from from_paddleclas import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_table_of_models_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPO / "docs"))
    from models import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_pages_are_ascii_but_for_the_chinese_ones() -> None:
    assert [page.name for page in PAGES if not page.read_text(encoding="utf-8").isascii() and page not in CHINESE] == []


def test_chinese_pages_have_the_commands_of_the_english_ones() -> None:
    def lines(page: Path) -> set[str]:
        blocks = re.findall(r"```(?:sh|python|yaml)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        return {re.sub(r"(^|\s+)# .*", "", line) for line in "\n".join(blocks).splitlines()}

    english = set[str]().union(*(lines(page) for page in PAGES if page not in CHINESE))
    for page in CHINESE:
        assert lines(page) - english == set(), page.name


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_every_link_of_a_page_leads_to_a_file_and_its_heading(page: Path) -> None:
    for target, anchor in LINK.findall(prose(page)):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def leaves(navigation: Any) -> Iterator[str]:
    """Yield the pages of a navigation of MkDocs."""
    if isinstance(navigation, str):
        yield navigation
        return
    for entry in navigation.values() if isinstance(navigation, dict) else navigation:
        yield from leaves(entry)


def test_the_site_has_every_page_in_its_navigation_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPO / "docs"))
    from website import OUTSIDE

    site = yaml.safe_load((REPO / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = [file.relative_to(REPO / "docs").as_posix() for file in (REPO / "docs").rglob("*.md")]
    pages += [page for page in OUTSIDE.values() if page.endswith(".md")]
    assert sorted(leaves(site["nav"])) == sorted(pages)
