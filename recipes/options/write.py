"""How texts are written and what they may say: `write:`."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from recipes.errors import RecipeError
from recipes.measure.policy import Limit, Policy, conflicts, faults, normal, ready
from recipes.options.faults import sentence
from recipes.options.section import Section

MOST_DRAFTS = 32  # of one text, each of which is compared with each
# The longest texts of a responsive search ad (Google Ads), in characters; wide ones count two.
PLACEMENTS: Mapping[str, int] = {"headline": 30, "description": 90}


class PolicyOptions(Section):
    """`write.policy:` what a text may say; the evaluation measures how often the model keeps it by itself, and what
    breaks it is never given when the adapter is used.

    banned: the client's own terms; lists: ready ones, see `recipes.measure.policy`, whose `violations` says
    how terms are compared and what counts as one.
    allowed: phrases that are fine although a banned term or a number stands in them; a term of a ready list alone
    takes it out of the list.
    required: disclaimers, each of which must stand in every text; what they hold is never refused.
    placement: the length limit of an ad platform; max_width: one's own, in its place; double_width: wide characters,
    such as Chinese, count two.
    facts: refuse numbers, prices and percentages that the product's text does not hold, and values that are another
        product's as far as the training rows show how values are named.
    named: columns of the product, or `all`, each value of which every text must name in its own words.
    """

    banned: list[str] = Field(default_factory=list)
    lists: list[Literal["en-claims", "zh-absolute"]] = Field(default_factory=list)
    allowed: list[str] = Field(default_factory=list)
    required: list[str] = Field(default_factory=list)
    placement: Literal["headline", "description"] | None = None
    max_width: int | None = Field(default=None, ge=1)
    double_width: bool = True
    facts: bool = False
    named: list[str] | Literal["all"] = Field(default_factory=list)

    @field_validator("banned", "lists", "allowed", "required", "named")
    @classmethod
    def _real_terms(cls, terms: list[str] | str) -> list[str] | str:
        if isinstance(terms, list) and (wrong := faults(terms)):
            raise ValueError("; ".join(wrong))
        return terms

    @field_validator("named")
    @classmethod
    def _all_is_no_column(cls, named: list[str] | str) -> list[str] | str:
        if isinstance(named, list) and "all" in named:
            raise ValueError("holds `all` among columns; write named: all")
        return named

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        wrong = conflicts(self.rules())
        banned = {normal(term) for term in self.banned}
        wrong += [
            f"{each!r} is banned and allowed; keep one" for each in self.allowed if normal(each) in banned
        ]
        if self.allowed and not (self.banned or self.lists or self.facts):
            wrong.append("allowed is only read where something is refused; give banned, lists or facts too")
        if self.placement is not None and self.max_width is not None:
            wrong.append("placement and max_width both set the limit; keep one")
        if not self.double_width and self.placement is None and self.max_width is None:
            wrong.append("double_width is only read where there is a limit; give max_width, or leave it out")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def rules(self) -> Policy:
        """The policy with its lists read and its placement in characters."""
        lists = [ready(name) for name in self.lists]
        terms = [*self.banned, *(term for each in lists for term in each.banned)]
        taken_out = {normal(phrase) for phrase in self.allowed}
        most = self.max_width if self.placement is None else PLACEMENTS[self.placement]
        return Policy(
            tuple(term for term in terms if normal(term) not in taken_out),
            (*self.allowed, *(phrase for each in lists for phrase in each.allowed)),
            tuple(self.required),
            () if most is None else (Limit(most, self.double_width),),
            self.facts,
            () if self.named == "all" else tuple(self.named),
            self.named == "all",
        )


class WriteOptions(Section):
    """`write:` ad-copy only; how texts are written in the evaluation, and the default when the adapter is used.

    evaluated: the most test products that are written for the metrics (the loss is measured on all).
    max_new_tokens: the longest text, in tokens. max_chars: the longest in characters; null is no limit.
    temperature: 0 writes the likeliest words. top_p: draw among the likeliest tokens that together have so much.
    top_k: draw among so many; 0 is off. min_p: among those at least so likely as this share of the likeliest; 0 is off.
    repetition_penalty: above 1 repeats less; 1 is off.
    stop: the text ends before the first of these strings. policy: see PolicyOptions.
    drafts: how many are written of each text; the one that is most like the others is given.
    """

    evaluated: int = Field(default=200, ge=1)
    max_new_tokens: int = Field(default=64, ge=1)
    max_chars: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    min_p: float = Field(default=0.0, ge=0, le=1)
    repetition_penalty: float = Field(default=1.0, gt=0)
    stop: list[str] = Field(default_factory=list)
    drafts: int = Field(default=1, ge=1, le=MOST_DRAFTS)
    policy: PolicyOptions = PolicyOptions()

    @model_validator(mode="after")
    def _disclaimers_fit(self) -> Self:
        long = [text for text in self.policy.required if len(text) > (self.max_chars or len(text))]
        if long:
            raise ValueError(
                f"policy requires {long[0]!r}, which is over max_chars {self.max_chars}; raise max_chars"
            )
        return self


def read_policy(content: Mapping[str, Any]) -> PolicyOptions:
    """A policy by itself, with the keys of `write.policy`. Raises RecipeError with all problems at once."""
    try:
        return PolicyOptions.model_validate(dict(content))
    except ValidationError as error:
        problems = [f"policy.{sentence(fault, PolicyOptions)}" for fault in error.errors()]
    # Not within the block: see `adapters.fields.check_fields`.
    raise RecipeError(problems)
