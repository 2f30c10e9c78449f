"""What is true now of a name: rates, calibration, entropy and AUC by version and day, from its log.

Rates and calibration come with confidence sequences, which hold however often one looks (`sequences.py`). Impressions
younger than the window of their outcome are not counted: they have had no time for it. Normalized entropy is the log
loss beside that of always saying the mean rate (He et al. 2014, "Practical Lessons from Predicting Clicks on Ads at
Facebook"): below 1 is better than that.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hub.feedback.delays import Delay, fit_delay
from hub.feedback.drift import drift
from hub.feedback.observed import Observed, observed
from hub.feedback.sequences import Running, mean, rate
from recipes.measure import auc, multilabel_losses

if TYPE_CHECKING:
    from hub.feedback.arms import Canary
    from hub.feedback.log import Feedback

WINDOWS: Mapping[str, float] = {
    "click": 3600.0,
    "dislike": 3600.0,
    "conversion": 7 * 86_400.0,
    "accepted": 86_400.0,
    "label": 86_400.0,
}
"""Outcome -> seconds within which it must come to count."""
_MISMATCH = 0.001  # probability of ever calling an honest split a mismatch


@dataclass(frozen=True)
class LiveFigures:
    """Of some mature impressions.

    Attributes:
        of: what they have in common: a version such as `@3`, or a day.
        impressions, hits: how many, and with the outcome.
        rate: of the outcome.
        off: mean of what happened minus what was predicted; 0 is calibrated. None without predictions.
        entropy: normalized; None where it says nothing.
        auc: of the predictions; None where it says nothing.
    """

    of: str
    impressions: int
    hits: int
    rate: Running
    off: Running | None
    entropy: float | None
    auc: float | None


@dataclass(frozen=True)
class Live:
    """What is true now. immature: impressions that had no time for their outcome. sample_ratio, drift: alarms, as
    sentences."""

    name: str
    outcome: str
    window: float
    impressions: int
    immature: int
    versions: list[LiveFigures] = field(default_factory=list)
    days: list[LiveFigures] = field(default_factory=list)
    delay: Delay | None = None
    sample_ratio: str | None = None
    drift: list[str] = field(default_factory=list)


def live(
    log: "Feedback",
    name: str,
    outcome: str = "click",
    since: float = 0.0,
    window: float | None = None,
    canary: "Canary | None" = None,
) -> Live:
    """What is true now of a name.

    Args:
        log: of the hub.
        name: `client/campaign/task`.
        outcome: that counts.
        since: seconds since 1970.
        window: seconds within which an outcome must come; None is that of WINDOWS.
        canary: of the name, where one runs; whether it has the users that it should is looked at.

    Raises:
        FeedbackError: the log does not answer.
    """
    rows, now = observed(log, name, outcome, since), log.now()
    within = WINDOWS.get(outcome, 3600.0) if window is None else window
    mature = rows.at <= now - within
    hits = rows.delay <= within
    versions = sorted(set(rows.version[mature].tolist()))
    days = (rows.at // 86_400).astype(int)
    return Live(
        name,
        outcome,
        within,
        len(rows),
        int((~mature).sum()),
        [
            _figures(f"@{number}" if number else "other", rows, mature & (rows.version == number), hits)
            for number in versions
        ],
        [
            _figures(_date(day), rows, mature & (days == day), hits)
            for day in sorted(set(days[mature].tolist()))
        ],
        fit_delay(rows.delay, now - rows.at),
        sample_ratio(rows, canary),
        drift(rows, mature, hits),
    )


def _figures(of: str, rows: Observed, some: "NDArray[np.bool_]", hits: "NDArray[np.bool_]") -> LiveFigures:
    truth, predicted = hits[some].astype(float), rows.probability[some]
    count, found = len(truth), int(truth.sum())
    if not np.isfinite(predicted).all():
        return LiveFigures(of, count, found, rate(found, count), None, None, None)
    moved = mean((truth - predicted + 1) / 2)
    off = Running(2 * moved.value - 1, 2 * moved.low - 1, 2 * moved.high - 1, count)
    if found in (0, count):
        return LiveFigures(of, count, found, rate(found, count), off, None, None)
    loss = multilabel_losses(truth[:, None], predicted[:, None]).mean()
    share = found / count
    entropy = -(share * math.log(share) + (1 - share) * math.log1p(-share))
    return LiveFigures(
        of, count, found, rate(found, count), off, float(loss / entropy), auc(truth, predicted)
    )


def sample_ratio(rows: Observed, canary: "Canary | None") -> str | None:
    """Whether a canary's arms have the users that they should since it began (Fabijan et al. 2019, "Diagnosing Sample
    Ratio Mismatch in Online Controlled Experiments"), by a confidence sequence, so that it may be asked every day."""
    if canary is None or canary.shadow:
        return None
    arms = {
        user: arm
        for at, user, arm in zip(rows.at, rows.user, rows.arm, strict=True)
        if user and arm and at >= canary.started
    }
    found = rate(sum(arm == "canary" for arm in arms.values()), len(arms), _MISMATCH)
    if found.low <= canary.share <= found.high:
        return None
    return (
        f"the canary has {found.value:.2%} of {found.of:,} users and should have {canary.share:.2%}: something loses "
        "or adds users of one arm, and no comparison of the arms means anything until that is found"
    )


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")
