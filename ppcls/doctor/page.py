"""What a check found, as one HTML page with thumbnails; it needs nothing but itself."""

import base64
from collections.abc import Iterator
from html import escape
from typing import Optional

import cv2
import numpy as np

from ppcls.doctor.check import Checkup
from ppcls.doctor.files import Complaints, look
from ppcls.doctor.findings import KINDS, Example, Finding
from ppcls.doctor.report import formats, sizes
from ppcls.text import as_utf8, printable

_THUMB_PX = 112
_THUMBS, _LINES, _FEW, _GROUPS, _GROUP = 10, 50, 3, 60, 6

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1d2330; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } h3 { font-size: 1rem; margin: 1.6rem 0 .2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid #c9cedb; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.error { color: #b3261e; } .warning { color: #8a5a00; } .note { color: #4a5568; }
.bar { background: #3c6fd1; height: .7rem; display: inline-block; } .bar.later { background: #e0913a; }
p { margin: .2rem 0; } small, summary { color: #5a6478; } code { font-size: .85rem; word-break: break-all; }
.thumbs { display: flex; flex-wrap: wrap; gap: .6rem; margin: .5rem 0; }
figure { margin: 0; width: 124px; } figcaption { font-size: .72rem; line-height: 1.25; overflow-wrap: anywhere; }
figure img, figure div { width: 112px; height: 112px; object-fit: contain; background: #eef0f5; display: block; }
figure div { display: flex; align-items: center; justify-content: center; color: #8a93a6; font-size: .75rem; }
"""


def as_page(checkup: Checkup, title: str) -> str:
    """Return the page."""
    title = as_utf8(title)
    with Complaints():  # of damaged images, which are known by now
        body = "\n".join([*_head(checkup, title), *_classes(checkup), *_findings(checkup), *_groups(checkup)])
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _head(checkup: Checkup, title: str) -> Iterator[str]:
    yield f"<h1>Data check of {escape(title)}</h1>"
    counts = {severity: checkup.findings.count(severity) for severity in ("error", "warning")}
    yield f'<p><b class="error">{counts["error"]} errors</b>, <b class="warning">{counts["warning"]} warnings</b></p>'
    yield "<table><tr><th>split<th>from<th>images<th>megabytes<th>formats<th>width (px)<th>height (px)</tr>"
    for place, split in enumerate(checkup.splits):
        records = checkup.records_of(place)
        shown = ", ".join(f"{name} {number}" for name, number in formats(records).items())
        sides = [f"{q['smallest']} - <b>{q['median']}</b> - {q['largest']}" for q in sizes(records).values()]
        yield (
            f"<tr><td>{escape(split.name)}<td><code>{escape(as_utf8(split.source))}</code><td class=n>{len(split):,}"
            f"<td class=n>{records['bytes'].sum(dtype=np.int64) / 1e6:,.1f}<td>{shown}<td>{'<td>'.join(sides)}</tr>"
        )
    yield "</table><p><small>Widths and heights: smallest - median - largest.</small></p>"


def _classes(checkup: Checkup) -> Iterator[str]:
    counts = checkup.class_counts()
    most = max(max(own.max(initial=0) for own in counts), 1)
    yield f"<h2>Images per class ({checkup.class_num} classes)</h2>"
    yield f"<details {'open' if checkup.class_num <= 30 else ''}><summary>all classes</summary><table><tr><th>class"
    yield "".join(f"<th>{escape(split.name)}" for split in checkup.splits) + "<th></tr>"
    for label in range(checkup.class_num):
        numbers = "".join(f"<td class=n>{own[label]:,}" for own in counts)
        bars = "<br>".join(
            f'<span class="bar{" later" if place else ""}" style="width:{own[label] / most * 24:.2f}rem"></span>'
            for place, own in enumerate(counts)
        )
        yield f"<tr><td>{escape(checkup.class_name(label))}{numbers}<td>{bars}</tr>"
    yield "</table></details>"


def _findings(checkup: Checkup) -> Iterator[str]:
    yield "<h2>Findings</h2>"
    for found in checkup.findings.sorted():
        yield from _finding(checkup, found)
    if not checkup.findings.sorted():
        yield "<p>Nothing was found to be wrong.</p>"


def _finding(checkup: Checkup, found: Finding) -> Iterator[str]:
    kind = KINDS[found.kind]
    yield f'<h3><span class="{kind.severity}">{kind.severity}: {found.kind}</span> in {escape(found.split)}: '
    yield f"{found.count:,}</h3><p>{escape(kind.meaning.capitalize())}. <small>{escape(kind.advice)}</small></p>"
    shown = [example for example in found.examples if example.image is not None][:_THUMBS]
    if shown:
        yield '<div class="thumbs">' + "".join(_figure(checkup, example) for example in shown) + "</div>"
    shown_lines = f"the first {min(_LINES, len(found.examples))} of {found.count:,}"
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
    if order:
        yield f"<h2>Images that are or look the same: {len(spans):,} groups</h2>"
    for place in order:
        group = checkup.groups[place]
        figures = "".join(_image(checkup, *checkup.place(number)) for number in group[:_GROUP])
        rest = f"<p>and {len(group) - _GROUP} more</p>" if len(group) > _GROUP else ""
        yield f'<div class="thumbs">{figures}{rest}</div>'


def _image(checkup: Checkup, place: int, index: int, *, caption: str = "") -> str:
    split = checkup.splits[place]
    data = _jpeg(checkup, place, index)
    shown = "<div>no image</div>" if data is None else f'<img alt="" src="data:image/jpeg;base64,{data}">'
    words = f"{split.name}: {printable(split.paths[index])}, label {split.label(index)}"
    return f"<figure>{shown}<figcaption>{escape(words)}<br>{escape(caption)}</figcaption></figure>"


def _jpeg(checkup: Checkup, place: int, index: int) -> Optional[str]:
    """Return a thumbnail as base64, or None if the image can't be decoded."""
    if not checkup.records_of(place)["width"][index]:
        return None
    (task,) = checkup.splits[place].tasks([index])
    image = look(task, 0)
    if image is None:
        return None  # it was changed meanwhile
    factor = _THUMB_PX / max(image.shape[:2])
    size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST)
    return base64.b64encode(cv2.imencode(".jpg", small)[1].tobytes()).decode()
