"""Writes the table of docs/models.md from the cards of the architectures.

python docs/models.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls.cli.models import COLUMNS, rows
from ppcls.models.cards import sizes

PAGE = Path(__file__).with_suffix(".md")
BEGIN = "<!-- Written by docs/models.py: -->\n"


def page() -> str:
    """Return the page with a new table."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(row for name in sizes() for row in rows(name))]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{PAGE.read_text(encoding='utf-8').split(BEGIN)[0]}{BEGIN}\n{table}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
