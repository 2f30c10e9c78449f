"""OpenAI's chat and text completions, for adapters that write.

The product of an ad copy is the last message of the user, as text or as JSON of its columns; or `product` beside the
messages. The adapter's own template makes the prompt of it: what else was said is not read, and the answer says so.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from adapters.errors import RequestError
from adapters.fields import Text
from hub.registry.requests import TokenChance, Told, Write
from hub.server.wire.body import Body, Columns, Model, Reply, Usage

_KETTLE = {"name": "Kettle K2", "category": "kettle", "price": "$39"}


class StreamOptions(Body):
    """include_usage: a last chunk without choices tells the tokens."""

    include_usage: bool | None = None


class ContentPart(Body):
    """A part of a message's content."""

    type: Text
    text: Text | None = None


class ChatTurn(Body):
    """One message of a chat."""

    role: Text
    content: Text | list[ContentPart] | None = None


class WriteBody(Body):
    """What chat and text completions share; what is left out comes from the adapter's recipe."""

    model: Model
    product: Annotated[
        str | Columns | None, Field(description="The product, as text or as its columns.", examples=[_KETTLE])
    ] = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    drafts: Annotated[
        int | None, Field(description="Of each text, of which the one most like the others is given.")
    ] = None
    repetition_penalty: float | None = None
    max_chars: Annotated[int | None, Field(description="Texts over it are drawn again, never cut.")] = None
    policy: Annotated[Columns | None, Field(description="Rules beside those of the adapter's recipe.")] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, Any] | None = None

    def unread(self) -> Iterator[str]:
        """Options that are given and cannot be had."""
        for name in ("frequency_penalty", "presence_penalty", "logit_bias"):
            if getattr(self, name):
                yield name

    def write(self, product: str | Columns, tokens: int | None, logprobs: int | None) -> Write:
        """The request of a registry. Raises RequestError for what cannot be had."""
        if unread := [*self.unread()]:
            raise RequestError(f"{', '.join(unread)}: this server does not have that; leave it out")
        return Write(
            self.model,
            product,
            1 if self.n is None else self.n,
            self.max_chars,
            tokens,
            self.temperature,
            self.top_p,
            self.top_k,
            self.repetition_penalty,
            [self.stop] if isinstance(self.stop, str) else self.stop,
            0 if self.seed is None else self.seed,
            policy=self.policy,
            logprobs=logprobs,
            min_p=self.min_p,
            drafts=self.drafts,
        )


class ChatRequest(WriteBody):
    """A chat completion."""

    messages: Annotated[list[ChatTurn], Field(examples=[[{"role": "user", "content": json.dumps(_KETTLE)}]])]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None

    def unread(self) -> Iterator[str]:
        """Options that are given and cannot be had."""
        yield from super().unread()
        yield from (name for name in ("tools", "functions") if getattr(self, name))
        if self.response_format and self.response_format.get("type") != "text":
            yield "response_format"

    def request(self) -> Write:
        """The request of a registry. Raises RequestError."""
        if self.top_logprobs is not None and not self.logprobs:
            raise RequestError("top_logprobs needs logprobs: true beside it")
        limits = {each for each in (self.max_tokens, self.max_completion_tokens) if each is not None}
        if len(limits) > 1:
            raise RequestError("max_tokens and max_completion_tokens differ; give one of them")
        product = self.product
        if product is None:
            said = [_text(message) for message in self.messages if message.role == "user"]
            if not said:
                raise RequestError("no message of the user; send the product as its content, or as product")
            product = as_product(said[-1])
        chances = (self.top_logprobs or 0) if self.logprobs else None
        return self.write(product, next(iter(limits), None), chances)

    def ignored(self) -> list[str]:
        """Messages that no adapter reads, beside the one with the product."""
        read = -1
        if self.product is None:
            read = max(at for at, message in enumerate(self.messages) if message.role == "user")
        return [f"messages[{at}]" for at in range(len(self.messages)) if at != read]


class TextRequest(WriteBody):
    """A text completion; each prompt is a product."""

    prompt: Annotated[str | list[str] | None, Field(examples=[json.dumps(_KETTLE)])] = None
    max_tokens: int | None = None
    logprobs: int | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None

    def unread(self) -> Iterator[str]:
        """Options that are given and cannot be had."""
        yield from super().unread()
        yield from (name for name in ("echo", "suffix") if getattr(self, name))
        if self.best_of is not None and self.best_of != (1 if self.n is None else self.n):
            yield "best_of"

    def requests(self) -> list[Write]:
        """A request of a registry for each prompt. Raises RequestError."""
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        products = (
            [self.product] if self.product is not None else [as_product(each) for each in prompts or ()]
        )
        if not products:
            raise RequestError("no prompt; send the product as prompt, or as product")
        return [self.write(product, self.max_tokens, self.logprobs) for product in products]


class ChatMessage(Reply):
    """What was written."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(Reply):
    """One text of a chat completion."""

    index: int
    message: ChatMessage
    finish_reason: Literal["stop", "length", "content_filter"]
    logprobs: Columns | None = None


class Extras(Reply):
    """What Repertoire tells beside. refused: texts that were written and broke a rule, with the reasons; ignored:
    messages that the adapter does not read; digest: of the content that answered."""

    refused: list[Columns] = Field(default_factory=list)
    ignored: list[str] = Field(default_factory=list)
    digest: str = ""


class ChatReply(Reply):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str
    repertoire: Extras


class TextChoice(Reply):
    """One text of a completion."""

    index: int
    text: str
    finish_reason: Literal["stop", "length", "content_filter"]
    logprobs: Columns | None = None


class TextReply(Reply):
    """A text completion."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    system_fingerprint: str
    repertoire: Extras


def as_product(text: str) -> str | Columns:
    """A product's columns, where a text is a JSON object; else the text itself."""
    if text.lstrip().startswith("{"):
        try:
            read = json.loads(text, parse_constant=str, parse_float=_number)
        except (ValueError, RecursionError):
            return text
        if isinstance(read, dict):
            return read
    return text


def _number(digits: str) -> float | str:
    """A number; one that none can hold, such as 1e999, is text as NaN is."""
    number = float(digits)
    return number if math.isfinite(number) else digits


def finish(told: Told) -> Literal["stop", "length"]:
    """What ended a text, in OpenAI's words."""
    return "length" if told.finish == "length" else "stop"


def chat_logprobs(chances: Sequence[TokenChance]) -> Columns:
    """How likely tokens were, as a chat tells it."""

    def one(token: str, logprob: float) -> Columns:
        return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}

    content = [
        {**one(each.token, each.logprob), "top_logprobs": [one(*other) for other in each.likeliest]}
        for each in chances
    ]
    return {"content": content, "refusal": None}


def text_logprobs(chances: Sequence[TokenChance], offset: int = 0) -> Columns:
    """The same as a text completion tells it. offset: characters before the first token."""
    offsets = []
    for each in chances:
        offsets.append(offset)
        offset += len(each.token)
    return {
        "tokens": [each.token for each in chances],
        "token_logprobs": [each.logprob for each in chances],
        "top_logprobs": [dict(each.likeliest) for each in chances],
        "text_offset": offsets,
    }


def _text(message: ChatTurn) -> str:
    content = message.content
    if not isinstance(content, list):
        return content or ""
    if any(part.type != "text" for part in content):
        raise RequestError("content has a part that is no text; adapters read text alone")
    return "".join(part.text or "" for part in content)
