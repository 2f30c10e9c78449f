"""From the log to a time-split data set: what production has not learned trains, the newest rows test, some older ones
come again.

    -- learned: some are replayed --|-- tried before: trains --|-- new: trains --|-- newest: tests --|-- too young
                                  since                      last                                  until

A row is one place of an impression, and what it says depends on the task:

    recommendation   the columns of the user and of the ad, and whether the outcome came in time
    behavior         the columns of the text, and the label that somebody told: what nobody told anything of is no row
    ad-copy          the columns of the product, and the text that was accepted, or the final one where it was edited

Rows of users who do not consent are left out, and so is what was shown to nobody.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import or_

from hub.feedback.drift import change
from hub.feedback.live import WINDOWS
from hub.feedback.observed import last_text, observed, places
from hub.feedback.tables import impressions, shown

if TYPE_CHECKING:
    from hub.feedback.campaigns import Campaign
    from hub.feedback.log import Feedback

_HEAVIEST = 20.0  # weight of a row, where they are weighed by 1 / propensity


@dataclass(frozen=True)
class TrainingRows:
    """train: those of the files, replayed ones among them; test: the newest. new: rows since the last time; again: of
    earlier times, which production has not learned. until: the time of the youngest."""

    train: Sequence[Mapping[str, Any]]
    test: Sequence[Mapping[str, Any]]
    new: int
    again: int
    replayed: int
    until: float

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The files of both parts."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = folder / "train.jsonl", folder / "test.jsonl"
        for path, rows in zip(paths, (self.train, self.test), strict=True):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return paths


def training_rows(
    log: "Feedback",
    campaign: "Campaign",
    since: float,
    last: float,
    replay: bool,
    seed: int,
    labels: Collection[str] | None = None,
) -> TrainingRows:
    """What a campaign can learn.

    Args:
        log: of the hub.
        campaign: whose.
        since: seconds since 1970 until when production has learned, 0 for nothing.
        last: until when rows were tried the last time.
        replay: whether older rows come again.
        seed: of which.
        labels: that the adapter knows, where it gives labels: rows of others are left out.

    Raises:
        FeedbackError: the log does not answer.
    """
    until = log.now() - WINDOWS[campaign.outcome]
    begin = max(since, last)
    new, tried, older = (
        [row for row in _rows(log, campaign, *span) if labels is None or row["label"] in labels]
        for span in ((begin, until), (since, begin), (0.0, since if replay and campaign.replay else 0.0))
    )
    cut = len(new) - int(campaign.newest * len(new))
    again = tried[max(0, len(tried) + cut - campaign.most_rows) :]
    wanted = min(len(older), round(campaign.replay * len(new)))
    drawn = np.random.default_rng(seed).permutation(len(older))[:wanted]
    replayed = [older[place] for place in sorted(drawn.tolist())]
    train = [*replayed, *again, *new[max(0, cut - campaign.most_rows) : cut]]
    return TrainingRows(train, new[cut:], len(new), len(again), len(replayed), until)


def one_sided(campaign: "Campaign", rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether rows say nothing that could be learned: all clicked or none, or one label alone."""
    column = {"recommendation": "clicked", "behavior": "label"}.get(campaign.task)
    return len({row[column] for row in rows}) < 2 if column else not rows


def moved_at(log: "Feedback", campaign: "Campaign", version: int, since: float) -> float | None:
    """When what happens moved against what a version predicts, the last time since a moment; None where it did not.
    Raises FeedbackError."""
    rows, window = observed(log, campaign.name, campaign.outcome, since), WINDOWS[campaign.outcome]
    own = (rows.version == version) & (rows.at < log.now() - window) & np.isfinite(rows.probability)
    first = change((rows.delay[own] <= window) - rows.probability[own])
    return None if first is None else float(rows.at[own][first])


def _rows(log: "Feedback", campaign: "Campaign", since: float, until: float) -> list[dict[str, Any]]:
    """Rows in the order of their times, from `since` and before `until`."""
    told, kinds = _TOLD[campaign.task]
    asked = (
        places(
            campaign.name,
            kinds or (campaign.outcome,),
            since,
            impressions.c.columns,
            impressions.c.candidates,
            shown.c.ad,
            shown.c.propensity,
            *((last_text(kinds),) if kinds else ()),
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
            made = told(row, own, window)
            if made is None:
                continue
            if campaign.weigh:
                made["weight"] = min(1 / (row.propensity or 1.0), _HEAVIEST)
            found.append(made)
    return found


def _clicked(row: Any, own: Mapping[str, Any], window: float) -> dict[str, Any]:
    hit = row.came is not None and row.came - row.at <= window
    return {**json.loads(row.columns), **own, "clicked": int(hit)}


def _labelled(row: Any, own: Mapping[str, Any], window: float) -> dict[str, Any] | None:
    if row.text is None:
        return None
    return {**{name: cell for name, cell in own.items() if name != "answered"}, "label": json.loads(row.text)}


def _written(row: Any, own: Mapping[str, Any], window: float) -> dict[str, Any] | None:
    if row.came is None:
        return None
    return {**json.loads(row.columns), "copy": own["ad"] if row.text is None else json.loads(row.text)}


_TOLD: Mapping[
    str, tuple[Callable[[Any, Mapping[str, Any], float], dict[str, Any] | None], Sequence[str]]
] = {
    "recommendation": (_clicked, ()),
    "behavior": (_labelled, ("label",)),
    "ad-copy": (_written, ("accepted", "edited")),
}
"""Task -> the row of a place, and the outcomes that it needs; none: the campaign's."""
