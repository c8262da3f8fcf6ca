"""Writes the tables of docs/from_paddleclas.md from the rules of ppcls/config/dialect.py.

python docs/from_paddleclas.py
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls.config.dialect import ARTIFACT_RULES, DEPLOY_RULES, RUN_RULES, SWEEP_RULES
from ppcls.config.rewrite import Rule

PAGE = Path(__file__).with_suffix(".md")
TABLES = {
    "training YAMLs": RUN_RULES,
    "YAMLs of a search": SWEEP_RULES,
    "deploy YAMLs": DEPLOY_RULES,
    "`inference.yml`": ARTIFACT_RULES,
}
BEGIN, END = "<!-- Written by docs/from_paddleclas.py: -->\n", "<!-- end -->\n"


def table(title: str, rules: Sequence[Rule]) -> str:
    rows = [f"| {f'`{rule.path}`' if rule.path else ''} | {rule.effect} | `{rule.source}` |" for rule in rules]
    return "\n".join([f"| in {title} | what it means here | source in PaddleClas |", "|---|---|---|", *rows]) + "\n"


def page() -> str:
    """Return the page with new tables."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    tables = "\n".join(table(title, rules) for title, rules in TABLES.items())
    return f"{before}{BEGIN}\n{tables}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
