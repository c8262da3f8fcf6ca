"""The commands in README.md and docs/ are such as the commands accept."""

import re
import shlex
from pathlib import Path

import pytest

from ppcls.cli.entry import make_parser
from ppcls.config import load_config, load_deploy_config

REPO = Path(__file__).resolve().parents[1]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
