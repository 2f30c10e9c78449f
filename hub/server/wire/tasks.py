"""The tasks as `hub.registry.requests` has them: recommend, analyze, write, and many of any kind at once."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from hub.feedback.recording import Seen
from hub.registry.requests import (
    Analysis,
    Analyze,
    Explained,
    Ranked,
    Recommend,
    Request,
    Texts,
    Write,
)
from hub.server.failing import refused
from hub.server.wire.body import Body, Columns, ErrorBody, Reply, Usage

_NAME = "One adapter, or several that answer as one: a list, or with + between them."
References = Annotated[
    str | list[str], Field(description=_NAME, examples=["acme/spring/recommendation@production"])
]


class SeenBody(Body):
    """By whom an answer is seen, and whether it is logged: its impression's id comes back then."""

    log: bool = False
    user_key: Annotated[
        str | None,
        Field(description="The user's key in your own words; stored hashed, and what @live goes by."),
    ] = None
    consent: bool | None = None
    on_disk: Annotated[bool, Field(description="Wait until the impression is on the disk.")] = False

    def seen(self) -> Seen:
        """As a loop is told."""
        return Seen(self.user_key, getattr(self, "top", 1), self.consent, self.on_disk)


class RecommendBody(SeenBody):
    """Rank ads for a user."""

    reference: References
    user: Annotated[str, Field(examples=["searched trail shoes"])] = ""
    ads: Annotated[list[str | Columns], Field(examples=[["Trail shoes, 20% off", "A quiet kettle"]])]
    features: Columns = Field(default_factory=dict)
    top: Annotated[int, Field(description="How many of the ranking are shown, for the log.")] = 1
    explain: Annotated[
        bool, Field(description="Each ad with which field or phrase moved its probability.")
    ] = False
    deadline: float | None = None

    def request(self) -> Recommend:
        """As a registry is asked."""
        return Recommend(self.reference, self.user, self.ads, self.features, self.deadline)


class AnalyzeBody(SeenBody):
    """Label texts."""

    reference: References
    texts: Annotated[list[str | Columns], Field(examples=[["where is my refund?"]])]
    deadline: float | None = None

    def request(self) -> Analyze:
        """As a registry is asked."""
        return Analyze(self.reference, self.texts, self.deadline)


class WriteTexts(SeenBody):
    """Write texts for a product."""

    reference: Annotated[str, Field(examples=["globex/launch/ad-copy"])]
    product: Annotated[str | Columns, Field(examples=[{"name": "Kettle K2", "category": "kettle"}])]
    n: int = 1
    max_chars: int | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    drafts: int | None = None
    repetition_penalty: float | None = None
    stop: list[str] | None = None
    seed: int = 0
    deadline: float | None = None
    policy: Columns | None = None
    logprobs: int | None = None

    def request(self) -> Write:
        """As a registry is asked."""
        own = WriteTexts.model_fields.keys() - SeenBody.model_fields.keys()
        return Write(**{name: getattr(self, name) for name in own})


class RecommendEntry(RecommendBody):
    """Of a batch."""

    call: Literal["recommend"]


class AnalyzeEntry(AnalyzeBody):
    """Of a batch."""

    call: Literal["analyze"]


class WriteEntry(WriteTexts):
    """Of a batch."""

    call: Literal["write"]


Entry = Annotated[RecommendEntry | AnalyzeEntry | WriteEntry, Field(discriminator="call")]
ENTRY: TypeAdapter[Any] = TypeAdapter(Entry)
_MIXED = [
    {"call": "analyze", "reference": "acme/spring/behavior", "texts": ["where is my refund?"]},
    {"call": "write", "reference": "globex/launch/ad-copy", "product": {"name": "Kettle K2"}, "n": 2},
]


class BatchBody(Body):
    """Requests for any adapters and tasks, answered in one mixed batch. Each is one of the calls above, with `call`."""

    requests: Annotated[list[Columns], Field(examples=[_MIXED])]


class InfluenceReply(Reply):
    """By how much a field raised the probability, or a phrase of it; phrase: null for the field."""

    field: str
    phrase: str | None
    by: float


class ReasonsReply(Reply):
    """Fields, then phrases, each with the largest first. reason: whose reasons these are."""

    probability: float
    moved: list[InfluenceReply]
    reason: str


class RankedReply(Reply):
    """One ad with its probability. cut: tokens over the adapter's limit, which were not read. explained: why, where
    that was asked for."""

    ad: str | Columns
    probability: float
    cut: int
    explained: ReasonsReply | None = None


class RecommendReply(Reply):
    """The ads, the most likely to be clicked first."""

    ranked: list[RankedReply]
    usage: Usage
    system_fingerprint: str
    impression: str | None = None


class AnalysisReply(Reply):
    """One text's labels and probabilities."""

    text: str | Columns
    label: str
    labels: list[str]
    probabilities: dict[str, float]
    cut: int


class AnalyzeReply(Reply):
    """One analysis a text."""

    analyses: list[AnalysisReply]
    usage: Usage
    system_fingerprint: str
    impression: str | None = None


class WrittenReply(Reply):
    """One text. finish: `end`, `stop` or `length`."""

    text: str
    tokens: int
    finish: str
    logprobs: list[Columns]


class WriteReply(Reply):
    """At most `n` texts; refused: those that broke a rule, with the reasons."""

    texts: list[WrittenReply]
    refused: list[Columns]
    usage: Usage
    system_fingerprint: str
    impression: str | None = None


class BatchAnswer(Reply):
    """An answer as its call gives it, or the error in its place."""

    answer: RecommendReply | AnalyzeReply | WriteReply | None = None
    error: ErrorBody | Columns | None = None


class BatchReply(Reply):
    """An answer for each request, in order."""

    answers: list[BatchAnswer]


def reply(request: Request, result: Any, **rest: Any) -> RecommendReply | AnalyzeReply | WriteReply:
    """A result as its call gives it. rest: the fields that all three have."""
    if isinstance(request, Recommend):
        return RecommendReply(ranked=ranked(result), **rest)
    if isinstance(request, Analyze):
        return AnalyzeReply(analyses=analyses(result), **rest)
    return write_reply(result, **rest)


def ranked(result: Sequence[Ranked]) -> list[RankedReply]:
    """Ranked ads."""
    return [
        RankedReply(
            ad=as_is(each.ad),
            probability=each.probability,
            cut=each.cut,
            explained=None if each.explained is None else ReasonsReply(**reasons(each.explained)),
        )
        for each in result
    ]


def reasons(found: Explained) -> dict[str, Any]:
    """An explanation, as the fields of a reply."""
    moved = [InfluenceReply(**vars(each)) for each in found.moved]
    return {"probability": found.probability, "moved": moved, "reason": found.reason}


def analyses(result: Sequence[Analysis]) -> list[AnalysisReply]:
    """Labelled texts."""
    return [
        AnalysisReply(
            text=as_is(each.text),
            label=each.label,
            labels=list(each.labels),
            probabilities=dict(each.probabilities),
            cut=each.cut,
        )
        for each in result
    ]


def write_reply(texts: Texts, **rest: Any) -> WriteReply:
    """Written texts."""
    written = [
        WrittenReply(
            text=text,
            tokens=told.tokens,
            finish=told.finish,
            logprobs=[
                {
                    "token": each.token,
                    "logprob": each.logprob,
                    "likeliest": [list(pair) for pair in each.likeliest],
                }
                for each in told.logprobs
            ],
        )
        for text, told in zip(texts, texts.told, strict=True)
    ]
    return WriteReply(texts=written, refused=[refused(each) for each in texts.refused], **rest)


def as_is(given: Any) -> Any:
    """A text, or columns, as they were sent."""
    return given if isinstance(given, str) else dict(given)
