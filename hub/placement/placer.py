"""Which ads to show now: the adapter's probabilities, the evidence of the log, and the rules of the campaign.

placer.place("acme/spring/recommendation", user=..., ads=[Offer("Trail shoes for mud", bid=0.40), ...], k=1)

eligible?  cap?  budget?  -->  probabilities  -->  what users taught since (`residual.py`)  -->  beliefs of the ads
    -->  choice with its propensity  -->  impression
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.errors import RequestError
from adapters.fields import shown
from hub.feedback.events import is_number
from hub.feedback.recording import Logged, Seen, asked_columns, candidates_of
from hub.placement.choosing import Choosing, choose
from hub.placement.evidence import clicked_since, seen_by
from hub.placement.experience import Experience
from hub.placement.posterior import posterior
from hub.placement.residual import log_odds_of
from hub.registry.requests import Ranked, Recommend, Result
from hub.storage.names import parse

if TYPE_CHECKING:
    from hub.feedback.loop import Loop
    from hub.registry.pending import Pending

_DAY = 86_400.0
_FRESH = 10.0  # seconds for which evidence is believed
_MOST_ADS = 1000
_MOST_NAMES = 256  # whose experience is kept, about 1 MB each


@dataclass(frozen=True)
class Offer:
    """An ad that may be shown.

    Attributes:
        ad: its text, or its columns.
        bid: what an outcome is worth, in the client's money; what is shown goes by bid x probability.
        eligible: False keeps it out.
        cap: how often one user may see it in 24 hours; None is as often as it comes.
        budget: what its outcomes may cost in a day (UTC), at `bid` each, spread evenly over the day; None is no end.
        group: whose exposure is shared, where `shares` asks for it.
    """

    ad: str | Mapping[str, Any]
    bid: float = 1.0
    eligible: bool = True
    cap: int | None = None
    budget: float | None = None
    group: str = ""


@dataclass(frozen=True)
class PlacedAd:
    """What is shown at a place: the offer, the adapter's probability, what is believed beside the evidence, and the
    propensity with which it was chosen."""

    offer: Offer
    probability: float
    expected: float
    propensity: float


class Placer:
    """Chooses ads and logs what was chosen. Any thread may call it.

    Args:
        loop: that answers and logs.
        choice: how it chooses.
        outcome: what counts: click or conversion.
        seed: of the draws; None is drawn.
    """

    def __init__(
        self, loop: "Loop", choice: Choosing | None = None, outcome: str = "click", seed: int | None = None
    ) -> None:
        self.loop, self._choice, self._outcome = loop, choice or Choosing(), outcome
        self._random = np.random.default_rng(seed)
        self._lock, self._reading = Lock(), Lock()
        self._known: dict[str, tuple[float, Experience]] = {}

    def place(
        self,
        name: str,
        user: str = "",
        ads: Sequence[Offer | str | Mapping[str, Any]] = (),
        k: int = 1,
        features: Mapping[str, Any] | None = None,
        shares: Mapping[str, float] | None = None,
        user_key: str | None = None,
        consent: bool | None = None,
        on_disk: bool = False,
    ) -> Logged[PlacedAd]:
        """Choose the ads of `k` places.

        Args:
            name: of a recommendation adapter, or a reference.
            user: what is known of the user, as in training.
            ads: what may be shown; a text or columns alone are an `Offer` without conditions.
            k: places.
            features: further columns, as of `Registry.recommend`.
            shares: group of offers -> the least share of first places that it gets.
            user_key: as of `Loop.recommend`; caps need it.
            consent: as of `Loop.recommend`.
            on_disk: as of `Loop.recommend`.

        Returns:
            At most `k` ads, with the impression that outcomes name; none where nothing may be shown, and no impression.

        Raises:
            RequestError: for an offer or a request that is wrong.
            FeedbackError: the log does not answer.
        """
        offers = [each if isinstance(each, Offer) else Offer(each) for each in ads]
        check_offers(offers, k, shares)
        seen = Seen(user_key, k, consent, on_disk)
        seen.check()
        request = Recommend(name, user, [offer.ad for offer in offers], features or {})
        pending, ranked, asked, seen = self.loop.answered(request, seen)
        placed = self.chosen(pending, ranked, offers, seen, shares)
        if placed and (beside := self.loop.shadowed(asked, seen)) is not None:
            self.loop.shadow(beside, seen)
        return placed

    def chosen(
        self,
        pending: "Pending",
        answer: Result,
        offers: Sequence[Offer],
        seen: Seen,
        shares: Mapping[str, float] | None = None,
    ) -> Logged[PlacedAd]:
        """Choose of offers whose probabilities were waited for elsewhere, such as in a server, and log it.

        Args:
            pending: of `Registry.submit`, for a `Recommend` of the offers' ads.
            answer: its result.
            offers: that `check_offers` has seen.
            seen: by whom; `top` places.
            shares: as of `place`.
        """
        ranked, user_key, k = [each for each in answer if isinstance(each, Ranked)], seen.user_key, seen.top
        candidates = candidates_of(pending.request, ranked, pending.members)
        keys = [each.ad for each in candidates]
        own = _paired(ranked, offers)
        name = parse(next(iter(pending.members))).name
        may = self._allowed(name, own, keys, user_key)
        if not may:
            return Logged((), None)
        experience, said = self._experience(name), log_odds_of([ranked[at].probability for at in may])
        user = asked_columns(pending.request, pending.members)
        taught = experience.probabilities(user, [candidates[at].columns for at in may], said)
        known = experience.evidence
        beliefs = posterior(
            taught, *known.of([keys[at] for at in may], log_odds_of(taught) - said), known.strength
        )
        bids = np.array([own[at].bid for at in may])
        with self._lock:
            found = choose(
                beliefs,
                bids,
                k,
                self._choice,
                known.seen,
                self._random,
                [own[at].group for at in may],
                shares,
            )
        chosen = [(may[index], propensity) for index, propensity in found]
        noted = replace(seen, chooser=self._choice.policy, chosen=chosen)
        impression = self.loop.note(pending, ranked, noted)
        means = beliefs.mean()
        return Logged(
            (
                PlacedAd(own[may[index]], ranked[may[index]].probability, float(means[index]), propensity)
                for index, propensity in found
            ),
            impression,
        )

    def _experience(self, name: str) -> Experience:
        """What is known of a name, as of some seconds ago; while one caller reads, the others take what there was."""
        now, known = self.loop.log.now(), self._known.get(name)
        if known is not None and (known[0] <= now < known[0] + _FRESH or self._reading.locked()):
            return known[1]
        with self._reading:
            own = None if known is None or known[1].is_late() else known[1]
            own = own or Experience(self.loop.log, name, self._outcome, self._choice.learns)
            own.read()
            self._known.pop(name, None)  # the last one read is the last one dropped
            self._known[name] = now, own
            if len(self._known) > _MOST_NAMES:
                self._known.pop(next(iter(self._known)))
        return own

    def _allowed(
        self, name: str, offers: Sequence[Offer], keys: Sequence[str], user_key: str | None
    ) -> list[int]:
        """Which offers may be shown now, by their index."""
        log, now = self.loop.log, self.loop.log.now()
        often: Mapping[str, int] = {}
        if any(offer.cap is not None for offer in offers):
            if user_key is None:
                raise RequestError("an offer has a cap, which is counted by user; give user_key")
            log.flush()
            often = seen_by(log, name, log.user_key(name.split("/")[0], user_key), now - _DAY)
        midnight = math.floor(now / _DAY) * _DAY
        paid: Mapping[str, int] = {}
        if any(offer.budget is not None for offer in offers):
            paid = clicked_since(log, name, self._outcome, midnight)
        elapsed = (now - midnight) / _DAY
        return [
            at
            for at, (offer, key) in enumerate(zip(offers, keys, strict=True))
            if offer.eligible
            and (offer.cap is None or often.get(key, 0) < offer.cap)
            and (offer.budget is None or _affords(offer, paid.get(key, 0), elapsed))
        ]


def _affords(offer: Offer, paid: int, elapsed: float) -> bool:
    """Whether one more outcome fits the day's budget, and what was spent is no more than the part of the day that is
    over allows (even pacing; Agarwal et al. 2014, "Budget Pacing for Targeted Online Advertisements at LinkedIn", with
    a uniform forecast)."""
    assert offer.budget is not None
    spent = paid * offer.bid
    return spent + offer.bid <= offer.budget and spent <= offer.budget * elapsed


def _paired(ranked: Sequence[Ranked], offers: Sequence[Offer]) -> list[Offer]:
    """The offers in the order of the answer."""
    left: dict[int, deque[Offer]] = {}
    for offer in offers:
        left.setdefault(id(offer.ad), deque()).append(offer)
    return [left[id(each.ad)].popleft() for each in ranked]


def check_offers(offers: Sequence[Offer], k: int, shares: Mapping[str, float] | None) -> None:
    """See that offers can be placed. Raises RequestError with all that is wrong."""
    problems = []
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        problems.append(f"k is {shown(k)}; expected how many ads are shown, 1 or more")
    if not 1 <= len(offers) <= _MOST_ADS:
        problems.append(f"{len(offers)} ads; give 1 to {_MOST_ADS}")
    for at, offer in enumerate(offers):
        if not _is_amount(offer.bid) or offer.bid <= 0:
            problems.append(f"ads[{at}].bid is {shown(offer.bid)}; expected a number above 0")
        if offer.budget is not None and not _is_amount(offer.budget):
            problems.append(f"ads[{at}].budget is {shown(offer.budget)}; expected a number, 0 or more")
        if offer.cap is not None and (not isinstance(offer.cap, int) or offer.cap < 0):
            problems.append(f"ads[{at}].cap is {shown(offer.cap)}; expected a whole number, 0 or more")
    if shares is not None and not (
        isinstance(shares, Mapping)
        and all(_is_amount(share) for share in shares.values())
        and sum(shares.values()) <= 1
    ):
        problems.append(f"shares is {shown(shares)}; expected group -> share, 0 to 1 and at most 1 together")
    if problems:
        raise RequestError("; ".join(problems))


def _is_amount(value: Any) -> bool:
    return is_number(value) and value >= 0
