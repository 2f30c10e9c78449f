"""What moved: of the inputs, of the scores, and of how far the scores are off. Each alarm is a sentence.

    scores, lengths   population stability index over ten bins of the reference: sum of (a - b) log(a / b); an alarm
                      above 0.25 (Siddiqi 2006, "Credit Risk Scorecards") and above twice the most by which as many days
                      in a row of the reference ever differ from its others; both and what chance adds, (bins - 1)
                      (1/n + 1/m) (Yurdakul 2018, "Statistical Properties of Population Stability Index")
    languages         above 0.25 and what chance adds, over the languages of some rows
    categories        share of values that the reference never had
    residuals         ADWIN over what happened minus what was predicted (Bifet and Gavaldà 2007; river's), from the
                      first rows on; the others wait for enough rows to compare

The reference is the first half, and what is looked at is the last quarter; of scores and lengths in whole days, three
at the least: a weekend, and ads that change every week, are no news, and rows of one day are no sample of all days.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.feedback.observed import Floats, Observed
from recipes.data import language_shares

_FEWEST = 400  # rows of either part
_ALARM = 0.25
_TIMES = 2.0  # what it moved by itself
_DAYS = 3  # that are looked at, and twice as many before them
_DAY = 86_400.0
_NEW = 0.1  # share of values that the reference does not have
_SAMPLED = 300  # texts whose language is looked at
_CATEGORY = 32  # characters; longer values are texts
_DELTA = 0.0005  # of ADWIN: about one false alarm in 2,000 looks


def psi(reference: Floats, now: Floats) -> float:
    """Population stability index of shares, `[bins]` each, that sum to 1."""
    a, b = np.clip(reference, 1e-4, None), np.clip(now, 1e-4, None)
    return float(((b - a) * np.log(b / a)).sum())


def drift(rows: Observed, mature: "NDArray[np.bool_]", hits: "NDArray[np.bool_]") -> list[str]:
    """What moved in the rows of a name, a sentence each; nothing where there are too few.

    Args:
        rows: in the order of their times.
        mature: whether a row is old enough for its outcome to have come, `[rows]`.
        hits: whether it came, `[rows]`.
    """
    known = np.isfinite(rows.probability)
    settled = mature & known
    return [
        *_inputs(rows, bool(known.all())),
        *_residuals(rows.at[settled], hits[settled] - rows.probability[settled]),
    ]


def _inputs(rows: Observed, scored: bool) -> Iterator[str]:
    """Of what comes in, and of the scores, where every row has one."""
    half, last = len(rows) // 2, len(rows) - len(rows) // 4
    if len(rows) - last < _FEWEST:
        return
    since = _day(rows.at[last])
    if scored:
        yield from _numbers("the adapter's probabilities", rows.at, rows.probability)
    texts = [" ".join(str(value) for value in columns.values()) for columns in rows.columns]
    lengths = np.array([len(text) for text in texts], dtype=float)
    yield from _numbers("the lengths of the texts", rows.at, lengths)
    yield from _languages(texts[:half], texts[last:], since)
    yield from _categories(rows.columns[:half], rows.columns[last:], since)


def _numbers(what: str, at: Floats, values: Floats) -> Iterator[str]:
    """at: seconds since 1970, in order; values: `[rows]` each."""
    day = (at // _DAY).astype(int)
    days = np.unique(day)
    first, last = len(days) // 2, max(_DAYS, len(days) // 4)
    if first < 2 * last or len(days) < first + last:
        return
    cut, begin = np.searchsorted(day, (days[first], days[-last]))
    reference, now = values[:cut], values[begin:]
    if min(len(reference), len(now)) < _FEWEST:
        return
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 11)[1:-1]))
    each = np.stack([_counts(values[day == one], edges) for one in days[:first]])
    before, after = each.sum(axis=0), _counts(now, edges)
    runs = np.stack([each[start : start + last].sum(axis=0) for start in range(first - last + 1)])
    own = max(psi((before - run) / (before - run).sum(), run / run.sum()) for run in runs)
    found = psi(before / before.sum(), after / after.sum())
    if found > max(_ALARM, _TIMES * own) + len(edges) * (1 / len(reference) + 1 / len(now)):
        yield (
            f"{what} moved since {_day(at[begin])}: PSI {found:.2f}, {own:.2f} at the most before; the median was "
            f"{np.median(reference):.4g} and is {np.median(now):.4g}"
        )


def _counts(values: Floats, edges: Floats) -> Floats:
    """How many lie in each bin, `[bins]`."""
    return np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1).astype(float)


def _languages(reference: Sequence[str], now: Sequence[str], since: str) -> Iterator[str]:
    before, after = (language_shares(_some(part)) for part in (reference, now))
    names = sorted({*before, *after})
    a, b = (np.array([part.get(name, 0.0) for name in names]) for part in (before, after))
    if psi(a, b) > _ALARM + len(names) * 2 / _SAMPLED:
        name = names[int(np.abs(b - a).argmax())]
        yield (
            f"the languages moved since {since}: {name} was {before.get(name, 0.0):.0%} and is "
            f"{after.get(name, 0.0):.0%} of the texts"
        )


def _categories(
    reference: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]], since: str
) -> Iterator[str]:
    """Of columns with few short values, how many rows have one that is new."""
    for name in sorted({name for columns in reference for name in columns}):
        values = [str(columns[name]) for columns in reference if name in columns]
        seen = set(values)
        if len(seen) > len(values) ** 0.5 or max(map(len, seen)) > _CATEGORY:
            continue
        fresh = [str(columns[name]) for columns in now if name in columns and str(columns[name]) not in seen]
        if len(fresh) > _NEW * len(now):
            ((most, _),) = Counter(sorted(fresh)).most_common(1)
            yield (
                f"`{name}` has new values since {since}: {len(fresh) / len(now):.0%} of the rows, the commonest is "
                f"{most!r}"
            )


def change(residuals: Floats) -> int | None:
    """The first row after what happens moved against what is predicted, the last time that it did; None where it never
    did. residuals: what happened minus what was predicted, `[rows]` in the order of their times."""
    from river import drift as rivers

    watch: Any = rivers.ADWIN(delta=_DELTA)  # type: ignore[no-untyped-call]
    found = None
    for index, value in enumerate(residuals.tolist()):
        watch.update(value)
        if watch.drift_detected:
            found = max(0, index + 1 - int(watch.width))
    return found


def _residuals(at: Floats, residuals: Floats) -> Iterator[str]:
    since = change(residuals)
    if since is not None:
        before, after = float(residuals[:since].mean()), float(residuals[since:].mean())
        yield (
            f"what happens moved against what is predicted since {_day(at[since])}: the mean difference was "
            f"{before:+.4f} and is {after:+.4f}"
        )


def _some(texts: Sequence[str]) -> list[str]:
    step = max(1, len(texts) // _SAMPLED)
    return list(texts[::step][:_SAMPLED])


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
