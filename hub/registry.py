"""Names to answers: a hub, one base and its runtime behind four calls."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from adapters import Adapter, Base, load_base
from adapters.base import Quantization
from adapters.config import Head
from adapters.errors import RepertoireError, RequestError
from adapters.generate import Sampling
from adapters.runtime import Request as Row
from adapters.runtime import Runtime
from adapters.slots import check_base
from hub.hub import Hub, Version
from recipes.columns import is_derived
from recipes.encode import encode_prompt, encode_texts
from recipes.predict import to_probabilities
from recipes.recipe import Recipe
from recipes.tasks import task_for

_WRITING_ROUNDS = 4


@dataclass(frozen=True)
class Recommend:
    """Rank `ads` for a `user`. `features` are further columns that the adapter's recipe renders into the text.

    An ad is its text, or a mapping of columns of its own. For an adapter trained on one ready `text` column, an
    "ad" is that text, and there is no user.
    """

    reference: str
    user: str
    ads: Sequence[str | Mapping[str, Any]]
    features: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Analyze:
    """Label texts; a text may be a mapping of columns, for adapters whose recipe renders several."""

    reference: str
    texts: Sequence[str | Mapping[str, Any]]


@dataclass(frozen=True)
class Write:
    """Write `n` texts for a product, given as text or as columns. What is left out comes from the adapter's recipe.

    max_chars: texts over it are drawn again, never cut. More than one text needs a temperature above 0 (0.8
    unless given).
    """

    reference: str
    product: str | Mapping[str, Any]
    n: int = 1
    max_chars: int | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int = 0


Request = Recommend | Analyze | Write


@dataclass(frozen=True)
class Ranked:
    """One ad, as it was given, with its click (or conversion) probability."""

    ad: str | Mapping[str, Any]
    probability: float


@dataclass(frozen=True)
class Analysis:
    """One text's most likely label (for several labels a text: all over one half), and every label's probability."""

    text: str | Mapping[str, Any]
    labels: tuple[str, ...]
    probabilities: Mapping[str, float]

    @property
    def label(self) -> str:
        """The most likely label."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])


Answer = list[Ranked] | list[Analysis] | list[str] | RepertoireError


@dataclass(frozen=True)
class _Voice:
    """What a registry remembers of an adapter beside its weights. roles: the columns that its training rows had."""

    task: str | None
    head: Head | None
    recipe: Recipe
    roles: tuple[str, ...]


class Registry:
    """Loads adapters by reference (`client/campaign/task`, `...@production`, `...@3`) and answers with them.

    hub: a Hub or its folder. base: a loaded Base, or what `load_base` takes. slots: how many adapters stay resident.
    Raises NotInHub with near names, WrongBase with both fingerprints, RequestError for a request that does not fit the
    adapter; `run` puts them in the place of the answer instead.
    """

    def __init__(
        self,
        hub: Hub | str | os.PathLike[str],
        base: Base | str = "starter",
        quantization: Quantization = "nf4",
        slots: int = 16,
    ) -> None:
        self.hub = hub if isinstance(hub, Hub) else Hub(Path(hub))
        self.base = base if isinstance(base, Base) else load_base(base, quantization)
        self._versions: dict[str, Version] = {}
        self._runtime = Runtime(self.base, self._fetch, slots)
        self._voice = lru_cache(maxsize=1024)(self._read_voice)

    def recommend(
        self,
        reference: str,
        user: str = "",
        ads: Sequence[str | Mapping[str, Any]] = (),
        features: Mapping[str, Any] | None = None,
    ) -> list[Ranked]:
        """The ads, the most likely to be clicked first."""
        return self._one(Recommend(reference, user, ads, features or {}))  # type: ignore[return-value]

    def analyze(self, reference: str, texts: Sequence[str | Mapping[str, Any]] | str) -> list[Analysis]:
        """One analysis per text."""
        return self._one(Analyze(reference, [texts] if isinstance(texts, str) else texts))  # type: ignore[return-value]

    def write(
        self, reference: str, product: str | Mapping[str, Any], n: int = 1, **options: Any
    ) -> list[str]:
        """`n` texts for a product; `options` as in `Write`."""
        return self._one(Write(reference, product, n, **options))  # type: ignore[return-value]

    def publish(self, adapter: Adapter | str | os.PathLike[str], name: str, **options: Any) -> Version:
        """Publish an adapter, or a PEFT directory, to this registry's hub; see `Hub.publish`."""
        return self.hub.publish(adapter, name, **options)

    def resident(self) -> tuple[str, ...]:
        """References of the adapters whose weights lie in slots."""
        return tuple(self._versions[key].reference for key in self._runtime.resident())

    def run(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer requests for any adapters and tasks in one mixed batch. What one request gets wrong is its
        own answer: a RepertoireError in its place, and the others are answered."""
        answers: list[Answer] = [[] for _ in requests]
        waiting: list[tuple[int, Request, _Voice, list[Row]]] = []
        for place, request in enumerate(requests):
            try:
                key, voice = self._find(request)
                waiting.append((place, request, voice, self._rows(request, key, voice)))
            except RepertoireError as error:
                answers[place] = error
        found = iter(self._runtime.run([row for *_, rows in waiting for row in rows]))
        for place, request, voice, rows in waiting:
            results = [next(found) for _ in rows]
            fault = next((result for result in results if isinstance(result, RepertoireError)), None)
            try:
                answers[place] = fault or self._read(request, voice, rows, results)
            except RepertoireError as error:
                answers[place] = error
        return answers

    def close(self) -> None:
        """Leave the base as it was found."""
        self._runtime.close()

    def _one(self, request: Request) -> Answer:
        answer = self.run([request])[0]
        if isinstance(answer, RepertoireError):
            raise answer
        return answer

    def _find(self, request: Request) -> tuple[str, _Voice]:
        """The content key of the adapter that a request names, and what is known of it. Keyed by content,
        never by name: a name that moves on never answers from what it named before."""
        version = self.hub.resolve(request.reference)
        self._versions[version.digest] = version
        voice = self._voice(version.digest)
        wanted = {"Recommend": "recommendation", "Analyze": "behavior", "Write": "ad-copy"}[
            type(request).__name__
        ]
        if voice.task != wanted and not (
            voice.task is None and (voice.head is None) == (wanted == "ad-copy")
        ):
            raise RequestError(
                f"{version.reference} does {voice.task}, not {wanted}; use the call for {voice.task}"
            )
        return version.digest, voice

    def _fetch(self, key: str) -> Adapter:
        return self.hub.read(self._versions[key])

    def _read_voice(self, key: str) -> _Voice:
        adapter = self._fetch(key)
        check_base(adapter, self.base)
        saved = adapter.info.get("recipe")
        task = adapter.task or ("ad-copy" if adapter.head is None else "behavior")
        recipe = Recipe.from_dict(saved) if saved else Recipe.load(task)
        roles = tuple(adapter.info.get("data", {}).get("roles", ("user", "ad")))
        return _Voice(adapter.task, adapter.head, recipe, roles)

    def _rows(self, request: Request, key: str, voice: _Voice) -> list[Row]:
        recipe = voice.recipe
        if isinstance(request, Write):
            return self._draws(request, key, voice, 0)
        if isinstance(request, Recommend):
            rows = [_columns(request, ad, voice.roles) for ad in request.ads]
        else:
            rows = [_as_text(text if isinstance(text, Mapping) else {"text": text}) for text in request.texts]
        _check_features(recipe, rows)
        texts = [task_for(recipe.task).render(row, recipe) for row in rows]
        if not texts:
            raise RequestError("nothing to answer; give at least one ad or text")
        return [Row(key, ids) for ids in encode_texts(self.base, recipe, texts)]

    def _draws(self, request: Write, key: str, voice: _Voice, round_: int) -> list[Row]:
        recipe = voice.recipe
        product = request.product
        text = (
            product if isinstance(product, str) else task_for(recipe.task).render(_as_text(product), recipe)
        )
        ids = encode_prompt(self.base, recipe, text)
        temperature = recipe.write.temperature if request.temperature is None else request.temperature
        if temperature == 0 and (request.n > 1 or round_ > 0):
            temperature = 0.8
        how = [
            Sampling(
                request.max_new_tokens or recipe.write.max_new_tokens,
                temperature,
                recipe.write.top_p if request.top_p is None else request.top_p,
                seed=request.seed + round_ * request.n + draw,
            )
            for draw in range(request.n)
        ]
        return [Row(key, ids, sampling) for sampling in how]

    def _read(self, request: Request, voice: _Voice, rows: Sequence[Row], results: Sequence[Any]) -> Answer:
        if isinstance(request, Write):
            return self._fitting(request, voice, rows, results)
        head = voice.head
        assert head is not None
        shares = [_probabilities(result, head) for result in results]
        if isinstance(request, Recommend):
            ranked = [Ranked(ad, share[-1]) for ad, share in zip(request.ads, shares, strict=True)]
            return sorted(ranked, key=lambda item: -item.probability)
        analyses = []
        for text, share in zip(request.texts, shares, strict=True):
            by_label = dict(zip(head.labels, share, strict=True))
            top = max(by_label, key=lambda label: by_label[label])
            chosen = tuple(label for label, p in by_label.items() if p > 0.5) if head.multi_label else (top,)
            analyses.append(Analysis(text, chosen, by_label))
        return analyses

    def _fitting(
        self, request: Write, voice: _Voice, rows: Sequence[Row], results: Sequence[list[int]]
    ) -> list[str]:
        """The texts within the length limit; those over it are drawn again a few times."""
        limit = voice.recipe.write.max_chars if request.max_chars is None else request.max_chars
        key = rows[0].adapter
        assert key is not None
        fit: list[str] = []
        over: list[str] = []
        for round_ in range(_WRITING_ROUNDS):
            if round_:
                results = [
                    r
                    for r in self._runtime.run(self._draws(request, key, voice, round_))
                    if isinstance(r, list)
                ]
            for ids in results:
                text = self.base.text(ids)
                (fit if limit is None or len(text) <= limit else over).append(text)
            if len(fit) >= request.n:
                return fit[: request.n]
        if fit:
            return fit
        raise RequestError(
            f"none of {len(over)} texts by {request.reference} fits {limit} characters (the shortest has "
            f"{min(map(len, over))}); raise max_chars, or train the adapter on shorter texts"
        )


def _probabilities(logits: Tensor, head: Head) -> list[float]:
    return [float(value) for value in to_probabilities(logits, head.multi_label)]


def _columns(request: Recommend, ad: str | Mapping[str, Any], roles: Sequence[str]) -> dict[str, str]:
    """The columns of one user and ad, as a training row had them."""
    own = dict(ad) if isinstance(ad, Mapping) else {"text" if "text" in roles else "ad": ad}
    user = {"user": request.user} if "user" in roles else {}
    return _as_text({**user, **request.features, **own})


def _check_features(recipe: Recipe, rows: Sequence[Mapping[str, str]]) -> None:
    """A feature that was in every training text must not be missing from a request in silence."""
    named = recipe.data.features if isinstance(recipe.data.features, list) else []
    for row in rows:
        missing = [name for name in named if name not in row and not is_derived(recipe, name)]
        if missing:
            raise RequestError(
                f"this adapter reads the columns {', '.join(missing)} too; give them as features"
            )


def _as_text(columns: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in columns.items()}
