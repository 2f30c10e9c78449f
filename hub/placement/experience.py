"""What the log taught of a name so far: each row once, when it is old enough for its outcome.

    the log  --rows that had their time, in order-->  residual (words)  and  counts (ads)
             --younger ones, each time anew------->  counts

Outcomes that are told after that begin it anew, at most every ten minutes: what comes in one file at night counts too.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sqlalchemy import and_, select

from hub.feedback.live import WINDOWS
from hub.feedback.observed import places
from hub.feedback.tables import impressions, outcomes, shown
from hub.placement.evidence import Evidence, counted, of_others, strength_of
from hub.placement.posterior import Floats
from hub.placement.residual import Residual, log_odds_of, row_of

if TYPE_CHECKING:
    from hub.feedback.log import Feedback

_MOST = 10_000  # rows that it begins with, the newest
_AGAIN = 600.0  # seconds


class Experience:
    """Of one name. One thread reads while others ask.

    Args:
        log: of the hub.
        name: `client/campaign/task`.
        outcome: that counts, such as click.
        learns: whether words are learned from; else the adapter's probabilities stay as they are.
    """

    def __init__(self, log: "Feedback", name: str, outcome: str, learns: bool = True) -> None:
        self._log, self._name, self._outcome = log, name, outcome
        self._residual = Residual() if learns else None
        self._window = WINDOWS.get(outcome, 3600.0)
        self._sums: dict[str, list[float]] = {}  # impressions, hits, predictions, and of how many those are
        self._first, self._until, self._begun = 0.0, 0.0, log.now()
        self.evidence = Evidence({}, {}, strength_of([]))

    def probabilities(
        self, user: Mapping[str, Any], ads: Sequence[Mapping[str, Any]], log_odds: Floats
    ) -> Floats:
        """Of the outcome, `[ads]`, with what users taught.

        Args:
            user: columns of the user and the request, as they may be stored.
            ads: the columns of each, the same.
            log_odds: the adapter's, `[ads]`.
        """
        if self._residual is None:
            return np.asarray(expit(log_odds))
        each = zip(ads, log_odds.tolist(), strict=True)
        return np.array([self._residual.probability(row_of(user, ad, odds), odds) for ad, odds in each])

    def read(self) -> None:
        """Take in what came since the last time. Raises FeedbackError."""
        until = max(self._until, self._log.now() - self._window)
        self._take(until)
        self._until = until
        since = impressions.c.name == self._name, impressions.c.at >= until
        young = {ad: each for (_, ad), each in counted(self._log, self._outcome, *since).items()}
        counts = {
            ad: (seen, hits, total / told if told else float("nan"))
            for ad, (seen, hits, total, told) in self._sums.items()
        }
        others = of_others(self._log, self._name, self._outcome)
        self.evidence = Evidence(counts, young, strength_of([*counts.values(), *young.values(), *others]))

    def _take(self, until: float) -> None:
        """Rows from where it stands, in the order of their times."""
        asked = (
            places(
                self._name,
                (self._outcome,),
                self._until,
                impressions.c.columns,
                impressions.c.candidates,
                impressions.c.consent,
                shown.c.ad,
                shown.c.probability,
            )
            .where(impressions.c.at < until)
            .order_by(impressions.c.at.desc(), impressions.c.id, shown.c.position)
            .limit(_MOST)
        )
        with self._log.database.read() as connection:
            rows = connection.execute(asked).all()[::-1]
        if rows and not self._sums:
            self._first = rows[0].at
        for row in rows:
            hit = row.came is not None and row.came - row.at <= self._window
            sums = self._sums.setdefault(row.ad, [0.0] * 4)
            said = None if row.probability is None else self._said(row, hit)
            for at, more in enumerate((1.0, float(hit), said or 0.0, float(said is not None))):
                sums[at] += more

    def _said(self, row: Any, hit: bool) -> float:
        """What was predicted of a row, with what was learned by then; it is learned from where the user let it."""
        if self._residual is None:
            return float(row.probability)
        own = next(columns for ad, columns, _ in json.loads(row.candidates) if ad == row.ad)
        (log_odds,) = log_odds_of([row.probability])
        read = row_of(json.loads(row.columns), own, log_odds)
        if row.consent is False:
            return self._residual.probability(read, log_odds)
        return self._residual.learn(read, log_odds, hit)

    def is_late(self) -> bool:
        """Whether it is to be begun anew: outcomes of rows that had been taken in were told since. Raises
        FeedbackError."""
        if self._log.now() < self._begun + _AGAIN:
            return False
        asked = (
            select(impressions.c.id)
            .join(
                outcomes,
                and_(
                    outcomes.c.impression == impressions.c.id,
                    outcomes.c.kind == self._outcome,
                    outcomes.c.received >= self._begun,
                    outcomes.c.at - impressions.c.at <= self._window,
                ),
            )
            .where(
                impressions.c.name == self._name,
                impressions.c.at >= self._first,
                impressions.c.at < self._until,
                outcomes.c.received - impressions.c.at > self._window,
            )
            .limit(1)
        )
        with self._log.database.read() as connection:
            return connection.execute(asked).first() is not None
