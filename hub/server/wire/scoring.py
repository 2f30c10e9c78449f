"""What scores: vLLM's classification, Cohere's reranking, OpenAI's embeddings."""

import base64
import json
import struct
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from adapters.errors import RequestError
from hub.registry.requests import Analysis, Analyze, Embed, Embedding, Ranked, Recommend
from hub.server.wire.body import Body, Columns, Model, Reply, Usage


class ClassifyBody(Body):
    """Texts to label, as vLLM is asked."""

    model: Model
    input: Annotated[str | list[str], Field(examples=[["where is my refund?"]])]

    def request(self) -> Analyze:
        """As a registry is asked."""
        return Analyze(self.model, [self.input] if isinstance(self.input, str) else self.input)


class Classified(Reply):
    """One text's likeliest label, and the probability of every label, in the adapter's order."""

    index: int
    label: str
    probs: list[float]
    num_classes: int


class ClassifyReply(Reply):
    """One for each text."""

    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    data: list[Classified]
    usage: Usage
    system_fingerprint: str


class RerankBody(Body):
    """Documents to rank for a query, as Cohere's clients ask: ads for a user. A document is its text, or its
    columns."""

    model: Model
    query: Annotated[str, Field(description="The user.", examples=["searched trail shoes"])]
    documents: Annotated[
        list[str | Columns],
        Field(description="The ads.", examples=[["Trail shoes, 20% off", "A quiet kettle"]]),
    ]
    top_n: int | None = None
    return_documents: bool | None = None
    features: Columns = Field(default_factory=dict)

    def request(self) -> Recommend:
        """As a registry is asked. Raises RequestError."""
        if self.top_n is not None and self.top_n < 1:
            raise RequestError(f"top_n is {self.top_n}; expected 1 or more")
        return Recommend(self.model, self.query, [_ad(each) for each in self.documents], self.features)


class Reranked(Reply):
    """One document: where it stood, and how likely its click is."""

    index: int
    relevance_score: float
    document: Columns | None = None


class RerankReply(Reply):
    """Documents, the most relevant first."""

    id: str
    results: list[Reranked]
    meta: Columns
    system_fingerprint: str


class EmbeddingsBody(Body):
    """Texts to embed, as OpenAI is asked: the base's pooled states through an adapter, of length 1."""

    model: Model
    input: Annotated[str | list[str], Field(examples=[["where is my refund?"]])]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None

    def request(self) -> Embed:
        """As a registry is asked. Raises RequestError."""
        if self.dimensions is not None:
            raise RequestError("dimensions: vectors are as wide as the base; leave it out")
        return Embed(self.model, [self.input] if isinstance(self.input, str) else self.input)


class EmbeddingReply(Reply):
    """One text's vector: numbers, or little-endian float32 in base64."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsReply(Reply):
    """One for each text."""

    object: Literal["list"] = "list"
    model: str
    data: list[EmbeddingReply]
    usage: Usage
    system_fingerprint: str


def classified(result: Sequence[Analysis]) -> list[Classified]:
    """Labelled texts."""
    return [
        Classified(
            index=index,
            label=each.label,
            probs=list(each.probabilities.values()),
            num_classes=len(each.probabilities),
        )
        for index, each in enumerate(result)
    ]


def reranked(body: RerankBody, result: Sequence[Ranked]) -> list[Reranked]:
    """Ranked documents; of equal ones the first stands first."""
    places: dict[str, deque[int]] = defaultdict(deque)
    for index, document in enumerate(body.documents):
        places[_sign(_ad(document))].append(index)
    found = []
    for each in result[: body.top_n]:
        index = places[_sign(each.ad)].popleft()
        document = body.documents[index]
        told = {"text": document} if isinstance(document, str) else document
        shown = told if body.return_documents else None
        found.append(Reranked(index=index, relevance_score=each.probability, document=shown))
    return found


def embedded(result: Sequence[Embedding], as_base64: bool) -> list[EmbeddingReply]:
    """Vectors."""
    return [
        EmbeddingReply(index=index, embedding=_packed(each.vector) if as_base64 else list(each.vector))
        for index, each in enumerate(result)
    ]


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")


def _ad(document: str | Columns) -> str | Columns:
    """A document as an ad. A `text` alone, as Cohere's older clients send it, is the text."""
    if isinstance(document, dict) and set(document) == {"text"} and isinstance(document["text"], str):
        return document["text"]
    return document


def _sign(ad: Any) -> str:
    return ad if isinstance(ad, str) else json.dumps(ad, sort_keys=True, default=str)
