"""The tasks as `hub.registry.requests` has them: recommend, analyze, write, and many of any kind at once."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from hub.registry.requests import Analysis, Analyze, Ranked, Recommend, Request, Texts, Write
from hub.server.failing import refused
from hub.server.wire.body import Body, Columns, ErrorBody, Reply, Usage

_NAME = "One adapter, or several that answer as one: a list, or with + between them."
References = Annotated[
    str | list[str], Field(description=_NAME, examples=["acme/spring/recommendation@production"])
]


class RecommendBody(Body):
    """Rank ads for a user."""

    reference: References
    user: Annotated[str, Field(examples=["searched trail shoes"])] = ""
    ads: Annotated[list[str | Columns], Field(examples=[["Trail shoes, 20% off", "A quiet kettle"]])]
    features: Columns = Field(default_factory=dict)
    deadline: float | None = None

    def request(self) -> Recommend:
        """As a registry is asked."""
        return Recommend(self.reference, self.user, self.ads, self.features, self.deadline)


class AnalyzeBody(Body):
    """Label texts."""

    reference: References
    texts: Annotated[list[str | Columns], Field(examples=[["where is my refund?"]])]
    deadline: float | None = None

    def request(self) -> Analyze:
        """As a registry is asked."""
        return Analyze(self.reference, self.texts, self.deadline)


class WriteTexts(Body):
    """Write texts for a product."""

    reference: Annotated[str, Field(examples=["globex/launch/ad-copy"])]
    product: Annotated[str | Columns, Field(examples=[{"name": "Kettle K2", "category": "kettle"}])]
    n: int = 1
    max_chars: int | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    stop: list[str] | None = None
    seed: int = 0
    deadline: float | None = None
    policy: Columns | None = None
    logprobs: int | None = None

    def request(self) -> Write:
        """As a registry is asked."""
        return Write(**{name: getattr(self, name) for name in WriteTexts.model_fields})


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


class RankedReply(Reply):
    """One ad with its probability. cut: tokens over the adapter's limit, which were not read."""

    ad: str | Columns
    probability: float
    cut: int


class RecommendReply(Reply):
    """The ads, the most likely to be clicked first."""

    ranked: list[RankedReply]
    usage: Usage


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


class BatchAnswer(Reply):
    """An answer as its call gives it, or the error in its place."""

    answer: RecommendReply | AnalyzeReply | WriteReply | None = None
    error: ErrorBody | Columns | None = None


class BatchReply(Reply):
    """An answer for each request, in order."""

    answers: list[BatchAnswer]


def reply(request: Request, result: Any, usage: Usage) -> RecommendReply | AnalyzeReply | WriteReply:
    """A result as its call gives it."""
    if isinstance(request, Recommend):
        return RecommendReply(ranked=ranked(result), usage=usage)
    if isinstance(request, Analyze):
        return AnalyzeReply(analyses=analyses(result), usage=usage)
    return write_reply(result, usage)


def ranked(result: Sequence[Ranked]) -> list[RankedReply]:
    """Ranked ads."""
    return [RankedReply(ad=_as_is(each.ad), probability=each.probability, cut=each.cut) for each in result]


def analyses(result: Sequence[Analysis]) -> list[AnalysisReply]:
    """Labelled texts."""
    return [
        AnalysisReply(
            text=_as_is(each.text),
            label=each.label,
            labels=list(each.labels),
            probabilities=dict(each.probabilities),
            cut=each.cut,
        )
        for each in result
    ]


def write_reply(texts: Texts, usage: Usage) -> WriteReply:
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
    return WriteReply(texts=written, refused=[refused(each) for each in texts.refused], usage=usage)


def _as_is(given: Any) -> Any:
    return given if isinstance(given, str) else dict(given)
