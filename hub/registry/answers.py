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
from recipes.tasks import task_for, task_names, usual_task

if TYPE_CHECKING:
    from hub.registry.registry import Registry

Prompt = str | Mapping[str, Any]
"""A text or a product; or the columns of one, and for a recommendation `user`, `ad` and the adapter's features."""


@dataclass(frozen=True)
class Answered:
    """What two versions make of one prompt: a text, the probability of a click, or each label's; or the error in its
    place."""

    prompt: Prompt
    a: Any
    b: Any


def answers(registry: "Registry", a: str, b: str, prompts: Sequence[Prompt] | None = None) -> list[Answered]:
    """What two references answer to the same prompts, or to the samples of their task, in one mixed batch.

    Texts are the likeliest.

    Raises RequestError where they do different things; what one cannot answer stands in the place of its answer.
    """
    one, other = registry.hub.resolve(a), registry.hub.resolve(b)
    task, theirs = (_task(version) for version in (one, other))
    if task != theirs:
        raise RequestError(
            f"{one.reference} does {task} and {other.reference} does {theirs}; their answers cannot be compared"
        )
    if task not in task_names():
        raise RequestError(
            f"{one.reference} does {task}, which this release does not know; upgrade to compare answers"
        )
    asked = task_for(task).SAMPLES if prompts is None else prompts
    requests = [
        _request(version.reference, task_for(task).CALL, prompt)
        for prompt in asked
        for version in (one, other)
    ]
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
        except (ValueError, RecursionError) as error:
            problems.append(f"\n  - line {number}: {error}")
    if problems:
        raise RequestError(
            f"{path}: lines that begin with a brace must be JSON objects of columns{''.join(problems)}"
        )
    if not prompts:
        raise RequestError(f"{path} holds no prompts; write one a line")
    return prompts


def _task(version: Version) -> str:
    return version.record.task or usual_task(writes=not version.record.labels)


def _request(reference: str, call: str, prompt: Prompt) -> Request:
    if call == Write.CALL:
        return Write(reference, prompt, temperature=0.0)
    if call == Analyze.CALL:
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
