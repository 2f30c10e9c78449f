"""From the log to a time-split data set: the oldest of the new rows train, the newest test, some older ones come again.

    --- older: a random share is replayed ---|--- new: trains ---------------|--- newest: tests ---|--- too young ---
                                            since                                                until

A row is one place of an impression: the columns of the user and of the ad, and whether the outcome came in time. Rows
of users who do not consent are left out, and so is what was shown to nobody.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import or_

from hub.feedback.live import WINDOWS
from hub.feedback.observed import places
from hub.feedback.tables import impressions, shown

if TYPE_CHECKING:
    from hub.feedback.campaigns import Campaign
    from hub.feedback.log import Feedback

_HEAVIEST = 20.0  # weight of a row, where they are weighed by 1 / propensity


@dataclass(frozen=True)
class TrainingRows:
    """train: those of the files, replayed ones among them; test: the newest. new: rows since the last time. until: the
    time of the youngest."""

    train: Sequence[Mapping[str, Any]]
    test: Sequence[Mapping[str, Any]]
    new: int
    replayed: int
    until: float

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The files of both parts."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = folder / "train.jsonl", folder / "test.jsonl"
        for path, rows in zip(paths, (self.train, self.test), strict=True):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return paths


def training_rows(log: "Feedback", campaign: "Campaign", since: float, seed: int) -> TrainingRows:
    """What a campaign can learn from since a moment.

    Args:
        log: of the hub.
        campaign: whose.
        since: seconds since 1970, 0 for all.
        seed: of which older rows are replayed.

    Raises:
        FeedbackError: the log does not answer.
    """
    until = log.now() - WINDOWS[campaign.outcome]
    new = _rows(log, campaign, since, until)
    cut = len(new) - int(campaign.newest * len(new))
    older = _rows(log, campaign, 0.0, since) if since and campaign.replay else []
    wanted = min(len(older), round(campaign.replay * len(new)))
    drawn = np.random.default_rng(seed).permutation(len(older))[:wanted]
    replayed = [older[place] for place in sorted(drawn.tolist())]
    return TrainingRows([*replayed, *new[:cut]], new[cut:], len(new), len(replayed), until)


def _rows(log: "Feedback", campaign: "Campaign", since: float, until: float) -> list[dict[str, Any]]:
    """Rows in the order of their times, from `since` and before `until`."""
    asked = (
        places(
            campaign.name,
            campaign.outcome,
            since,
            impressions.c.columns,
            impressions.c.candidates,
            shown.c.ad,
            shown.c.propensity,
        )
        .where(
            impressions.c.at < until, or_(impressions.c.consent.is_(None), impressions.c.consent.is_(True))
        )
        .order_by(impressions.c.at, impressions.c.id, shown.c.position)
    )
    window, found = WINDOWS[campaign.outcome], []
    log.flush()
    with log.database.read() as connection:
        for row in connection.execute(asked):
            own = next(columns for ad, columns, _ in json.loads(row.candidates) if ad == row.ad)
            hit = row.came is not None and row.came - row.at <= window
            told = {**json.loads(row.columns), **own, "clicked": int(hit)}
            if campaign.weigh:
                told["weight"] = min(1 / (row.propensity or 1.0), _HEAVIEST)
            found.append(told)
    return found
