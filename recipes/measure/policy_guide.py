"""A policy as the rules that a text keeps while it is written (`adapters.serving.Guide`).

    banned     no token that would complete a term; where an allowed phrase begins with one, only the phrase goes on
    facts      once a number begins, only what begins a number of the product; no token that completes a value which is
               another product's, a denial of a yes, or a mention of a no
    limits     no token over the limit: the text ends before, between two words
    required   what is missing is written at the end, and room is kept for it
    named      no end before each value is named

All of it is `violations`, asked of the text so far, so that what is written keeps the policy by the same words. A word
that goes on from a banned term ("bestow" from "best") is written only where one token holds it. A value of the product
that is denied is left to be refused: behind "it is not located near" no token makes a good text any more.
"""

from typing import Literal

from recipes.measure.policy import (
    Policy,
    Violation,
    begins_number,
    begins_phrase,
    missing,
    violations,
    width,
)


class PolicyGuide:
    """The rules for one product's text. product: its text, as `ad_copy.render` makes it."""

    def __init__(self, product: str, policy: Policy) -> None:
        self._product, self._policy = product, policy

    def begins(self, text: str) -> Literal["yes", "no", "too long"]:
        """Whether a text that keeps the policy may begin so."""
        text = text.rstrip("\ufffd")
        for found in violations(text, self._product, self._policy):
            if found.kind in ("banned", "unsupported") and not self._may_change(found, text):
                return "no"
        whole = text.strip() + self._left(text)
        over = any(width(whole, limit.double) > limit.most for limit in self._policy.limits)
        return "too long" if over else "yes"

    def ending(self, text: str) -> str | None:
        """The disclaimers that are missing; None where a text breaks a rule as it stands."""
        left = self._left(text)
        found = violations(text.strip() + left, self._product, self._policy)
        return left if all(each.kind == "denied" for each in found) else None

    def _left(self, text: str) -> str:
        text = text.strip()
        left = missing(text, self._policy)
        if not left:
            return ""
        between = "" if not text or width(text[-1], double=True) == 2 else " "
        return between + " ".join(left)

    def _may_change(self, found: Violation, text: str) -> bool:
        """Whether a violation of the beginning of a text may become none."""
        assert found.where is not None, "only what is missing stands nowhere"
        start, _ = found.where
        if begins_phrase(start, text, self._policy):
            return True
        return found.kind == "unsupported" and begins_number(text[start:], self._product)
