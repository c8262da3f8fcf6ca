"""Charts as inline SVG; two lines of one chart differ by colour and by dashes."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from ppcls.metrics.calibration import Bin

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 220, 58, 26, 20
_STYLES = ("one", "two")


def curves(title: str, lines: Mapping[str, Points]) -> str:
    """Return a chart of up to two lines of points (x, y), in the order of x."""
    points = [point for line in lines.values() for point in line]
    xs, ys = _range([x for x, _ in points]), _range([y for _, y in points])
    parts = [_frame(xs, ys)]
    for style, line in zip(_STYLES, lines.values()):
        drawn = " ".join(f"{_x(x, xs):.1f},{_y(y, ys):.1f}" for x, y in line)
        parts.append(f'<polyline class="line {style}" points="{drawn}"/>')
        if len(line) == 1:
            ((x, y),) = line
            parts.append(f'<circle class="fill {style}" cx="{_x(x, xs):.1f}" cy="{_y(y, ys):.1f}" r="3"/>')
    return _chart(title, parts, list(lines))


def diagram(title: str, before: Sequence[Bin], after: Sequence[Bin]) -> str:
    """Return the reliability diagram: the share of right answers by their scores; circles as large as their bins."""
    square = (0.0, 1.0)
    parts = [_frame(square, square)]
    corners = f'x1="{_x(0, square)}" y1="{_y(0, square)}" x2="{_x(1, square)}" y2="{_y(1, square)}"'
    parts.append(f'<line class="ideal" {corners}/>')
    for style, bins in zip(_STYLES, (before, after)):
        drawn = " ".join(f"{_x(one.score, square):.1f},{_y(one.right, square):.1f}" for one in bins)
        parts.append(f'<polyline class="line {style}" points="{drawn}"/>')
        total = max(sum(one.num_images for one in bins), 1)
        for one in bins:
            place = f'cx="{_x(one.score, square):.1f}" cy="{_y(one.right, square):.1f}"'
            parts.append(f'<circle class="fill {style}" {place} r="{1.5 + 7 * (one.num_images / total) ** 0.5:.1f}"/>')
    return _chart(title, parts, ["as the model says", "at the temperature"] if after else ["as the model says"])


def _chart(title: str, parts: Sequence[str], names: Sequence[str]) -> str:
    legend, place = [], _LEFT
    for style, name in zip(_STYLES, names):
        dashes = ' stroke-dasharray="5 3"' if style == "two" else ""
        legend.append(f'<line class="{style}" x1="{place}" x2="{place + 18}" y1="9" y2="9" stroke-width="2"{dashes}/>')
        legend.append(f'<text x="{place + 23}" y="13">{escape(name)}</text>')
        place += 48 + 7 * len(name)
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{escape(title)}">'
    return f"<div><h3>{escape(title)}</h3>{head}{''.join([*legend, *parts])}</svg></div>"


def _frame(xs: tuple[float, float], ys: tuple[float, float]) -> str:
    parts = []
    for y in _ticks(ys):
        height = _y(y, ys)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{y:.6g}</text>')
    for x in _ticks(xs):
        parts.append(f'<text x="{_x(x, xs):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{x:.6g}</text>')
    return "".join(parts)


def _ticks(limits: tuple[float, float]) -> list[float]:
    """Return up to five round numbers within the limits."""
    low, high = limits
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= (high - low) / 4)
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _x(x: float, xs: tuple[float, float]) -> float:
    return _LEFT + (x - xs[0]) / (xs[1] - xs[0]) * (_WIDTH - _LEFT - 16)


def _y(y: float, ys: tuple[float, float]) -> float:
    return _HEIGHT - _BOTTOM - (y - ys[0]) / (ys[1] - ys[0]) * (_HEIGHT - _BOTTOM - _TOP)
