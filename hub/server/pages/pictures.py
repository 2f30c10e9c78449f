"""Pictures of numbers, as what `templates/pictures.html` draws: each in a box of its own units, y counted downwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from recipes.judge import Report, beside

_WIDE, _HIGH = 300.0, 110.0
_SPARK = (96.0, 24.0)
_EDGE = 3.0  # of a sparkline, so that its dot is whole


@dataclass(frozen=True)
class Line:
    """A line through points, `x,y x,y ...`. last: its end; low, high: the values at the bottom and the top."""

    points: str
    last: tuple[float, float]
    low: float
    high: float


@dataclass(frozen=True)
class Track:
    """One value on a scale of 0 to 100. at: where it lies; span: where its interval begins and how long it is."""

    name: str
    value: float
    at: float | None
    span: tuple[float, float] | None
    interval: tuple[float, float] | None
    is_own: bool


def sparkline(values: Sequence[float]) -> Line | None:
    """Values in their order; None where fewer than two can be drawn."""
    return _line(list(enumerate(values)), *_SPARK, edge=_EDGE)


def course(points: Sequence[tuple[float, float]]) -> Line | None:
    """Values by step."""
    return _line(points, _WIDE, _HIGH, edge=_EDGE)


def at_step(points: Sequence[tuple[float, float]], step: float | None) -> float | None:
    """Where a step lies in `course`."""
    steps = [x for x, y in points if isfinite(y)]
    if step is None or len(steps) < 2 or not steps[0] <= step <= steps[-1]:
        return None
    return round(_EDGE + (step - steps[0]) / (steps[-1] - steps[0]) * (_WIDE - 2 * _EDGE), 1)


def tracks(report: Report, metric: str) -> list[Track]:
    """A metric of everything that was measured, each on the same scale."""
    return on_one_scale(beside(report, metric))


def on_one_scale(rows: Sequence[tuple[str, float, tuple[float, float] | None, bool]]) -> list[Track]:
    """Values on one scale. rows: name, value, interval, and whether it is the adapter's own."""
    ends = [end for _, value, interval, _ in rows for end in (value, *(interval or ())) if isfinite(end)]
    if not ends:
        return []
    low, high = min(ends), max(ends)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room

    def place(value: float) -> float | None:
        return round(100 * (value - low) / (high - low), 2) if isfinite(value) else None

    found = []
    for name, value, interval, is_own in rows:
        span = None
        if interval is not None:
            begin, end = map(place, interval)
            span = None if begin is None or end is None else (begin, round(end - begin, 2))
        found.append(Track(name, value, place(value), span, interval, is_own))
    return found


def calibration_line(curve: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Given and observed probabilities as places in a square of 100."""
    return [
        (round(100 * given, 1), round(100 - 100 * seen, 1)) for given, seen in curve if isfinite(given + seen)
    ]


def _line(points: Sequence[tuple[float, float]], wide: float, high: float, edge: float) -> Line | None:
    points = [(float(x), float(y)) for x, y in points if isfinite(x) and isfinite(y)]
    if len(points) < 2 or points[0][0] == points[-1][0]:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    least, most = min(ys), max(ys)
    tall = (most - least) or 1.0
    placed = [
        (
            round(edge + (x - xs[0]) / (xs[-1] - xs[0]) * (wide - 2 * edge), 1),
            round(high - edge - ((y - least) / tall if most > least else 0.5) * (high - 2 * edge), 1),
        )
        for x, y in points
    ]
    return Line(" ".join(f"{x},{y}" for x, y in placed), placed[-1], least, most)
