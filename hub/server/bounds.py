"""How much one request may be, and how long it may take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.errors import RequestError
from hub.registry.requests import Analyze, Embed, Recommend, Request, Write


class OutOfBounds(RequestError):
    """A request is larger than this server takes."""


@dataclass(frozen=True)
class Bounds:
    """The limits of one server; those of the runtime behind it are `adapters.Limits`.

    Attributes:
        body: bytes of a request.
        batch: requests of one `/v1/batch`.
        texts: of one request: texts, ads or documents, and texts that are written, drafts that it asks for among them.
        chars: of all columns of one text or product.
        tokens: that one text may be written with.
        stops: stop strings.
        seconds: until a request must be answered.
        stalled: seconds that a reader of a stream may take nothing, and until a body must be there.
        working: requests of one key, or without keys of everybody, at a time.
    """

    body: int = 4 * 2**20
    batch: int = 256
    texts: int = 1000
    chars: int = 100_000
    tokens: int = 4096
    stops: int = 16
    seconds: float = 300.0
    stalled: float = 30.0
    working: int = 2048

    def check(self, request: Request) -> None:
        """Raises OutOfBounds with everything of a request that is too much."""
        if problems := list(self._problems(request)):
            raise OutOfBounds("; ".join(problems))

    def _problems(self, request: Request) -> Iterator[str]:
        texts: Sequence[Any]
        if isinstance(request, Write):
            texts = [request.product]
            if request.drafts_asked > self.texts:
                each = "" if request.drafts is None else f" and drafts is {request.drafts}"
                yield f"n is {request.n}{each}; at most {self.texts} texts are written for one request"
            if isinstance(request.max_new_tokens, int) and request.max_new_tokens > self.tokens:
                yield f"{request.max_new_tokens} tokens are asked for; a text has at most {self.tokens}"
            if request.stop is not None and len(request.stop) > self.stops:
                yield f"{len(request.stop)} stop strings; give at most {self.stops}"
        elif isinstance(request, Recommend):
            texts = [*request.ads, {"user": request.user, **request.features}]
            if len(request.ads) > self.texts:
                yield f"{len(request.ads)} ads; send at most {self.texts} in one request"
        else:
            assert isinstance(request, Analyze | Embed)
            texts = request.texts
            if len(texts) > self.texts:
                yield f"{len(texts)} texts; send at most {self.texts} in one request"
        longest = max(map(_chars, texts), default=0)
        if longest > self.chars:
            yield f"a text of {longest} characters; send at most {self.chars}"


def _chars(text: Any) -> int:
    """Characters of a text, or of all columns of one, however deep they lie."""
    chars, left = 0, [text]
    while left:
        each = left.pop()
        if isinstance(each, Mapping):
            chars += sum(len(str(key)) for key in each)
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
        else:
            chars += len(each if isinstance(each, str) else str(each))
    return chars
