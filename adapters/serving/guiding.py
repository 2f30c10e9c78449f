"""Rules that a text keeps while it is written: which tokens it may go on with, and how it may end.

Any function of the text so far can be a rule, for only what would be written is looked at. Where a text may not go on
with the token that was chosen, the next one is chosen as if that token were not there: the likeliest of the others, or
a draw among them, so that each that may stand keeps its share. Nothing is asked of the whole vocabulary.

    "Free coffee "   + "for"       for nobody: chosen again, by the logits without it
    "Open at 1"      + "0"         begins 10 or 1,000, which the product holds
    "... by the river and close"   no room for more: it ends where an end was likeliest, "... by the river"
    "... by the river." + end      something is missing: " Terms apply." is written, then it ends
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from adapters.base.base import Base
from adapters.serving.sampling import Guide, choose
from adapters.serving.text import stopped

if TYPE_CHECKING:
    from adapters.serving.writing import Writing

_TRIES = 32  # tokens that are chosen in one place, before the last one stands
_LEAST = 0.5  # of a text that has no more room, the share that stays at least


@dataclass
class Guided:
    """A text under a guide.

    due: tokens that must come next. ends: for each number of tokens with which it could have ended between two words,
    how likely an end was, as a logarithm.
    """

    guide: Guide
    due: list[int] = field(default_factory=list)
    ends: dict[int, float] = field(default_factory=dict)

    def next(
        self, base: Base, text: "Writing", logits: Tensor, token: int, ends: Sequence[int]
    ) -> tuple[int, int]:
        """The token to write, and how many of the last ones are taken back before.

        logits: `[vocabulary]`, by which `token` was chosen; changed in place. ends: the tokens that end a text, one at
        least.
        """
        if self.due:
            return self.due.pop(0), 0
        how, first = replace(text.sampling, repetition_penalty=1.0), token
        written = base.decode(text.written)
        likely = float(logits[[*ends]].logsumexp(0) - logits.logsumexp(0))
        for _ in range(_TRIES):
            said = base.decode([*text.written, token])
            stop = stopped(said, text.sampling.stop)
            if token in ends or stop is not None:
                if stop is not None and self.guide.ending(stop) == "":
                    return token, 0
                if (more := self.guide.ending(written)) is not None:
                    fits = len(text.written) + len(_tokens(base, more)) <= text.sampling.max_new_tokens
                    cut = None if fits else self._cut(base, text, ends)
                    return cut or (self._end(base, more, ends), 0)
            else:
                if _parts(written, said):
                    self.ends[len(text.written)] = likely
                verdict = self.guide.begins(said)
                full = verdict == "too long" or (verdict == "yes" and self._is_last(text, said))
                if full and (cut := self._cut(base, text, ends)) is not None:
                    return cut
                if verdict != "no":
                    return token, 0
            logits[token] = -torch.inf
            (other,) = choose(logits[None], [how], [text.stream])
            if other is None:
                break
            token = other
        return first, 0

    def _is_last(self, text: "Writing", said: str) -> bool:
        """Whether no token may follow, although the text is not whole."""
        return len(text.written) + 1 == text.sampling.max_new_tokens and self.guide.ending(said) != ""

    def _end(self, base: Base, more: str, ends: Sequence[int]) -> int:
        """The first token of what is left to write, the others of which are due; or an end."""
        first, *self.due = [*_tokens(base, more), ends[0]]
        return first

    def _cut(self, base: Base, text: "Writing", ends: Sequence[int]) -> tuple[int, int] | None:
        """End a text where an end was likeliest, in its second half, as `next` tells it; None where it cannot, and for
        one that is streamed. Where more is to follow, the last token that stays is written once more, so that the
        logits behind it are those of what stands."""
        count = len(text.written)
        places = [kept for kept in self.ends if kept >= _LEAST * count] if text.on_text is None else []
        for kept in sorted(places, key=lambda kept: -self.ends[kept]):
            more = self.guide.ending(base.decode(text.written[:kept]))
            if more is None or kept + len(_tokens(base, more)) > text.sampling.max_new_tokens:
                continue
            del text.chances[kept:]
            token = self._end(base, more, ends)
            if more:
                self.due.insert(0, token)
                kept -= 1
                token = text.written[kept]
            del text.written[kept:]
            return token, count - kept
        return None


def _tokens(base: Base, text: str) -> list[int]:
    if not text:
        return []
    with base.tokenizing:
        return list(base.tokenizer(text, add_special_tokens=False)["input_ids"])


def guided(
    base: Base, texts: Sequence["Writing"], logits: Tensor, tokens: list[int | None], ends: Sequence[int]
) -> list[tuple["Writing", int]]:
    """Change the chosen tokens of texts under a guide to those that they may go on with.

    logits: `[texts, vocabulary]`, of which the rows of these texts change. tokens: one for each text, None where its
    numbers were not finite. Returns the texts of which tokens were taken back, and how many.
    """
    taken_back = []
    for row, (text, token) in enumerate(zip(texts, tokens, strict=True)):
        if text.guided is not None and token is not None and ends:
            tokens[row], back = text.guided.next(base, text, logits[row], token, ends)
            if back:
                taken_back.append((text, back))
    return taken_back


def _parts(written: str, said: str) -> bool:
    """Whether what follows a text begins a new word, or a mark: every Chinese character does."""
    last, first = written[-1:], said[len(written) : len(written) + 1]
    return not (last.isalnum() and first.isalnum() and (last + first).isascii()) and bool(first)
