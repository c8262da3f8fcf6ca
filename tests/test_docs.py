"""The pages lead where they say, and their commands are such as the commands accept."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import CHINESE, PAGES, REPO, blocks, commands, name_of

from ppcls.cli.entry import make_parser
from ppcls.config import load_config, load_deploy_config

LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
SCRIPTS = {
    "train.py": "train",
    "eval.py": "eval",
    "infer.py": "infer",
    "export_model.py": "export",
    "predict_cls.py": "predict",
    "predict_rec.py": "embed",
}
# Where the pages let one stand.
FOLDERS = (REPO, REPO / "deploy", REPO / "run_scripts")
PROGRAMS = "cd curl docker eval export g++ make mkdir pip ppcls python python3 source wait xdg-open".split()


def accept(command: str, words: list[str], folder: Path) -> None:
    """Parse a command line, and load its config with its options if that is one of ours."""
    arguments = make_parser(command).parse_args(words)
    file = folder / (getattr(arguments, "config", None) or "none")
    if file.is_file():
        load = load_deploy_config if command in ("predict", "embed") else load_config
        load(str(file), arguments.override)


def accept_script(words: list[str], page: Path) -> None:
    """Do the same for the script that Python is told to run."""
    script = next((word for word in words if word.endswith(".py")), None)
    if script is None or f"```python\n# {script}\n" in page.read_text(encoding="utf-8"):
        return
    folder = next(folder for folder in FOLDERS if (folder / script).is_file())
    options = words[words.index(script) + 1 :]
    if Path(script).name in SCRIPTS:
        accept(SCRIPTS[Path(script).name], options, folder)
    elif script == "run_paddle_resnet.py":
        runpy.run_path(str(folder / script))["parser"]().parse_args(options)
    else:
        beside = (folder / script).parent.glob("*.py")  # a benchmark's parts
        source = "".join(file.read_text(encoding="utf-8") for file in beside)
        assert all(f'"{option}"' in source for option in options if option.startswith("--")), options


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_a_page_is_accepted(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPO / "run_scripts")
    targets = re.findall(r"^(\w+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    extras = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    for language, text, _ in blocks(page):
        for program, *words in commands(text if language == "sh" else ""):
            assert program in PROGRAMS, program
            if program == "ppcls":
                accept(words[0], words[1:], REPO)
            elif program.startswith("python"):
                accept_script(words, page)
            elif program == "make":
                assert set(words) <= set(targets)
            elif program == "pip":
                assert all(f"\n{extra} = [" in extras for extra in re.findall(r"[\[,](\w+)", " ".join(words)))


@pytest.mark.parametrize("page", [page for page in PAGES if page not in CHINESE], ids=name_of)
def test_a_block_that_is_not_run_with_the_others_says_why_or_where(page: Path) -> None:
    for _, _, mark in blocks(page):
        if mark.startswith("run by "):
            assert page.name in (REPO / mark[len("run by ") :]).read_text(encoding="utf-8"), mark


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
        code = "\n".join(text for _, text, _ in blocks(page))
        return {re.sub(r"(^|\s+)# .*", "", line) for line in code.splitlines()}

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


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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
