"""What is written into the log: impressions and outcomes, and the door through which they come.

    impression   acme/spring/recommendation@3 showed "Trail shoes" at position 1 to user 5f0c..., probability 0.031
    outcome      click at 09:31, or conversion worth 49.0 three days later

Which outcomes there are follows from the task: a click, a conversion (with a value) or a dislike of an ad; of ad copy
that a text was accepted, edited (with the final text) or rejected; of behavior the label that is right.
"""

import hashlib
import json
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.fields import has_halves, shown

KINDS: Mapping[str, Sequence[str]] = {
    "recommendation": ("click", "conversion", "dislike"),
    "ad-copy": ("accepted", "edited", "rejected"),
    "behavior": ("label",),
}
"""Task -> what may come of an impression."""
_WITH_TEXT = {"edited": "the final text", "label": "the label that is right"}
_LONGEST_TEXT = 20_000  # characters
_LONGEST_ID = 200
_LAST_MOMENT = 253_402_300_800.0  # the year 10,000


@dataclass(frozen=True)
class Candidate:
    """One thing that could have been shown. ad: its key; columns: as the model read it; probability: of a click, or of
    the label that was answered; None where nothing gives one."""

    ad: str
    columns: Mapping[str, Any]
    probability: float | None


@dataclass(frozen=True)
class Place:
    """What was shown at a position, 1 for the first. propensity: the probability with which it was chosen for it; None
    where nobody knows."""

    position: int
    ad: str
    probability: float | None
    propensity: float | None


@dataclass(frozen=True)
class Impression:
    """An answer that somebody saw.

    Attributes:
        at: seconds since 1970.
        name, task, reference, version, digest: what answered; of an ensemble the first name, no version, and the
            digests with `+` between them.
        columns: of the user and the request, as the model read them.
        candidates, places: what could be shown, and what was.
        id: what outcomes name it by.
        arm: production or canary, where `@live` was asked; shadow for answers that nobody saw.
        chooser: what chose the places: best, thompson, ucb, epsilon, or what an imported log says.
        user: the user's key, hashed; None where nobody was named.
        consent: whether the user agreed to be learned from; None where nobody asked.
        origin: served or imported.
        expires: when it is to be erased, seconds since 1970; None for never.
        seconds: that the answer took; None where nobody looked at the clock.
        refused: texts that were written and broke a rule; None where nothing was written.
    """

    at: float
    name: str
    task: str
    reference: str
    version: int | None
    digest: str
    columns: Mapping[str, Any]
    candidates: Sequence[Candidate]
    places: Sequence[Place]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    arm: str | None = None
    chooser: str = "best"
    user: str | None = None
    consent: bool | None = None
    origin: str = "served"
    expires: float | None = None
    seconds: float | None = None
    refused: int | None = None

    @property
    def client(self) -> str:
        """The first part of the name."""
        return self.name.split("/", 1)[0]

    def problems(self) -> Iterator[str]:
        """What of its numbers no log can use, in sentences."""
        if not is_number(self.at) or not 0 <= self.at < _LAST_MOMENT:
            yield f"at is {shown(self.at)}; expected seconds since 1970"
        for place in self.places:
            p, chosen = place.probability, place.propensity
            if p is not None and not (is_number(p) and 0 <= p <= 1):
                yield f"a probability is {shown(p)}; expected a number from 0 to 1, or None"
            if chosen is not None and not (is_number(chosen) and 0 < chosen <= 1):
                yield (
                    f"a propensity is {shown(chosen)}; what was shown was shown with a probability above 0 and "
                    "at most 1; None where nobody knows it"
                )

    def row(self) -> dict[str, Any]:
        """As it stands in the table."""
        told = [[each.ad, dict(each.columns), each.probability] for each in self.candidates]
        own = {
            name: getattr(self, name)
            for name in (
                "id",
                "at",
                "client",
                "name",
                "task",
                "reference",
                "version",
                "digest",
                "arm",
                "chooser",
                "consent",
                "origin",
                "expires",
                "seconds",
                "refused",
            )
        }
        return own | {
            "user_key": self.user,
            "columns": json.dumps(dict(self.columns), sort_keys=True),
            "candidates": json.dumps(told),
        }

    def places_rows(self) -> list[dict[str, Any]]:
        """As its places stand in theirs."""
        return [{"impression": self.id, **vars(place)} for place in self.places]


@dataclass(frozen=True)
class Outcome:
    """What a user did about an impression.

    Attributes:
        impression: its id.
        kind: of KINDS.
        at: when; seconds since 1970, a datetime with a time zone, or ISO 8601 with one. None is now.
        value: such as the money that a conversion is worth.
        text: of `edited` the final text, of `label` the label.
        position: of what was shown, 1 for the first.
        event: an id of the caller's own, where one impression has several of a kind.
        client: under which names its impression must be, such as `acme` or `house/spring`; None asks nothing.
    """

    impression: str
    kind: str
    at: float | datetime | str | None = None
    value: float | None = None
    text: str | None = None
    position: int = 1
    event: str = ""
    client: str | Sequence[str] | None = None

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself, in sentences."""
        if not _is_id(self.impression) or not self.impression:
            yield f"impression is {shown(self.impression)}; give the id that the answer came with"
        kinds = [kind for each in KINDS.values() for kind in each]
        known = isinstance(self.kind, str) and self.kind in kinds
        if not known:
            yield f"kind is {shown(self.kind)}; expected one of {', '.join(kinds)}"
        try:
            if self.at is not None:
                moment(self.at)
        except ValueError as error:
            yield f"at is {shown(self.at)}; {error}"
        if self.value is not None and not is_number(self.value):
            yield f"value is {shown(self.value)}; expected a finite number"
        if known and self.kind in _WITH_TEXT and not self.text:
            yield f"{self.kind} needs {_WITH_TEXT[self.kind]} as text"
        if self.text is not None and (
            not isinstance(self.text, str) or len(self.text) > _LONGEST_TEXT or has_halves(self.text)
        ):
            yield f"text is {shown(self.text)}; expected at most {_LONGEST_TEXT:,} whole characters"
        if not isinstance(self.position, int) or isinstance(self.position, bool) or self.position < 1:
            yield f"position is {shown(self.position)}; expected 1 for what was shown first, 2, 3 ..."
        if not _is_id(self.event):
            yield f"event is {shown(self.event)}; expected an id of at most {_LONGEST_ID} characters"

    def may_be_of(self, name: str) -> bool:
        """Whether `client` lets its impression be of a name."""
        own = [self.client] if isinstance(self.client, str) else self.client
        return own is None or any(f"{name}/".startswith(f"{each}/") for each in own)


def moment(given: float | datetime | str) -> float:
    """Seconds since 1970. Raises ValueError, with what to write, for what is no moment."""
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise ValueError("write ISO 8601 such as 2026-03-01T09:30:00+00:00") from None
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise ValueError("say its time zone, such as 2026-03-01T09:30:00+00:00")
        given = given.astimezone(UTC).timestamp()
    if not is_number(given) or not 0 <= given < _LAST_MOMENT:
        raise ValueError("expected seconds since 1970, or a time with its zone")
    return float(given)


def is_number(value: Any) -> bool:
    """Whether this is a finite number, and no True."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(float(value))
    except OverflowError:
        return False


def ad_key(columns: Mapping[str, Any]) -> str:
    """What an ad is known by: a hash of its columns, so that equal ads have one history."""
    return hashlib.sha256(json.dumps(dict(columns), sort_keys=True).encode()).hexdigest()[:16]


def _is_id(value: Any) -> bool:
    sound = isinstance(value, str) and len(value) <= _LONGEST_ID
    return sound and not has_halves(value) and "\x00" not in value
