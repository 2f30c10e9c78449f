"""What two versions answer to the same prompts, beside each other.

    [Answered("mug 7", "Buy mug 7!", "Mug 7, now!")]

How they were made, how they measured and their weights stand in `hub/catalogue/diff.py`: that takes no base.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.errors import RepertoireError, RequestError
from hub.catalogue.version import Version
from hub.registry.requests import Analyze, Ranked, Recommend, Request, Write

if TYPE_CHECKING:
    from hub.registry.registry import Registry

Prompt = str | Mapping[str, Any]
"""A text or a product; or the columns of one, and for a recommendation `user`, `ad` and the adapter's features."""

SAMPLES: Mapping[str, Sequence[Prompt]] = {
    "ad-copy": (
        "Trail running shoes, light, for mud and rain",
        "A quiet kettle for tea lovers",
        "山地跑鞋,轻便防滑",
    ),
    "behavior": (
        "asked twice about a refund and got no answer",
        "bought again within a week and left five stars",
        "put three things in the basket and left",
    ),
    "recommendation": (
        {"user": "searched trail shoes; bought socks", "ad": "Trail shoes, 20% off"},
        {"user": "searched trail shoes; bought socks", "ad": "A quiet kettle"},
        {"user": "new", "ad": "Free delivery this week"},
    ),
}
"""Texts to ask about where nobody gave any: what an adapter was trained for, it answers better."""


@dataclass(frozen=True)
class Answered:
    """What two versions make of one prompt: a text, the probability of a click, or each label's; or the error in its
    place."""

    prompt: Prompt
    a: Any
    b: Any


def answers(registry: "Registry", a: str, b: str, prompts: Sequence[Prompt] | None = None) -> list[Answered]:
    """What two references answer to the same prompts, or to `SAMPLES`, in one mixed batch. Texts are the likeliest.

    Raises RequestError where they do different things; what one cannot answer stands in the place of its answer.
    """
    one, other = registry.hub.resolve(a), registry.hub.resolve(b)
    task, theirs = (_task(version) for version in (one, other))
    if task != theirs:
        raise RequestError(
            f"{one.reference} does {task} and {other.reference} does {theirs}; their answers cannot be compared"
        )
    asked = SAMPLES[task] if prompts is None else prompts
    requests = [_request(version.reference, task, prompt) for prompt in asked for version in (one, other)]
    told = [_plain(answer) for answer in registry.run(requests)]
    return [Answered(prompt, *told[2 * at : 2 * at + 2]) for at, prompt in enumerate(asked)]


def read_prompts(path: Path) -> list[Prompt]:
    """Prompts from a file, one a line: a text, or a JSON object of columns. Raises RequestError with every line that is
    neither."""
    prompts: list[Prompt] = []
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip().startswith("{"):
            prompts += [line.strip()] if line.strip() else []
            continue
        try:
            prompts.append(json.loads(line))
        except ValueError as error:
            problems.append(f"\n  - line {number}: {error}")
    if problems:
        raise RequestError(
            f"{path}: lines that begin with a brace must be JSON objects of columns{''.join(problems)}"
        )
    if not prompts:
        raise RequestError(f"{path} holds no prompts; write one a line")
    return prompts


def _task(version: Version) -> str:
    return version.record.task or ("behavior" if version.record.labels else "ad-copy")


def _request(reference: str, task: str, prompt: Prompt) -> Request:
    if task == "ad-copy":
        return Write(reference, prompt, temperature=0.0)
    if task == "behavior":
        return Analyze(reference, [prompt])
    columns = dict(prompt) if isinstance(prompt, Mapping) else {"ad": prompt}
    user, ad = str(columns.pop("user", "")), columns.pop("ad", "")
    return Recommend(reference, user, [ad], columns)


def _plain(answer: Any) -> Any:
    """The answer to one prompt, as JSON."""
    if isinstance(answer, RepertoireError):
        return {"error": str(answer)}
    (only,) = answer
    if isinstance(only, str):
        return only
    return only.probability if isinstance(only, Ranked) else dict(only.probabilities)
