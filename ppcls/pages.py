"""HTML pages of one look, each a file that needs nothing but itself."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Union

STYLE = Path(__file__).parent / "assets" / "page.css"
# Where a page that lies in a file of its own wants the style.
STYLE_HERE = "/* ppcls: the style of all pages */"

Cell = Union[str, int, float]


def style() -> str:
    """Return the style sheet of all pages."""
    return STYLE.read_text(encoding="utf-8")


def page(title: str, body: Iterable[str], *, script: str = "") -> str:
    """Return a page; the parts of its body are HTML, its title is text."""
    after = f"<script>\n{script}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>\n{style()}</style></head>\n'
        "<body><main>\n" + "\n".join(body) + f"\n</main>\n{after}</body></html>\n"
    )


def section(title: str, body: Iterable[str], *, key: str = "") -> str:
    """Return a card with a heading; `key` is what links call it."""
    name = f' id="{escape(key)}"' if key else ""
    return f'<section class="card"{name}><h2>{escape(title)}</h2>\n' + "\n".join(body) + "\n</section>"


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table; cells are text, those that are numbers stand at the right."""
    listed = [list(row) for row in rows]
    numeric = [bool(listed) and all(not isinstance(row[place], str) for row in listed) for place in range(len(head))]
    marks = [" class=n" if number else "" for number in numeric]
    lines = ["<tr>" + "".join(f"<th{mark}>{escape(name)}</th>" for mark, name in zip(marks, head)) + "</tr>"]
    for row in listed:
        lines.append("<tr>" + "".join(f"<td{mark}>{_text(cell)}</td>" for mark, cell in zip(marks, row)) + "</tr>")
    return '<div class="wide"><table>' + "\n".join(lines) + "</table></div>"


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return escape(f"{cell:,}" if isinstance(cell, int) else cell)


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and what is known of them."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows) + "</dl>"
