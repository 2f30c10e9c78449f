"""Requests for texts: drafts, the rules of which may be given, and how it is told that none may."""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from adapters import Base
from adapters.errors import RepertoireError, RequestError
from adapters.serving import Completion, Sampling
from adapters.serving import Request as Row
from hub.registry.counting import told_of
from hub.registry.labelling import Member
from hub.registry.requests import MOST_TEXTS, RefusedText, Texts, Write
from hub.registry.rules import NoneKept, Watched
from recipes import Recipe
from recipes.answer import chosen, draws, seeded, warm
from recipes.errors import RecipeError
from recipes.measure import Kind, Limit, Policy, PolicyGuide, violations
from recipes.options import read_policy

_ROUNDS = 4  # of drafts
_REMEDIES: Mapping[Kind, str] = {
    "banned": "train the adapter on texts without such terms, or allow what is meant in its recipe's write.policy",
    "denied": "train the adapter on texts that deny nothing of their products",
    "missing": "train the adapter on texts that hold the disclaimer",
    "too long": "raise max_chars or the policy's limit, or train the adapter on shorter texts",
    "unsupported": "give the product's facts in the request, or train the adapter on texts true to their products",
    "unnamed": "name fewer columns in policy.named, or leave more room (max_new_tokens, limits)",
}

Drawing = Generator[list[Row], Any, Texts]
"""Further drafts, which are yielded and their results sent back, and the texts that come of all."""


class Drafting:
    """A `Write` on its way. rows: what the runtime is asked for its first drafts. Drafts keep the rules of the adapter
    and of the request as they are written (`PolicyGuide`); one that breaks a rule all the same, such as at the limit of
    tokens, is never given. Of several drafts of one text the one is given that is most like the others; a text that has
    none left is drawn again a few times, one draft at a time.

    run: asks the runtime for further drafts. Raises RequestError for a policy that is wrong, and for too many drafts,
    and as `Voice.read`.
    """

    def __init__(
        self, request: Write, member: Member, base: Base, run: Callable[[list[Row]], list[Any]]
    ) -> None:
        self._request, self._member, self._base, self._run = request, member, base, run
        self._policy = _rules(request, member.voice.recipe).knowing(member.voice.sayings)
        product = request.product if isinstance(request.product, Mapping) else {"product": request.product}
        (reading,) = member.voice.read([product])
        (self._ids,) = member.voice.tokens(base, [reading])
        self._product = reading.text
        own = member.voice.recipe.write.drafts
        self._of_each = own if request.drafts is None else request.drafts
        if request.n * self._of_each > MOST_TEXTS:
            whose = "its recipe's" if request.drafts is None else "asked for"
            raise RequestError(
                f"{request.n} texts, each of {self._of_each} drafts ({whose}); at most {MOST_TEXTS} are written for "
                "one request; ask for fewer texts, or give drafts"
            )
        self._began = monotonic()
        self.rows = self._drafts(0, request.deadline)

    @property
    def members(self) -> Mapping[str, Member]:
        """The adapter that writes, by its reference."""
        return {self._request.reference: self._member}

    @property
    def is_quick(self) -> bool:
        """Whether its answer takes but a moment: no text is looked at, and no token is put in words."""
        return not self._policy and self._request.logprobs is None and self._of_each == 1

    def answer(self, results: Sequence[Any]) -> Texts:
        """The texts that keep the policy and the length limit. results: of `rows`. Raises RequestError where none
        does, and the first error among the results."""
        drawing = self.drawing(results)
        step = next_step(drawing, None)
        while not isinstance(step, Texts):
            step = next_step(drawing, self._run(step))
        return step

    def drawing(self, results: Sequence[Any]) -> Drawing:
        """As `answer`, but whoever asks also runs the further drafts; see `next_step`."""
        if errors := [result for result in results if isinstance(result, RepertoireError)]:
            raise errors[0]
        given: list[Completion] = []
        tokens = 0
        refused: list[RefusedText] = []
        for round_ in range(_ROUNDS):
            of_each = self._of_each
            if round_ > 0:
                deadline = self._request.deadline
                left = None if deadline is None else self._began + deadline - monotonic()
                if len(given) >= self._request.n or (left is not None and left <= 0):
                    break
                results, of_each = (yield self._drafts(round_, left)), 1
            for first in range(0, len(results), of_each):
                kept: list[Completion] = []
                for result in results[first : first + of_each]:
                    if not isinstance(result, Completion):
                        continue
                    tokens += len(result.ids)
                    if broken := violations(result.text, self._product, self._policy):
                        refused.append(RefusedText(result.text, tuple(broken)))
                    else:
                        kept.append(result)
                if kept:
                    given.append(kept[chosen([each.text for each in kept])])
        if not given:
            raise none_kept(self._request.reference, refused)
        given = given[: self._request.n]
        told = [told_of(each, self._base) for each in given]
        return Texts([each.text for each in given], refused, told, len(self._ids), tokens)

    def watched(self) -> Watched:
        """What looks at a streamed draft while it grows."""
        return Watched(self._product, self._policy)

    def _drafts(self, round_: int, deadline: float | None) -> list[Row]:
        """Those of each text one after another; of later rounds one for each. First ones have the seeds that they have
        without others, whose seeds follow."""
        request, own = self._request, self._member.voice.recipe.write
        of_each = self._of_each if round_ == 0 else 1
        first = request.seed + (0 if round_ == 0 else (self._of_each + round_ - 1) * request.n)
        how = Sampling(
            own.max_new_tokens if request.max_new_tokens is None else request.max_new_tokens,
            own.temperature if request.temperature is None else request.temperature,
            own.top_p if request.top_p is None else request.top_p,
            own.top_k if request.top_k is None else request.top_k,
            request.seed,
            repetition_penalty=(
                own.repetition_penalty if request.repetition_penalty is None else request.repetition_penalty
            ),
            stop=tuple(own.stop if request.stop is None else request.stop),
            logprobs=request.logprobs,
            min_p=own.min_p if request.min_p is None else request.min_p,
        )
        if request.n > 1 or round_ > 0:
            how = warm(how, request.min_p)
        guide = PolicyGuide(self._product, self._policy) if self._policy else None
        row = Row(self._member.key, self._ids, how, self._member.client, deadline, guide=guide)
        others = first + request.n
        return [
            replace(row, sampling=each)
            for at in range(request.n)
            for each in draws(seeded(how, first + at), of_each, others + at * (of_each - 1), request.min_p)
        ]


def _rules(request: Write, recipe: Recipe) -> Policy:
    """The rules of the adapter's recipe and of the request together, the limit in characters among them.

    Raises RequestError for a policy that is wrong, that would loosen the adapter's, or that no text could keep.
    """
    given = {} if request.policy is None else request.policy
    if not isinstance(given, Mapping):
        raise RequestError(f'policy is {given!r}; write a mapping such as {{"banned": ["cheap"]}}')
    if "allowed" in given:
        raise RequestError("policy.allowed: a request can only add rules; allow it in the adapter's recipe")
    most = recipe.write.max_chars if request.max_chars is None else request.max_chars
    limit = Policy(limits=() if most is None else (Limit(most),))
    try:
        return recipe.write.policy.rules().tightened(read_policy(given).rules()).tightened(limit)
    except RecipeError as error:
        raise RequestError(str(error)) from None


def next_step(drawing: Drawing, results: Sequence[Any] | None) -> list[Row] | Texts:
    """The next drafts of a drawing, or the texts that it ends with. results: of the drafts before; None at first."""
    try:
        return drawing.send(results)
    except StopIteration as ended:
        texts: Texts = ended.value
        return texts


def none_kept(reference: str, refused: Sequence[RefusedText]) -> NoneKept:
    """Why no text can be given: how many broke which kind of rule, the text that broke the fewest, what to do."""
    kinds = Counter(kind for each in refused for kind in sorted({reason.kind for reason in each.reasons}))
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    nearest = min(refused, key=lambda each: (len(each.reasons), len(each.text)))
    return NoneKept(
        f"none of {len(refused)} texts by {reference} keeps the rules: {counted}. The nearest is "
        f"{nearest.text!r}: {'; '.join(map(str, nearest.reasons))}. To get one, "
        f"{'; '.join(_REMEDIES[kind] for kind, _ in kinds.most_common())}",
        refused,
    )
