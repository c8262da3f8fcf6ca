"""What a check found, as one HTML page with thumbnails; it needs nothing but itself."""

from collections.abc import Iterator
from html import escape
from typing import Optional

import numpy as np

from ppcls import pages
from ppcls.doctor.check import Checkup
from ppcls.doctor.files import Complaints, look
from ppcls.doctor.findings import KINDS, Example, Finding, Severity
from ppcls.doctor.report import formats, sizes
from ppcls.images.thumbnails import data_uri, shrunk
from ppcls.text import as_utf8, printable

_THUMB_PX = 124
_THUMBS, _LINES, _FEW, _GROUPS, _GROUP = 10, 50, 3, 60, 6


def as_page(checkup: Checkup, title: str) -> str:
    """Return the page."""
    title = f"Data check of {as_utf8(title)}"
    sections = {
        f"Images per class ({checkup.class_num} classes)": _classes(checkup),
        "Findings": _findings(checkup),
        f"Groups of images that are or look the same: {len(checkup.groups):,}": _groups(checkup),
    }
    with Complaints():  # of damaged images, which are known by now
        cards = [pages.section(heading, parts) for heading, parts in sections.items()]
    return pages.page(title, [f"<header><h1>{escape(title)}</h1></header>", *_head(checkup), *cards])


def _head(checkup: Checkup) -> Iterator[str]:
    yield f"<section class=card><p>{_counted(checkup, 'error')}, {_counted(checkup, 'warning')}</p>"
    yield '<div class="wide"><table>'
    yield "<tr><th>split<th>from<th class=n>images<th class=n>megabytes<th>formats"
    yield "<th class=n>width (px)<th class=n>height (px)</tr>"
    for place, split in enumerate(checkup.splits):
        records = checkup.records_of(place)
        shown = ", ".join(f"{name} {number}" for name, number in formats(records).items())
        sides = [f"{q['smallest']} - <b>{q['median']}</b> - {q['largest']}" for q in sizes(records).values()]
        yield (
            f"<tr><td>{escape(split.name)}<td><code>{escape(as_utf8(split.source))}</code><td class=n>{len(split):,}"
            f"<td class=n>{records['bytes'].sum(dtype=np.int64) / 1e6:,.1f}<td>{shown}"
            f"<td class=n>{'<td class=n>'.join(sides)}</tr>"
        )
    yield "</table></div><p><small>Widths and heights: smallest - median - largest.</small></p></section>"


def _counted(checkup: Checkup, severity: Severity) -> str:
    count = checkup.findings.count(severity)
    return f'<b class="{severity if count else "good"}">{count:,} {severity}s</b>'


def _classes(checkup: Checkup) -> Iterator[str]:
    counts = checkup.class_counts()
    most = max(max(own.max(initial=0) for own in counts), 1)
    yield f"<details {'open' if checkup.class_num <= 30 else ''}><summary>all classes</summary>"
    yield '<div class="wide"><table><tr><th>class'
    yield "".join(f"<th>{escape(split.name)}" for split in checkup.splits) + "<th></tr>"
    for label in range(checkup.class_num):
        numbers = "".join(f"<td class=n>{own[label]:,}" for own in counts)
        bars = "<br>".join(
            f'<span class="bar{" later" if place else ""}" style="--share:{own[label] / most:.4f}"></span>'
            for place, own in enumerate(counts)
        )
        yield f"<tr><td>{escape(checkup.class_name(label))}{numbers}<td>{bars}</tr>"
    yield "</table></div></details>"


def _findings(checkup: Checkup) -> Iterator[str]:
    for found in checkup.findings.sorted():
        yield from _finding(checkup, found)
    if not checkup.findings.sorted():
        yield '<p class="good">Nothing was found to be wrong.</p>'


def _finding(checkup: Checkup, found: Finding) -> Iterator[str]:
    kind = KINDS[found.kind]
    where = f" in {escape(found.split)}" if len(checkup.splits) > 1 else ""
    advice = "" if kind.severity == "note" else f" <small>{escape(kind.advice)}</small>"
    yield f'<h3><span class="{kind.severity}">{kind.severity}: {found.kind}</span>{where}: {found.count:,}</h3>'
    yield f"<p>{escape(kind.meaning[:1].upper() + kind.meaning[1:])}.{advice}</p>"
    shown = [example for example in found.examples if example.image is not None][:_THUMBS]
    if shown:
        yield '<div class="thumbs">' + "".join(_figure(checkup, example) for example in shown) + "</div>"
    num_shown = min(_LINES, len(found.examples))
    shown_lines = "where" if num_shown == found.count else f"where: the first {num_shown} of {found.count:,}"
    yield f"<details {'open' if found.count <= _FEW else ''}><summary>{shown_lines}</summary>"
    for example in found.examples[:_LINES]:
        yield f"<p><code>{escape(example.where)}</code> {escape(example.detail)}</p>"
    yield "</details>"


def _figure(checkup: Checkup, example: Example) -> str:
    assert example.image is not None  # only those are shown
    return _image(checkup, *example.image, caption=example.detail)


def _groups(checkup: Checkup) -> Iterator[str]:
    # Those that reach over several splits first.
    spans = [{checkup.place(number)[0] for number in group} for group in checkup.groups]
    order = sorted(range(len(spans)), key=lambda group: -len(spans[group]))[:_GROUPS]
    if not order:
        yield '<p class="good">None.</p>'
    for place in order:
        group = checkup.groups[place]
        figures = "".join(_image(checkup, *checkup.place(number)) for number in group[:_GROUP])
        rest = f"<p>and {len(group) - _GROUP} more</p>" if len(group) > _GROUP else ""
        yield f'<div class="thumbs">{figures}{rest}</div>'


def _image(checkup: Checkup, place: int, index: int, *, caption: str = "") -> str:
    split = checkup.splits[place]
    address = _thumbnail(checkup, place, index)
    shown = '<div class="none">no image</div>' if address is None else f'<img alt="" src="{address}">'
    label = split.labels[index]
    named = checkup.class_name(int(label)) if split.labels.ndim == 1 else split.label(index)
    words = f"{split.name}: {printable(split.paths[index])}, {named}"
    return f"<figure>{shown}<figcaption>{escape(words)}<br>{escape(caption)}</figcaption></figure>"


def _thumbnail(checkup: Checkup, place: int, index: int) -> Optional[str]:
    """Return a thumbnail in an address, or None if the image can't be decoded."""
    if not checkup.records_of(place)["width"][index]:
        return None
    (task,) = checkup.splits[place].tasks([index])
    image = look(task, 0)  # None: it was changed meanwhile
    return None if image is None else data_uri(shrunk(image[..., ::-1], _THUMB_PX))
