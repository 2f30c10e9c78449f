"""What users did, and which ads to place, as `hub.feedback` and `hub.placement` have them."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from adapters.errors import RequestError
from hub.feedback.events import Outcome
from hub.placement.placer import Offer, PlacedAd
from hub.registry.requests import Recommend
from hub.server.wire.body import Body, Columns, Reply, Usage
from hub.server.wire.tasks import ReasonsReply, References, SeenBody, as_is

_CLICK: Any = {"impression": "5f0c0a1e9d6b4c0f8a55b8f0c2f1d3aa", "kind": "click"}
_SALE: Any = _CLICK | {
    "kind": "conversion",
    "value": 49.0,
    "event": "order-1",
    "at": "2026-03-01T09:30:00+00:00",
}


class _Event(Body):
    at: Annotated[
        float | str | None,
        Field(description="Seconds since 1970, or ISO 8601 with its zone; left out: now."),
    ] = None
    value: Annotated[float | None, Field(description="Such as what a conversion is worth.")] = None
    text: Annotated[str | None, Field(description="Of edited the final text, of label the right label.")] = (
        None
    )
    position: Annotated[int, Field(description="Of what was shown, 1 for the first.")] = 1
    event: Annotated[
        str, Field(description="An id of your own, where one impression has several of a kind.")
    ] = ""

    model_config = ConfigDict(extra="forbid")


class EventBody(_Event):
    """What a user did about an impression."""

    impression: str
    kind: str

    def outcome(self, names: tuple[str, ...] | None) -> Outcome:
        """As a log is told. names: under which its impression must lie."""
        return Outcome(**{name: getattr(self, name) for name in EventBody.model_fields}, client=names)


EVENT: TypeAdapter[EventBody] = TypeAdapter(EventBody)


class FeedbackBody(_Event):
    """One event by its own fields, or many as `events`: each is one, and what is wrong with one is its own error.

    kind: click, conversion or dislike; of ad copy accepted, edited or rejected; of behavior label."""

    impression: Annotated[str | None, Field(description="The id that the answer came with.")] = None
    kind: str | None = None
    events: list[Columns] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [_CLICK, {"events": [_CLICK, _SALE]}]})

    def given(self) -> list[Columns]:
        """Its events as they were sent. Raises RequestError for one beside many."""
        alone = self.model_dump(exclude_unset=True, exclude={"events"})
        if self.events is None:
            return [alone]
        if alone:
            raise RequestError("send one event by its fields, or many as events, and not both")
        return self.events


class TakenReply(Reply):
    """What became of an event. known: it was told before, and nothing changed. why: of a refusal."""

    status: Literal["taken", "known", "refused"]
    why: str = ""


class FeedbackReply(Reply):
    """What became of each event, in order, and how many were taken, known and refused."""

    events: list[TakenReply]
    taken: int
    known: int
    refused: int


class OfferBody(Body):
    """An ad that may be shown, as a text or its columns, with its conditions."""

    ad: str | Columns
    bid: float = 1.0
    eligible: bool = True
    cap: int | None = None
    budget: float | None = None
    group: str = ""

    model_config = ConfigDict(extra="forbid")

    def offer(self) -> Offer:
        """As a placer is told."""
        return Offer(**{name: getattr(self, name) for name in OfferBody.model_fields})


class PlaceBody(SeenBody):
    """Choose ads for a user. It is always logged."""

    reference: Annotated[str, Field(examples=["acme/spring/recommendation@live"])]
    user: str = ""
    ads: Annotated[
        list[str | OfferBody],
        Field(examples=[["A quiet kettle", {"ad": "Trail shoes for mud", "bid": 0.4, "cap": 3}]]),
    ]
    k: Annotated[int, Field(description="Places.")] = 1
    features: Columns = Field(default_factory=dict)
    shares: dict[str, float] | None = None
    policy: Literal["thompson", "ucb", "epsilon"] = "thompson"
    outcome: Literal["click", "conversion"] = "click"
    deadline: float | None = None

    def offers(self) -> list[Offer]:
        """As a placer is told."""
        return [Offer(each) if isinstance(each, str) else each.offer() for each in self.ads]

    def request(self, offers: list[Offer]) -> Recommend:
        """As a registry is asked for the probabilities of these offers."""
        return Recommend(
            self.reference, self.user, [each.ad for each in offers], self.features, self.deadline
        )


class PlacedReply(Reply):
    """An ad that is shown. probability: the adapter's; expected: with the evidence; propensity: of being chosen."""

    ad: str | Columns
    probability: float
    expected: float
    propensity: float


class PlaceReply(Reply):
    """The ads of the places, first to last; none, and no impression, where nothing may be shown."""

    placed: list[PlacedReply]
    impression: str | None
    usage: Usage
    system_fingerprint: str


class ExplainBody(Body):
    """Why one ad has its probability for one user."""

    reference: References
    user: Annotated[str, Field(examples=["searched trail shoes; bought socks"])] = ""
    ad: str | Columns
    features: Columns = Field(default_factory=dict)
    deadline: float | None = None

    def request(self) -> Recommend:
        """As a registry is asked."""
        return Recommend(self.reference, self.user, [self.ad], self.features, self.deadline)


class ExplainReply(ReasonsReply):
    """Why one ad has its probability."""

    usage: Usage
    system_fingerprint: str


def placed(found: list[PlacedAd]) -> list[PlacedReply]:
    """Placed ads."""
    return [
        PlacedReply(ad=as_is(each.offer.ad), **{name: getattr(each, name) for name in _FIGURES})
        for each in found
    ]


_FIGURES = ("probability", "expected", "propensity")
