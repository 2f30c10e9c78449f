"""Names to answers: a hub, one base and its runtime behind four calls.

request     Analyze(["a", "b"], [text 0, text 1])
rows        text 0 for a, text 0 for b, text 1 for a, text 1 for b      each rendered by its adapter's recipe
answer      for each text the mean of its rows' probabilities, label by label; of a single adapter its own

A row's probabilities are its logits, calibrated and then blended with the adapter's baseline where it carries one.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import cycle
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from adapters import Adapter, Base, Limits, load_base
from adapters.errors import RepertoireError, RequestError
from adapters.format import Head, Quantization
from adapters.serving import Fetched, Resident, Runtime, Sampling, Ticket, Written
from adapters.serving import Request as Row
from adapters.slots import check_base
from hub.catalogue.trust import Trust
from hub.errors import HubError
from hub.hub import Hub, Version
from hub.registry.following import Followed, Following
from hub.registry.held import Held
from hub.registry.requests import (
    Analysis,
    Analyze,
    Answer,
    Ranked,
    Recommend,
    RefusedText,
    Request,
    Result,
    Texts,
    Write,
)
from hub.registry.writing import checked, none_kept, product_text, rules
from hub.storage.names import members, parse
from recipes.data import is_derived
from recipes.judge import Blend
from recipes.learn import encode_prompt, encode_texts
from recipes.measure import Calibration, violations
from recipes.options import Recipe
from recipes.tasks import recommendation, task_for

_WRITING_ROUNDS = 4


@dataclass(frozen=True)
class _Voice:
    """What a registry remembers of an adapter beside its weights. key: of its content; roles: the columns that its
    training rows had."""

    key: str
    task: str | None
    head: Head | None
    recipe: Recipe
    roles: tuple[str, ...]
    calibration: Calibration
    blend: Blend | None


_Voices = Mapping[str, _Voice]
"""A request's adapters, by the references that it gives: one, or the members of an ensemble."""


class Pending:
    """A request that was submitted: its answer on the way."""

    def __init__(
        self, registry: "Registry", request: Request, voices: _Voices, tickets: Sequence[Ticket]
    ) -> None:
        self.request = request
        self._registry = registry
        self._voices = voices
        self._tickets = tickets
        self._began = monotonic()

    def result(self, timeout: float | None = None) -> Result:
        """The answer, waited for at most `timeout` seconds. Raises the RepertoireError that stands in its place, and
        TimeoutError; the request goes on then."""
        ends = None if timeout is None else monotonic() + timeout
        found: list[Any] = []
        for ticket in self._tickets:
            try:
                found.append(ticket.result(None if ends is None else max(0.0, ends - monotonic())))
            except RepertoireError as error:
                found.append(error)
                break
        return self._registry._read(self.request, self._voices, found, monotonic() - self._began)

    def done(self) -> bool:
        """Whether the first draft of the answer is there. Texts that break a rule are drawn again in `result`."""
        return all(ticket.done() for ticket in self._tickets)

    def cancel(self) -> None:
        """Give the request up: what of it is not answered yet ends with Cancelled."""
        for ticket in self._tickets:
            ticket.cancel()


class Registry:
    """Loads adapters by reference (`client/campaign/task`, `...@production`, `...@3`) and answers with them.

    hub: a Hub or its folder. base: a loaded Base, or what `load_base` takes. limits: how much it takes on. trust: as
    `Hub` takes it, where `hub` is a folder. Any thread may call it.

    follow: names and aliases that were asked for once are known in memory from then on, and a thread watches where they
    point. Within a second of a move the new version is loaded and answers, between two requests, and nobody waits for
    it; one that cannot be loaded leaves the old one in its place (`following` says why). That is what a server wants,
    so it is the default; without it the hub is asked at each request, as is always done for `name@3`, and no thread
    runs. See `hub.registry.following`.

    Where `recommend` and `analyze` are given several references of one task and the same labels, these answer as one,
    by the mean of their probabilities; what one of them cannot answer, the ensemble does not.

    Raises NotInHub with near names, Untrusted, WrongBase with both fingerprints, RequestError for a request that does
    not fit the adapter, each with the member's reference in front where it speaks of one of an ensemble; `run` puts
    them in the place of the answer instead.
    """

    def __init__(
        self,
        hub: Hub | str | os.PathLike[str],
        base: Base | str = "starter",
        quantization: Quantization = "nf4",
        limits: Limits | None = None,
        follow: bool = True,
        trust: Trust | str | os.PathLike[str] | None = None,
    ) -> None:
        if isinstance(hub, Hub) and trust is not None:
            raise HubError("an open Hub has its own trust file; give it there: Hub(..., trust=...)")
        self.hub = hub if isinstance(hub, Hub) else Hub(hub, trust=trust)
        self.base = base if isinstance(base, Base) else load_base(base, quantization)
        self._versions: dict[str, Version] = {}
        self._runtime = Runtime(self.base, self._fetch, limits)
        self._voice = lru_cache(maxsize=1024)(self._read_voice)
        self._held = Held(self._runtime)
        self._following = Following(self.hub, self._prepare, self._held) if follow else None

    def recommend(
        self,
        reference: str | Sequence[str],
        user: str = "",
        ads: Sequence[str | Mapping[str, Any]] = (),
        features: Mapping[str, Any] | None = None,
    ) -> list[Ranked]:
        """The ads, the most likely to be clicked first."""
        return self._one(Recommend(reference, user, ads, features or {}))  # type: ignore[return-value]

    def analyze(
        self, reference: str | Sequence[str], texts: Sequence[str | Mapping[str, Any]] | str
    ) -> list[Analysis]:
        """One analysis per text."""
        return self._one(Analyze(reference, [texts] if isinstance(texts, str) else texts))  # type: ignore[return-value]

    def write(self, reference: str, product: str | Mapping[str, Any], n: int = 1, **options: Any) -> Texts:
        """`n` texts for a product, fewer where too many break the adapter's policy or a length limit; `refused` holds
        those that did. `options` as in `Write`. Raises RequestError where none keeps the rules."""
        return self._one(Write(reference, product, n, **options))  # type: ignore[return-value]

    def stream(self, reference: str, product: str | Mapping[str, Any], **options: Any) -> Iterator[str]:
        """One text for a product, in pieces as they are written; `options` as in `Write`. Put together they are what
        `write` gives where that draws once. A stream that is closed early gives its request up.

        Raises RequestError as soon as the text breaks a rule: what was shown cannot be drawn again. See
        `hub.registry.writing.checked`.
        """
        request = Write(reference, product, 1, **options)
        voices = self._find(request)
        (voice,) = voices.values()
        rows = [replace(row, stream=True) for row in self._rows(request, voices)]
        policy, about = rules(request, voice.recipe), product_text(request, voice.recipe)
        (ticket,) = self._runtime.submit(rows)
        try:
            yield from checked(ticket, about, policy)
        finally:
            ticket.cancel()

    def publish(self, adapter: Adapter | str | os.PathLike[str], name: str, **options: Any) -> Version:
        """Publish an adapter, or a PEFT directory, to this registry's hub, checked against its base; see `Hub.publish`.
        The next request for its name is answered by it."""
        version = self.hub.publish(adapter, name, **{"base": self.base} | options)
        if self._following is not None:
            self._following.look(name)
        return version

    def run(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer requests for any adapters and tasks in one mixed batch. What one request gets wrong is its
        own answer: a RepertoireError in its place, and the others are answered."""
        answers: list[Answer] = [[] for _ in requests]
        waiting: list[tuple[int, Request, _Voices, list[Row]]] = []
        for place, request in enumerate(requests):
            try:
                voices = self._find(request)
                waiting.append((place, request, voices, self._rows(request, voices)))
            except RepertoireError as error:
                answers[place] = error
        began = monotonic()
        found = iter(self._runtime.run([row for *_, rows in waiting for row in rows]))
        for place, request, voices, rows in waiting:
            results = [next(found) for _ in rows]
            try:
                answers[place] = self._read(request, voices, results, monotonic() - began)
            except RepertoireError as error:
                answers[place] = error
        return answers

    def submit(self, request: Request) -> Pending:
        """Put a request in the queue and go on. Raises as the class says, and Busy where too much of its client
        waits."""
        voices = self._find(request)
        return Pending(self, request, voices, self._runtime.submit(self._rows(request, voices)))

    def load(self, reference: str, pin: bool = False) -> None:
        """Bring an adapter into a slot before anybody asks for it; with `pin` it stays there. Where a name or an alias
        is followed, what it means later is brought in and pinned in its turn, and the old one let go. Raises NotInHub,
        WrongBase, Damaged, and AdapterError where every slot is pinned."""
        self._held.bring(str(parse(reference)), self._key(reference), pin)

    def pin(self, reference: str) -> None:
        """`load`, to stay."""
        self.load(reference, pin=True)

    def unpin(self, reference: str) -> None:
        """Let a pinned adapter leave again when its slot is needed."""
        self._held.let_go(self._key(reference))

    def unload(self, reference: str) -> None:
        """Let an adapter go from slot and memory. Waits for its last running row; later requests load it again."""
        key = self._key(reference)
        self._held.let_go(key)
        self._runtime.unload(key)

    def following(self) -> list[Followed]:
        """The names and aliases that are followed: which version answers, and which one should and why it does not."""
        return [] if self._following is None else self._following.report()

    def residency(self) -> list[Resident]:
        """Which adapters are in a slot, in host memory or on their way, the least recently used first."""
        return [
            replace(found, adapter=self._versions[found.adapter].reference)
            for found in self._runtime.residency()
        ]

    def state(self) -> dict[str, Any]:
        """Counters and times since the start (see `adapters.serving.Counters`), how many requests wait and are written
        now, and of what is followed: how many references, their moves, and which are behind and why. Plain JSON."""
        found = self.following()
        behind = {each.reference: each.behind for each in found if each.behind is not None}
        moves = sum(each.moves for each in found)
        return self._runtime.state() | {
            "following": {"references": len(found), "moves": moves, "behind": behind}
        }

    def close(self) -> None:
        """End every request with Cancelled, and leave the base as it was found."""
        if self._following is not None:
            self._following.close()
        self._runtime.close()

    def _one(self, request: Request) -> Answer:
        answer = self.run([request])[0]
        if isinstance(answer, RepertoireError):
            raise answer
        return answer

    def _key(self, reference: str) -> str:
        """The content key of what a reference means now. Keyed by content, never by name: a name that moves on never
        answers from what it named before. Raises Untrusted, also for content that is loaded for another version."""
        version = (self._following.version if self._following else self.hub.resolve)(reference)
        self.hub.check_signed(version)
        self._versions[version.digest] = version
        return version.digest

    def _prepare(self, version: Version) -> None:
        """Bring a version into host memory, checked, before a request names it. Raises what loading it raises."""
        self.hub.check_signed(version)
        key = version.digest
        self._versions.setdefault(key, version)
        self._voice(key)
        if not self._runtime.holds(key):  # it was here before, and its weights have left meanwhile
            self._runtime.offer(key, self._fetch(key))

    def _find(self, request: Request) -> _Voices:
        """What is known of the adapters that a request names."""
        references = members(request.reference)
        if len(references) > 1 and isinstance(request, Write):
            raise RequestError("several adapters cannot write one text together; name one of them")
        voices: dict[str, _Voice] = {}
        for reference in references:
            with _naming(reference, references):
                voice = self._member(reference, request)
            same = [other for other, known in voices.items() if known.key == voice.key]
            if same:
                raise RequestError(f"{same[0]} and {reference} are the same adapter; name it once")
            voices[reference] = voice
        _check_labels(voices)
        return voices

    def _member(self, reference: str, request: Request) -> _Voice:
        key = self._key(reference)
        voice = self._voice(key)
        wanted = {"Recommend": "recommendation", "Analyze": "behavior", "Write": "ad-copy"}[
            type(request).__name__
        ]
        if voice.task != wanted and not (
            voice.task is None and (voice.head is None) == (wanted == "ad-copy")
        ):
            raise RequestError(
                f"{self._versions[key].reference} does {voice.task}, not {wanted}; use the call for {voice.task}"
            )
        return voice

    def _fetch(self, key: str) -> Fetched:
        return self.hub.fetch(self._versions[key])

    def _read_voice(self, key: str) -> _Voice:
        """Read an adapter for what must be known before its first row, and hand its weights on to the runtime."""
        fetched = self._fetch(key)
        adapter = fetched.adapter
        check_base(adapter, self.base)
        self._runtime.offer(key, fetched)
        saved = adapter.info.get("recipe")
        task = adapter.task or ("ad-copy" if adapter.head is None else "behavior")
        recipe = Recipe.from_dict(saved) if saved else Recipe.load(task)
        roles = tuple(adapter.info.get("data", {}).get("roles", ("user", "ad")))
        calibration, head = Calibration.from_info(adapter.info), adapter.head
        blend = Blend.from_info(adapter.info, len(head.labels), head.multi_label) if head else None
        return _Voice(key, adapter.task, head, recipe, roles, calibration, blend)

    def _rows(self, request: Request, voices: _Voices) -> list[Row]:
        """The rows of a request, as the module's first lines draw them."""
        if isinstance(request, Write):
            (voice,) = voices.values()
            rules(request, voice.recipe)  # what is wrong with them is told before anything is written
            return self._draws(request, voice, 0)
        of_each = []
        for reference, voice in voices.items():
            with _naming(reference, voices):
                of_each.append(self._texts(request, voice, _client(reference)))
        return [row for together in zip(*of_each, strict=True) for row in together]

    def _texts(self, request: Recommend | Analyze, voice: _Voice, client: str) -> list[Row]:
        """One row of one adapter for each ad or text."""
        rows = _fields(request, voice)
        _check_features(voice.recipe, rows)
        texts = _rendered(rows, voice.recipe)
        if not texts:
            raise RequestError("nothing to answer; give at least one ad or text")
        return [
            Row(voice.key, ids, client=client, deadline=request.deadline)
            for ids in encode_texts(self.base, voice.recipe, texts)
        ]

    def _draws(self, request: Write, voice: _Voice, round_: int) -> list[Row]:
        ids = encode_prompt(self.base, voice.recipe, product_text(request, voice.recipe))
        own = voice.recipe.write
        temperature = own.temperature if request.temperature is None else request.temperature
        if temperature == 0 and (request.n > 1 or round_ > 0):
            temperature = 0.8
        how = Sampling(
            request.max_new_tokens or own.max_new_tokens,
            temperature,
            own.top_p if request.top_p is None else request.top_p,
            own.top_k if request.top_k is None else request.top_k,
            repetition_penalty=request.repetition_penalty or own.repetition_penalty,
            stop=tuple(own.stop if request.stop is None else request.stop),
        )
        return [
            Row(voice.key, ids, replace(how, seed=seed), _client(request.reference), request.deadline)
            for seed in range(request.seed + round_ * request.n, request.seed + (round_ + 1) * request.n)
        ]

    def _read(self, request: Request, voices: _Voices, results: Sequence[Any], passed: float) -> Result:
        """The answer of a request from its rows' answers. passed: seconds since it was sent. Raises the first error
        among them."""
        for result, reference in zip(results, cycle(voices), strict=False):
            if isinstance(result, RepertoireError):
                with _naming(reference, voices):
                    raise result
        first = next(iter(voices.values()))
        if isinstance(request, Write):
            return self._fitting(request, first, results, passed)
        head = _head(first)
        means = _means(
            [
                _shares(request, voice, results[place :: len(voices)])
                for place, voice in enumerate(voices.values())
            ]
        )
        if isinstance(request, Recommend):
            ranked = [Ranked(ad, mean[head.labels[-1]]) for ad, mean in zip(request.ads, means, strict=True)]
            return sorted(ranked, key=lambda item: -item.probability)
        analyses = []
        for text, mean in zip(request.texts, means, strict=True):
            top = max(mean, key=lambda label: mean[label])
            chosen = tuple(label for label, p in mean.items() if p > 0.5) if head.multi_label else (top,)
            analyses.append(Analysis(text, chosen, mean))
        return analyses

    def _fitting(self, request: Write, voice: _Voice, results: Sequence[Any], passed: float) -> Texts:
        """The texts that keep the policy and the length limit; the others are refused, and drawn again a few times."""
        policy, product = rules(request, voice.recipe), product_text(request, voice.recipe)
        began = monotonic() - passed
        kept: list[str] = []
        refused: list[RefusedText] = []
        for round_ in range(_WRITING_ROUNDS):
            if round_ > 0:
                left = None if request.deadline is None else began + request.deadline - monotonic()
                if len(kept) >= request.n or (left is not None and left <= 0):
                    break
                results = self._runtime.run(self._draws(replace(request, deadline=left), voice, round_))
            for text in (result.text for result in results if isinstance(result, Written)):
                if broken := violations(text, product, policy):
                    refused.append(RefusedText(text, tuple(broken)))
                else:
                    kept.append(text)
        if not kept:
            raise none_kept(request.reference, refused)
        return Texts(kept[: request.n], refused)


@contextmanager
def _naming(reference: str, among: Collection[str]) -> Iterator[None]:
    """In an ensemble, an error says whose it is."""
    try:
        yield
    except RepertoireError as error:
        if len(among) == 1:
            raise
        named = copy(error)
        named.args = (f"{reference}: {error}",)
        raise named from error


def _client(reference: str) -> str:
    return reference.split("/", 1)[0]


def _head(voice: _Voice) -> Head:
    assert voice.head is not None
    return voice.head


def _check_labels(voices: _Voices) -> None:
    """Probabilities are averaged by label: each member must have every label. Raises RequestError."""
    (one, first), *others = voices.items()
    for other, voice in others:
        own, theirs = _head(first), _head(voice)
        if own.multi_label != theirs.multi_label:
            several, single = (one, other) if own.multi_label else (other, one)
            raise RequestError(
                f"{several} may give a text several labels, {single} gives one; name adapters of one kind"
            )
        if odd := sorted({*own.labels} ^ {*theirs.labels}):
            raise RequestError(
                f"{one} and {other} have different labels (only one of them has {', '.join(odd)}); adapters answer as "
                "one where all have the same labels, in any order"
            )


def _shares(request: Recommend | Analyze, voice: _Voice, logits: Sequence[Tensor]) -> list[dict[str, float]]:
    """Label -> probability, of one adapter for each ad or text. logits: `[labels]` of each."""
    head, blend = _head(voice), voice.blend
    if blend is None:
        found = [voice.calibration.apply(own, head.multi_label).tolist() for own in logits]
    else:
        rows = _fields(request, voice)
        calibrated = voice.calibration.apply(torch.stack([*logits]).double().cpu(), head.multi_label)
        found = blend.apply(calibrated, _rendered(rows, voice.recipe), rows, head.multi_label).tolist()
    return [dict(zip(head.labels, probabilities, strict=True)) for probabilities in found]


def _means(shares: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float]]:
    """For each text, label -> the mean of what the members give it, in the first one's order. shares: by member."""
    return [
        {label: sum(share[label] for share in each) / len(each) for label in each[0]}
        for each in zip(*shares, strict=True)
    ]


def _fields(request: Recommend | Analyze, voice: _Voice) -> list[dict[str, str]]:
    """Each ad's or text's columns, as a training row had them, with what its history says."""
    if isinstance(request, Recommend):
        rows = [_columns(request, ad, voice.roles) for ad in request.ads]
    else:
        rows = [_as_text(text if isinstance(text, Mapping) else {"text": text}) for text in request.texts]
    history = voice.recipe.data.history
    return [{**row, **recommendation.derived(row, history)} for row in rows]


def _rendered(rows: Sequence[Mapping[str, str]], recipe: Recipe) -> list[str]:
    return [task_for(recipe.task).render(row, recipe) for row in rows]


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
