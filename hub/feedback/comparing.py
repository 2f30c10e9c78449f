"""A canary beside production: what the figures say now, and the guardrails.

Users are dealt to the arms by chance, so that each comparison is an e-process (`sequences.edge`), which holds however
often one looks. Of two equal versions ever being told apart the probability is at most 5 %: 2 % for the outcome, half
of it for either side, and 0.5 % for each guardrail:

    failed       requests that ended in an error
    disliked     users who disliked what they saw
    off          how far the predictions are from what happened: both confidence sequences, and more than 0.02
    slow         answers that took a quarter longer than nine of ten of production's before them
    refused      answers of which a text broke a rule
    groups       the outcome among the users of one value of a column

The k-th canary against one production has 1 / (k (k + 1)) of that, so that it holds for all of them together.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from hub.feedback.arms import CANARY, PRODUCTION, Canary, Users, users
from hub.feedback.live import WINDOWS, sample_ratio
from hub.feedback.observed import Floats, Observed, observed
from hub.feedback.sequences import Running, apart, edge, mean, rate
from hub.feedback.tables import impressions

if TYPE_CHECKING:
    from hub.feedback.log import Feedback

FAILED = "failed"
"""The chooser of an impression whose answer was an error."""
_OUTCOME, _GUARDRAIL = 0.02, 0.005
_OFF = 0.02  # further from calibrated than production by so much is broken
_SLOW, _QUANTILE, _FEWEST = (
    1.25,
    0.9,
    20,
)  # times that quantile of production's seconds, from so many answers on
_DAY = 86_400.0

Decision = Literal["promote", "roll back", "keep", "wait"]


@dataclass(frozen=True)
class Compared:
    """A canary beside production. why: the decision in a sentence, with its numbers; outcome: rates of both arms;
    better, worse: the evidence of either, an e-value; needed: that much of it decides."""

    canary: Canary
    decision: Decision
    why: str
    outcome: tuple[Running, Running]
    better: float = 1.0
    worse: float = 1.0
    needed: float = 2 / _OUTCOME


def compare(log: "Feedback", canary: Canary, production: int | None) -> Compared:
    """What the figures say of a canary now. production: the version that is in production. Raises FeedbackError."""
    rows, dislikes = (
        observed(log, canary.name, outcome, canary.started) for outcome in (canary.outcome, "dislike")
    )
    return judged(canary, production, rows, dislikes, _failed(log, canary), log.now())


def judged(
    canary: Canary,
    production: int | None,
    rows: Observed,
    dislikes: Observed,
    failed: Sequence[tuple[int, int]],
    now: float,
) -> Compared:
    """What figures say of a canary.

    Args:
        canary: that runs.
        production: the version that is in production.
        rows, dislikes: of the name since the canary began, with its outcome and with dislikes.
        failed: requests that ended in an error and all of them, of the canary and of production.
        now: seconds since 1970.
    """
    arms = users(rows, canary, now, WINDOWS[canary.outcome])
    alpha = _OUTCOME * canary.spent
    figures = rate(*arms.count(True), alpha / 2), rate(*arms.count(False), alpha / 2)
    better, worse = _edges(arms, canary.dealt)
    needed = 2 / alpha
    told = (
        f"{canary.outcome} rate {figures[0]} users against {figures[1]} of @{canary.against}; evidence {better:.3g} "
        f"for better and {worse:.3g} for worse, where {needed:,.0f} is needed"
    )

    def said(decision: Decision, why: str) -> Compared:
        return Compared(canary, decision, f"{why}: {told}", figures, better, worse, needed)

    if production == canary.version:
        return said("promote", f"@{canary.version} is in production")
    if production != canary.against:
        return said("keep", f"production moved to @{production} meanwhile, so that nothing can be compared")
    over = now > canary.started + canary.max_days * _DAY
    if apart(failed[0], failed[1], _GUARDRAIL * canary.spent) > 0:
        return said(
            "roll back", f"@{canary.version} fails more often ({failed[0][0]:,} of {failed[0][1]:,} requests)"
        )
    # Who lost an answer to an error is no user of the canary's; but for that, no other figure means anything then.
    if alarm := sample_ratio(rows, canary):
        return said("keep" if over else "wait", alarm)
    if broken := _broken(canary, rows, arms, users(dislikes, canary, now, WINDOWS["dislike"])):
        return said("roll back", broken)
    if worse >= needed:
        return said("roll back", f"@{canary.version} is worse beyond doubt")
    if better >= needed:
        return said("promote", f"@{canary.version} is better beyond doubt")
    if over:
        return said("keep", f"neither was better after {canary.max_days:g} days, so that production stays")
    return said("wait", "nothing can be said yet")


def _edges(arms: Users, share: float, of: "NDArray[np.bool_] | None" = None) -> tuple[float, float]:
    """The evidence that the canary's rate is the higher one, and the lower one, among all users or some."""
    own = np.ones(len(arms.first), dtype=bool) if of is None else of
    first, hits = arms.first[own], arms.hits[own]
    return edge(first, hits, share), edge(first, ~hits, share)


def _broken(canary: Canary, rows: Observed, arms: Users, disliked: Users) -> str:
    """Which guardrail of the answers is broken beyond doubt, in words; empty where none is."""
    alpha, this = _GUARDRAIL * canary.spent, f"@{canary.version}"
    if edge(disliked.first, disliked.hits, canary.dealt) >= 1 / alpha:
        hits, of = disliked.count(True)
        return f"{this} is disliked more ({hits:,} of {of:,} users)"
    predicted = rows.probability[arms.rows]
    if np.isfinite(predicted).all() and 0 < arms.first.sum() < len(arms.first):
        off = [
            mean((arms.hits[own] - predicted[own] + 1) / 2, alpha / 2) for own in (arms.first, ~arms.first)
        ]
        least = max(0.0, 2 * off[0].low - 1, 1 - 2 * off[0].high)
        most = max(abs(2 * off[1].low - 1), abs(2 * off[1].high - 1))
        if least > most + _OFF:
            return f"{this} is off by at least {least:.3f}, production by at most {most:.3f}"
    return (
        _slow(canary, rows, arms, alpha)
        or _refused(canary, rows, arms, alpha)
        or _group(canary, rows, arms, alpha)
    )


def _slow(canary: Canary, rows: Observed, arms: Users, alpha: float) -> str:
    seconds = rows.seconds[arms.rows]
    slow = slower(arms.first, seconds)
    known = ~np.isnan(slow)
    first, hits = arms.first[known], slow[known] > 0
    if edge(first, hits, canary.dealt) < 1 / alpha:
        return ""
    median = [float(np.nanmedian(seconds[own])) for own in (arms.first, ~arms.first)]
    return (
        f"@{canary.version} is slower: {hits[first].mean():.0%} of its answers took a quarter longer than nine of ten "
        f"of production's, medians {1000 * median[0]:.0f} and {1000 * median[1]:.0f} ms"
    )


def slower(first: "NDArray[np.bool_]", seconds: Floats) -> Floats:
    """Whether each answer took a quarter longer than nine of ten of production's before it: 1 or 0, `[users]`; NaN
    where nobody looked at the clock, and while production has fewer than 20.

    Args:
        first: whether a user is of the canary, `[users]`.
        seconds: that the answer took, `[users]`.
    """
    found, before = np.full(len(seconds), np.nan), list[float]()
    for at, (own, took) in enumerate(zip(first.tolist(), seconds.tolist(), strict=True)):
        if np.isnan(took):
            continue
        if len(before) >= _FEWEST:
            found[at] = took > _SLOW * before[int(_QUANTILE * len(before))]
        if not own:
            insort(before, took)
    return found


def _refused(canary: Canary, rows: Observed, arms: Users, alpha: float) -> str:
    refused = rows.refused[arms.rows]
    known = ~np.isnan(refused)
    first, hits = arms.first[known], refused[known] > 0
    if edge(first, hits, canary.dealt) < 1 / alpha:
        return ""
    return f"@{canary.version} writes what breaks a rule more often ({hits[first].mean():.0%} of its answers)"


def _group(canary: Canary, rows: Observed, arms: Users, alpha: float) -> str:
    """The k-th value that comes has 1 / (k (k + 1)) of the error, whichever column it is of: it keeps its k."""
    told = [[str(rows.columns[row].get(column, "")) for column in canary.grouped] for row in arms.rows]
    came = dict.fromkeys((at, value) for each in told for at, value in enumerate(each))
    values = np.array(told, dtype=object)
    for number, (at, value) in enumerate(came, 1):
        own = values[:, at] == value
        if _edges(arms, canary.dealt, own)[1] >= number * (number + 1) / alpha:
            found = [arms.hits[own & arm] for arm in (arms.first, ~arms.first)]
            rates = [f"{hits.mean():.4g}" if len(hits) else "unknown" for hits in found]
            return (
                f"@{canary.version} is worse for the users of {canary.grouped[at]} {value!r}: {canary.outcome} rate "
                f"{rates[0]} against {rates[1]}"
            )
    return ""


def _failed(log: "Feedback", canary: Canary) -> list[tuple[int, int]]:
    """Requests of the canary and of production that ended in an error, and all of them. A failed one has no version."""
    asked = (
        select(impressions.c.arm, impressions.c.chooser, func.count())
        .where(
            impressions.c.name == canary.name,
            impressions.c.at >= canary.started,
            (impressions.c.version.in_((canary.version, canary.against))) | (impressions.c.chooser == FAILED),
        )
        .group_by(impressions.c.arm, impressions.c.chooser)
    )
    with log.database.read() as connection:
        counts = {(arm, chooser): int(count) for arm, chooser, count in connection.execute(asked)}
    return [
        (counts.get((arm, FAILED), 0), sum(count for (of, _), count in counts.items() if of == arm))
        for arm in (CANARY, PRODUCTION)
    ]
