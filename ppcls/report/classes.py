"""Tables of classes in a page: how well each is found, and which are taken for which."""

from collections.abc import Iterator
from html import escape

from ppcls.pages import table
from ppcls.report.evaluation import Evaluation
from ppcls.report.intervals import Share

# A matrix of more classes can't be read; the pairs below it can.
MOST_IN_MATRIX = 40


def percent(value: float) -> str:
    """Return a share as a page shows it, whose sign stays on the line of its number."""
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def with_interval(found: Share) -> str:
    """Return a share with its interval of 95 % confidence; a dash for one of nothing, which may be anything."""
    if (found.low, found.high) == (0, 1):
        return "-"
    text = f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"
    return text.replace(" ", "\u00a0")  # on one line


def table_of_classes(evaluation: Evaluation) -> str:
    """Return a table of all classes, in percent; for several classes an image with their thresholds."""
    thresholds = [[] if row.threshold is None else [f"{row.threshold:.4f}"] for row in evaluation.per_class]
    return table(
        ["class", "images", "answers", "precision, %", "recall, %", "F1, %", *["threshold"] * evaluation.several],
        [
            [row.name, row.support, row.answers, *map(with_interval, (row.precision, row.recall, row.f1)), *threshold]
            for row, threshold in zip(evaluation.per_class, thresholds)
        ],
    )


def matrix(evaluation: Evaluation) -> Iterator[str]:
    """Yield the confusion matrix: a row for each class of the images, a column for each answer."""
    names = evaluation.class_names
    if len(names) > MOST_IN_MATRIX:
        yield f"<p>{len(names)} classes are too many to draw; all answers are in <code>predictions.csv</code>.</p>"
        return
    yield '<div class="wide"><table class="matrix"><tr><th>image \\ answer</th>'
    yield "".join(f"<th><span>{escape(name)}</span></th>" for name in names) + "</tr>"
    for place, (name, row) in enumerate(zip(names, evaluation.confusion.tolist())):
        most = max(sum(row), 1)
        cells = [_cell(count, count / most, right=place == other) for other, count in enumerate(row)]
        yield f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>"
    yield "</table></div>"


def _cell(count: int, part: float, *, right: bool) -> str:
    if not count:
        return '<td class="n note">&middot;</td>'
    colour = "accent" if right else "second"
    shade = f"background: color-mix(in srgb, var(--{colour}) {round(10 + 50 * part)}%, transparent)"
    return f'<td class="n" style="{shade}">{count}</td>'


def confused(evaluation: Evaluation) -> str:
    """Return a table of the pairs that are confused most, or a word that there are none."""
    pairs = evaluation.confused(12)
    if not pairs:
        return '<p class="good">No class is taken for another one.</p>'
    rows = [(pair.label, pair.answer, pair.num_images, percent(pair.num_images / pair.of)) for pair in pairs]
    return table(["images of", "taken for", "images", "of the class"], rows)
