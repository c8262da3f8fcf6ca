"""The report as one page."""

from collections.abc import Iterator
from html import escape
from typing import Optional

import numpy as np

from ppcls.images.thumbnails import data_uri, shrunk
from ppcls.metrics.calibration import expected_error
from ppcls.pages import facts, page, section, table
from ppcls.report import charts, classes
from ppcls.report.classes import percent
from ppcls.report.content import Content, speed_of
from ppcls.report.evaluation import Answer
from ppcls.report.figures import THUMB_PX, Figures, name
from ppcls.report.heat import Heat, painted
from ppcls.report.suspects import SCRIPT, suspects

NUM_WORST, _HEATED, _NAMED = 24, 12, 10
# Of the lines of a training: what is no curve, or tells of the machine.
_NO_CURVE = ("phase", "step", "epoch", "batch", "ips", "ips_min", "ips_max", "batch_seconds", "data_wait", "memory_mib",
             "eta_seconds")  # fmt: skip


def as_page(content: Content) -> str:
    """Return the page."""
    sections = [
        ("training", "Training", _training(content)),
        ("classes", "Classes", _classes(content)),
        ("confusion", "Which class is taken for which", _confusion(content)),
        ("calibration", "Is it as often right as it says?", _calibration(content)),
        ("worst", "Worst errors", _worst(content)),
        ("suspects", "Labels that may be wrong", suspects(content)),
        ("copies", "Copies and leaks", _copies(content)),
        ("made", "How it was made", _made(content)),
    ]
    shown = [(key, title, list(body)) for key, title, body in sections]
    shown = [(key, title, body) for key, title, body in shown if body]
    title = f"{content.source.title}: report"
    links = "".join(f'<a href="#{key}">{escape(heading)}</a>' for key, heading, _ in shown)
    body = [f"<header><h1>{escape(title)}</h1><nav>{links}</nav></header>", *_head(content)]
    body += [section(heading, parts, key=key) for key, heading, parts in shown]
    return page(title, body, script=SCRIPT)


def _head(content: Content) -> Iterator[str]:
    measured = content.measured
    accuracy = measured.accuracy
    tiles = {
        "of the answers are right": percent(accuracy.value),
        "mean recall of the classes": percent(measured.metrics["recall"]),
        "images": f"{len(measured.labels):,}",
        "classes": f"{len(measured.class_names):,}",
    }
    shown = "".join(f"<div><b>{value}</b>{escape(what)}</div>" for what, value in tiles.items())
    yield f'<section class="card"><div class="tiles">{shown}</div>'
    bounds = f"{percent(accuracy.low)} to {percent(accuracy.high)}"
    yield f"<p><small>With 95 % confidence, {bounds} of such images. Intervals are Wilson's.</small></p>"
    without = [escape(row.name) for row in measured.per_class if not row.support]
    if without:
        more = ", ..." if len(without) > _NAMED else ""
        yield f"<p>Without images here, and so not measured: {', '.join(without[:_NAMED])}{more}</p>"
    yield "</section>"


def _training(content: Content) -> Iterator[str]:
    lines, drawn = content.history, []
    for kind in dict.fromkeys(kind for line in lines for kind in line if kind not in _NO_CURVE):
        curves = {
            phase: [
                (float(line["step"]), float(line[kind])) for line in lines if line["phase"] == phase and kind in line
            ]
            for phase in dict.fromkeys(line["phase"] for line in lines)
        }
        found = {phase: curve for phase, curve in curves.items() if curve}
        drawn.append(charts.curves(f"{kind} by step", found))
    if drawn:
        yield f'<div class="columns">{"".join(drawn)}</div>'


def _classes(content: Content) -> Iterator[str]:
    yield classes.table_of_classes(content.measured)
    if content.at_best_f1 is not None:
        yield "<h3>At the thresholds of the best F1</h3>"
        yield classes.table_of_classes(content.at_best_f1)
        yield "<p><small>Fitted to these same images; <code>ppcls export --calibrate</code> puts them into the model."
        yield "</small></p>"


def _confusion(content: Content) -> Iterator[str]:
    if not content.measured.several:
        yield from classes.matrix(content.measured)
        yield "<h3>Confused most often</h3>"
        yield classes.confused(content.measured)


def _calibration(content: Content) -> Iterator[str]:
    measured, honest = content.measured, content.honesty
    if not measured.has_shares:
        return
    before = measured.reliability(measured.scores)
    calibrated = None if honest is None else honest.calibrated(measured.scores)
    after = [] if calibrated is None else measured.reliability(calibrated)
    yield charts.diagram("share of right answers by their score", before, after)
    yield "<p><small>On the dotted line, answers are right as often as they say.</small></p>"
    rows = [("Expected calibration error", f"{expected_error(before):.4f}")]
    if honest is not None and calibrated is not None:
        best = calibrated.max(axis=1) >= honest.reject_below
        sets = honest.sets(calibrated)
        covered = sets[np.arange(len(sets)), measured.labels].mean()
        wrong = (~best & ~measured.right).sum() / max(int((~measured.right).sum()), 1)
        rows += [
            ("at the temperature", f"{expected_error(after):.4f} at {honest.temperature:.4f}"),
            ("None of these", f"below a score of {honest.reject_below:.4f}: {percent(float((~best).mean()))} of all "
             f"answers, and {percent(float(wrong))} of the wrong ones"),
            ("90 % sets", f"{sets.sum(axis=1).mean():.2f} classes on average, which have the true one in "
             f"{percent(float(covered))} of these images"),
        ]  # fmt: skip
        yield facts(rows)
        yield "<p><small>Fitted to these same images; <code>ppcls export --calibrate</code> puts it into the model."
        yield "</small></p>"
        return
    yield facts(rows)


def _worst(content: Content) -> Iterator[str]:
    worst = content.measured.worst(NUM_WORST)
    if not worst:
        yield '<p class="good">All answers are right.</p>'
        return
    figures, heat = Figures(content.data), None
    if content.source.run is not None:
        heat = Heat(content.source.model)
        yield "<p><small>Beside an image: where the model found what it says.</small></p>"
    shown = [_figure(content, figures, one, heat if place < _HEATED else None) for place, one in enumerate(worst)]
    yield f'<div class="thumbs">{"".join(shown)}</div>'


def _figure(content: Content, figures: Figures, one: Answer, heat: Optional[Heat]) -> str:
    words = f"<b>{escape(one.predicted or 'none')}</b> {percent(one.score)}<br>labelled {escape(one.label or 'none')} "
    caption = f"<figcaption>{words}{percent(one.label_score)}<br>{name(one.path)}</figcaption>"
    image = figures.thumbnail(one.path)
    if heat is None:
        return f"<figure>{image}{caption}</figure>"
    pipeline = content.source.pipeline
    seen = figures.sample(one.path, pipeline)
    found = heat(pipeline.finish(seen[None])[0], int(content.measured.scores[one.place].argmax()))
    if found is None:
        return f"<figure>{image}{caption}</figure>"
    address = data_uri(painted(shrunk(seen, THUMB_PX), found))
    return f'<figure class="pair"><span>{image}<img alt="where" src="{address}"></span>{caption}</figure>'


def _copies(content: Content) -> Iterator[str]:
    if content.trained is None:
        return
    if not content.copies:
        yield '<p class="good">No image of the run is, or looks like, another one.</p>'
        return
    rows = [(kind, count, meaning, first) for kind, meaning, count, first in content.copies]
    yield table(["found", "images", "what it is", "the first one"], rows)
    yield "<p><small><code>ppcls data check</code> shows them side by side.</small></p>"


def _made(content: Content) -> Iterator[str]:
    made, speed = content.made, speed_of(content.history)
    machine, packages = made.get("machine", {}), made.get("packages", {})
    rows = [("Command", str(made.get("command", "unknown")))]
    if content.source.run is not None:
        rows.append(("Seed", str(content.source.run.Global.seed)))
    for where, data in made.get("data", {}).items():
        rows.append((where, f"{data['num_images']:,} images, sha256 {data['sha256']}"))
    rows.append(("Machine", ", ".join(f"{fact}: {value}" for fact, value in machine.items())))
    rows.append(("Versions", ", ".join(f"{package} {version}" for package, version in packages.items())))
    if speed is not None:
        rows.append(("Speed", f"{speed:.1f} images a second in training"))
    yield facts(rows)
