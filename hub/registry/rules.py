"""The rules of texts: that none keeps them, and of a streamed one what may be shown so far."""

from collections.abc import Sequence

from adapters.errors import RequestError
from hub.registry.requests import RefusedText
from recipes.measure import Policy, Violation, stays, violations


class Broken(RequestError):
    """A streamed text broke a rule, and ended there. reasons: every rule that it breaks; text: as far as it came."""

    def __init__(self, text: str, reasons: Sequence[Violation]) -> None:
        super().__init__(
            f"the text breaks a rule: {'; '.join(map(str, reasons))}; write without a stream, so that it is drawn "
            "again, or loosen the rule (max_chars, policy)"
        )
        self.text = text
        self.reasons = tuple(reasons)


class NoneKept(RequestError):
    """No text keeps the rules. refused: every one that was written, with what it breaks."""

    def __init__(self, message: str, refused: Sequence[RefusedText] = ()) -> None:
        super().__init__(message)
        self.refused = tuple(refused)


class Watched:
    """A text that grows under a policy.

    A term or number that may still become a lawful one ("best" in "bestow") is held back until that is known, so that
    no refused one is shown whole. Whether a disclaimer is missing is known only at the end.
    """

    def __init__(self, product: str, policy: Policy) -> None:
        self._product, self._policy = product, policy
        self._text, self._shown = "", 0

    def add(self, piece: str) -> str:
        """What may be shown now. Raises Broken as soon as the text breaks a rule however it goes on."""
        self._text += piece
        found = violations(self._text, self._product, self._policy)
        if sure := [each for each in found if stays(each, self._text, self._policy)]:
            raise Broken(self._text, sure)
        # What an allowed phrase at the end excuses is held back too: with more letters it may be none.
        found += violations(self._text + "x", self._product, self._policy)
        return self._upto(min((each.where[0] for each in found if each.where is not None), default=None))

    def end(self) -> str:
        """What is left to be shown of the whole text. Raises Broken."""
        if broken := violations(self._text, self._product, self._policy):
            raise Broken(self._text, broken)
        return self._upto(None)

    def _upto(self, end: int | None) -> str:
        new = self._text[self._shown : end]
        self._shown += len(new)
        return new
