"""What `benchmarks.soak` asks: adapters of all kinds, mixed requests for them, and what each answers alone.

fixed/a3/behavior         a version that never moves: one content
moving/a1/behavior        aliases move over several contents; any that it ever meant is right
spoiled/a0/behavior       its bytes are damaged and mended again and again: right, or told
gone/...                  purged again and again: the error of a name that is not there, or right
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, isclose, nan
from typing import Any

import torch

from adapters import Adapter, Base, BaseId, Head, Limits, Lora, Prefix, RepertoireError, RequestError
from adapters.errors import Cancelled, DeadlineExceeded
from hub import Analysis, Analyze, Hub, Ranked, Recommend, Registry, Texts, Write
from hub.errors import BadName, Damaged, NotInHub
from hub.registry.requests import Request

LIMITS = Limits(slots=6, shared_rank=8, large=2, rows=16, positions=4096, host_bytes=2**18, waiting=100_000)
TEXTS = ("glad", "it came late", "tea?", "refund " * 6, "x")
ADS = ("buy tea now", "buy shoes now", "rum")
PRODUCTS = ("a mug", "shoes of red leather")
TASKS = ("behavior", "recommendation", "ad-copy")
_KINDS = (
    *(("behavior", "lora", 2), ("behavior", "lora", 4), ("behavior", "prefix", 3), ("behavior", "lora", 12)),
    *(("recommendation", "lora", 3), ("recommendation", "prefix", 5)),
    *(("ad-copy", "lora", 2), ("ad-copy", "prefix", 2), ("ad-copy", "lora", 10)),
)
FIXED = 2 * len(_KINDS)
MOVING = 4
"""Contents of each moving name."""


def adapter(base: Base, seed: int) -> Adapter:
    """An adapter of random weights; its kind and all it says follow from the seed."""
    task, method, size = _KINDS[seed % len(_KINDS)]
    draw = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    if method == "lora":
        for path, linear in base.linears.items():
            if path.endswith(("q_proj", "v_proj")):
                stem = f"base_model.model.{path}"
                tensors[f"{stem}.lora_A.weight"] = torch.randn(size, linear.in_features, generator=draw)
                tensors[f"{stem}.lora_B.weight"] = torch.randn(linear.out_features, size, generator=draw)
    else:
        assert base.prefix_width is not None
        tensors["prompt_embeddings"] = torch.randn(size, base.prefix_width, generator=draw)
    labels = {"behavior": ("glad", "mad"), "recommendation": ("no", "yes")}.get(task)
    if labels:
        tensors["base_model.model.score.weight"] = torch.randn(len(labels), base.width, generator=draw)
    made = Lora(size, 4.0, ("q_proj", "v_proj")) if method == "lora" else Prefix(size)
    info = {} if method == "lora" else {"prefix_shape": {"layers": 2, "kv_heads": 2, "head_dim": 8}}
    made_for = BaseId(base.id, base.revision, base.fingerprint)
    return Adapter(made, Head(labels, "last") if labels else None, tensors, made_for, task, info)


@dataclass
class Shop:
    """What is asked for. contents: reference -> seeds of the contents that are right answers, the first of a fixed one.
    alone: (seed, question) -> what that adapter answers alone."""

    contents: dict[str, tuple[int, ...]] = field(default_factory=dict)
    alone: dict[tuple[int, str], Any] = field(default_factory=dict)

    def of(self, kind: str, task: str) -> list[str]:
        """References of one kind, by the first part of their names, and of one task."""
        return [name for name in self.contents if name.startswith(kind) and name.split("@")[0].endswith(task)]


def open_shop(hub: Hub, base: Base) -> Shop:
    """Publish what is there from the beginning, and ask each content alone."""
    shop = Shop()
    seeds = range(FIXED + MOVING * len(TASKS) + len(TASKS))
    for seed in seeds:
        made = adapter(base, seed)
        task, number = made.task, seed % len(_KINDS)
        if seed < FIXED:
            shop.contents[hub.publish(made, f"fixed/a{seed}/{task}").reference] = (seed,)
        _ask_alone(shop, base, made, seed, number)
    for task in TASKS:
        own = [seed for seed in seeds if _KINDS[seed % len(_KINDS)][0] == task]
        moving, spoiled = own[-1 - MOVING : -1], own[-1]
        for seed in moving:
            hub.publish(adapter(base, seed), f"moving/a0/{task}")
        hub.set_alias(f"moving/a0/{task}", "production", 1)
        shop.contents[f"moving/a0/{task}"] = shop.contents[f"moving/a0/{task}@production"] = tuple(moving)
        hub.publish(adapter(base, spoiled), f"spoiled/a0/{task}")
        shop.contents[f"spoiled/a0/{task}@1"] = (spoiled,)
        shop.contents[f"gone/a0/{task}@1"] = (own[0],)
    return shop


def _ask_alone(shop: Shop, base: Base, made: Adapter, seed: int, number: int) -> None:
    """One adapter in a hub of its own, one row at a time."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        hub = Hub(folder)
        reference = hub.publish(made, f"alone/a{number}/{made.task}").reference
        registry = Registry(hub, base, limits=Limits(slots=1, rows=1), follow=False)
        try:
            for question, ask in _questions(str(made.task)).items():
                (answer,) = registry.run([ask(reference)])
                shop.alone[seed, question] = plain(answer)
        finally:
            registry.close()


def _questions(task: str) -> Mapping[str, Callable[[str], Request]]:
    """Question -> the request for it."""
    if task == "behavior":
        return {text: lambda ref, text=text: Analyze(ref, [text]) for text in TEXTS}  # type: ignore[misc]
    if task == "recommendation":
        return {user: lambda ref, user=user: Recommend(ref, user, ADS) for user in TEXTS}  # type: ignore[misc]
    return {
        product: lambda ref, product=product: Write(ref, product, max_new_tokens=6, temperature=0.0)  # type: ignore[misc]
        for product in PRODUCTS
    }


def plain(answer: Any) -> Any:
    """An answer that can be compared: probabilities in the order of labels or ads, or texts."""
    if isinstance(answer, Texts):
        return list(answer)
    if isinstance(answer, list) and isinstance(answer[0], Analysis):
        return [probability for each in answer for _, probability in sorted(each.probabilities.items())]
    if isinstance(answer, list) and isinstance(answer[0], Ranked):
        return [each.probability for each in sorted(answer, key=lambda each: ADS.index(str(each.ad)))]
    if isinstance(answer, RepertoireError):
        return f"{type(answer).__name__}: {answer}".partition("/")[0]
    raise TypeError(f"no answer is {answer!r}")


@dataclass(frozen=True)
class Question:
    """A request; how it is asked, and what would be right.

    Attributes:
        request: for the registry.
        expected: any of them; where several adapters answer as one, one alone: their mean.
        errors: that would be right too.
        way: "wait", "cancel", or "stream".
    """

    request: Any
    expected: tuple[Any, ...]
    errors: tuple[type[BaseException], ...] = ()
    way: str = "wait"

    def fits(self, answer: Any) -> bool:
        """Whether an answer is right."""
        if isinstance(answer, self.errors):
            return True
        found = plain(answer)
        return any(_same(found, each) for each in self.expected)


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, list) or not isinstance(other, list) or len(one) != len(other):
        return bool(one == other)
    return all(
        isclose(a, b, rel_tol=1e-3, abs_tol=1e-4) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(one, other, strict=True)
    )


def draw(shop: Shop, stream: random.Random) -> Question:
    """A question of any kind."""
    chance = stream.random()
    if chance < 0.08:
        return Question(_hostile(shop, stream), (), (RequestError, BadName, NotInHub))
    if chance < 0.14:
        return _ensemble(shop, stream)
    kind = "fixed" if chance < 0.7 else stream.choice(["moving", "moving", "spoiled", "gone"])
    task = stream.choice(TASKS)
    reference = stream.choice(shop.of(kind, task))
    question, ask = stream.choice(list(_questions(task).items()))
    request = ask(reference)
    errors: tuple[type[BaseException], ...] = {"spoiled": (Damaged,), "gone": (NotInHub, Damaged)}.get(
        kind, ()
    )
    way, chance = "wait", stream.random()
    if chance < 0.1:
        request = type(request)(**{**vars(request), "deadline": stream.choice([0.0, 0.001, 0.05, 5.0])})
        errors += (DeadlineExceeded,)
    elif chance < 0.2:
        way, errors = "cancel", (*errors, Cancelled)
    elif chance < 0.3 and task == "ad-copy":
        way = "stream"
    return Question(
        request, tuple(shop.alone[seed, question] for seed in shop.contents[reference]), errors, way
    )


def _ensemble(shop: Shop, stream: random.Random) -> Question:
    one, other = stream.sample(shop.of("fixed", "behavior"), 2)
    text = stream.choice(TEXTS)
    members = [shop.alone[shop.contents[each][0], text] for each in (one, other)]
    mean = [sum(each) / 2 for each in zip(*members, strict=True)]
    return Question(Analyze([one, other], [text]), (mean,))


def _hostile(shop: Shop, stream: random.Random) -> Any:
    """What no client should send, and one does."""
    labels, ads, texts = (stream.choice(shop.of("fixed", task)) for task in TASKS)
    name = stream.choice(["max_new_tokens", "max_chars", "n", "seed", "top_k"])
    number = {name: stream.choice([2.5, nan, inf, "5", b"x", [], True])}
    return stream.choice(
        [
            Analyze(labels, [object()]),  # type: ignore[list-item]
            Analyze(labels, ["\ud800"]),
            Analyze(labels, ["glad"], deadline=stream.choice([nan, inf, "5", 10**400, [], b"x"])),  # type: ignore[arg-type]
            Analyze(
                stream.choice(["", "a", "a/b/c/d", "../x/y", "A/B/C", "a/b/c@x y", "\x1b/a/b"]),
                ["glad"],
            ),
            Analyze(f"{labels.split('@')[0]}@999", ["glad"]),
            Analyze(ads, ["glad"]),
            Analyze([labels, labels], ["glad"]),
            Recommend(ads, "u", stream.choice([None, "tea", 5, [5], [{1: "x"}]])),  # type: ignore[arg-type]
            Recommend(ads, "u", ["tea"], stream.choice([None, [], "x", {5: 1}])),  # type: ignore[arg-type]
            Recommend(labels, "u", ["tea"]),
            Write(texts, stream.choice([None, 5, ["mug"], "\ud800"])),  # type: ignore[arg-type]
            Write(texts, "mug", **number),
            Write(texts, "mug", n=stream.choice([0, -1, 10**400]), max_new_tokens=stream.choice([1, 0])),
            Write(texts, "mug", temperature=stream.choice([nan, inf, "hot", -1.0, 1e-320])),  # type: ignore[arg-type]
            Write(texts, "mug", min_p=stream.choice([-0.1, 1.5, nan, "x", True])),  # type: ignore[arg-type]
            Write(texts, "mug", drafts=stream.choice([0, 33, 1.5, "x", True])),  # type: ignore[arg-type]
            Write(texts, "mug", repetition_penalty=stream.choice([0, -1, nan, "x"])),  # type: ignore[arg-type]
            Write(texts, "mug", policy={"allowed": ["x"]}),
            None,
        ]
    )
