"""The comparison of two models as one page."""

from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from ppcls.pages import page, section, table
from ppcls.report.classes import percent, with_interval
from ppcls.report.comparing import Comparison
from ppcls.report.figures import Figures, name

_SHOWN = 24


def as_page(found: Comparison) -> str:
    """Return the page."""
    first, second = (escape(str(source.path)) for source in found.sources)
    title = "Comparison of two models"
    figures = Figures(found.data)
    sections = [
        section("Become wrong", _flips(found, found.broken, figures)),
        section("Become right", _flips(found, found.fixed, figures)),
        section("Classes", _classes(found)),
        section("What else differs", _differences(found)),
    ]
    head = f"<header><h1>{title}</h1><p class=quiet>A: <code>{first}</code><br>B: <code>{second}</code></p></header>"
    return page(title, [head, *_tiles(found), *sections])


def _tiles(found: Comparison) -> Iterator[str]:
    change = found.second.accuracy.value - found.first.accuracy.value
    tiles = {
        "right answers of A": percent(found.first.accuracy.value),
        "right answers of B": percent(found.second.accuracy.value),
        "become right": f"{len(found.fixed):,}",
        "become wrong": f"{len(found.broken):,}",
        "McNemar's exact p": f"{found.p:.3g}",
    }
    shown = "".join(f"<div><b>{value}</b>{escape(what)}</div>" for what, value in tiles.items())
    if found.p < 0.05:
        verdict = f"{'B' if change > 0 else 'A'} is better, by more than chance explains."
    else:
        verdict = "A change such as this one comes about by chance: neither is shown to be better."
    yield f'<section class="card"><div class="tiles">{shown}</div><p>{verdict}</p>'
    yield f"<p><small>On the same {len(found.first.labels):,} images.</small></p></section>"


def _flips(found: Comparison, places: NDArray[np.int64], figures: Figures) -> Iterator[str]:
    if not len(places):
        yield "<p>None.</p>"
        return
    if len(places) > _SHOWN:
        yield f"<p>The first {_SHOWN} of {len(places):,}.</p>"
    shown = []
    for place in places[:_SHOWN].tolist():
        one, other = found.first.answer(place), found.second.answer(place)
        words = [
            f"A: {escape(one.predicted)} {percent(one.score)}",
            f"B: {escape(other.predicted)} {percent(other.score)}",
        ]
        caption = "<br>".join([f"<b>{escape(one.label)}</b>", *words, name(one.path)])
        shown.append(f"<figure>{figures.thumbnail(one.path)}<figcaption>{caption}</figcaption></figure>")
    yield f'<div class="thumbs">{"".join(shown)}</div>'


def _classes(found: Comparison) -> Iterator[str]:
    pairs = sorted(
        zip(found.first.per_class, found.second.per_class), key=lambda pair: pair[1].recall.value - pair[0].recall.value
    )
    rows = [
        (
            one.name,
            one.support,
            with_interval(one.recall),
            with_interval(other.recall),
            f"{100 * (other.recall.value - one.recall.value):+.1f}",
            f"{100 * (other.precision.value - one.precision.value):+.1f}",
        )
        for one, other in pairs
    ]
    yield table(["class", "images", "recall of A, %", "recall of B, %", "change", "change of precision"], rows)


def _differences(found: Comparison) -> Iterator[str]:
    if not found.differences:
        yield "<p>Nothing that is known.</p>"
        return
    yield table(["", "A", "B"], found.differences)
