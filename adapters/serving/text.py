"""From tokens to text: end tokens, stop strings, and what of an unfinished text may be shown already."""

from collections.abc import Sequence

from adapters.base.base import Base
from adapters.serving.chances import Chance


def stopped(text: str, stop: Sequence[str]) -> str | None:
    """The text before the first stop string; None where it holds none."""
    ends = [at for at in (text.find(string) for string in stop) if at >= 0]
    return text[: min(ends)] if ends else None


class Piece(str):
    """Of a text that is handed out as it is written.

    Attributes:
        chances: of the tokens since the piece before, where `Sampling.logprobs` asks for them.
    """

    chances: tuple[Chance, ...]

    def __new__(cls, text: str, chances: tuple[Chance, ...] = ()) -> "Piece":
        """A piece of text, and how likely its tokens were."""
        piece = super().__new__(cls, text)
        piece.chances = chances
        return piece


class Pieces:
    """Hands out a growing text in pieces that, put together, are exactly the finished text.

    What may still change is held back: outer blanks, a character whose bytes are not all there, and the beginning of
    what may become a stop string.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = stop
        self._sent = ""

    def next(self, text: str, done: bool = False) -> str:
        """The piece that is new in `text`, which is all that was written so far; with `done`, all that is left."""
        shown = text.strip() if done else self._settled(text)
        if not shown.startswith(self._sent):
            return ""  # a decoder that rewrites its past: wait for what follows
        piece = shown[len(self._sent) :]
        self._sent = shown
        return piece

    def _settled(self, text: str) -> str:
        text = text.rstrip("\ufffd")
        for string in self._stop:
            longest = max((n for n in range(1, len(string)) if text.endswith(string[:n])), default=0)
            text = text[: len(text) - longest]
        return text.strip()


def end_tokens(base: Base) -> set[int]:
    """Every token that ends a text: the tokenizer's, and those that the model's generation settings name."""
    settings = getattr(base.model, "generation_config", None)
    configured = getattr(settings, "eos_token_id", None)
    named = configured if isinstance(configured, list) else [configured]
    return {token for token in (*named, base.tokenizer.eos_token_id) if token is not None}
