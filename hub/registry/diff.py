"""What is different between two versions: how they were made, how they measured, their weights, what they answer.

facts     {"recipe": [Change("train.epochs", 3, 5), ...], "data": [...], ...}      only what differs
metrics   [Change("auc", {"value": 0.81, "low": 0.78, "high": 0.84}, {...})]       all of them, side by side
weights   see `hub.catalogue.distance`
answers   [Answered("mug 7", "Buy mug 7!", "Mug 7, now!")]                         where sample prompts are given
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters import Adapter
from adapters.errors import RepertoireError, RequestError
from hub.catalogue.distance import Distances, distances
from hub.hub import Hub, Version
from hub.registry.requests import Analyze, Ranked, Recommend, Request, Write
from recipes.judge import AdapterInfo, Gates, Report, shown, verdicts_of

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
class Change:
    """One fact of two versions; None where a version has none."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Answered:
    """What two versions make of one prompt: a text, the probability of a click, or each label's; or the error in its
    place."""

    prompt: Prompt
    a: Any
    b: Any


@dataclass(frozen=True)
class Difference:
    """Two versions side by side; see the module's first lines. same: whether their files are equal to the byte."""

    a: str
    b: str
    same: bool
    facts: Mapping[str, Sequence[Change]]
    metrics: Sequence[Change]
    weights: Distances

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def diff(hub: Hub, a: str, b: str) -> Difference:
    """Compare what two references mean now. Raises BadName, NotInHub, Damaged."""
    one, other = hub.resolve(a), hub.resolve(b)
    mine, theirs = hub.read(one), hub.read(other)
    of_a, of_b = _facts(one, mine), _facts(other, theirs)
    changes = {section: _changes(of_a[section], of_b[section]) for section in of_a}
    facts = {section: found for section, found in changes.items() if found}
    metrics = _paired(_metrics(one), _metrics(other))
    same = one.digest == other.digest
    return Difference(one.reference, other.reference, same, facts, metrics, distances(mine, theirs))


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


def _facts(version: Version, adapter: Adapter) -> dict[str, dict[str, Any]]:
    """Section -> dotted key -> value."""
    record, info = version.record, AdapterInfo.of(adapter.info)
    return {
        "adapter": _flat(
            {
                "task": record.task,
                "method": adapter.method.name,
                **asdict(adapter.method),
                "labels": record.labels,
                "pooling": adapter.head and adapter.head.pooling,
                "base": record.base.model_dump(),
                "quantization": record.quantization,
                "calibration": info.calibration and info.calibration.to_info(),
                "parent": info.parent,
            }
        ),
        "recipe": _flat(record.recipe),
        "data": {"digest": record.data_digest} | _flat(info.data and info.data.to_info()),
        "gates": {"forced": record.forced, **dict(_verdicts(Gates.read(record.gates)))},
        "publication": {
            "published": record.created,
            "publisher": record.publisher,
            "message": record.message,
            "tags": list(record.tags),
        },
    }


def _metrics(version: Version) -> dict[str, Any]:
    """Metric -> value, with its interval where the report has one."""
    report, unknown = Report.read(version.record.metrics) or Report(), {"low": None, "high": None}
    sure = {name: interval.to_info() for name, interval in report.intervals.items()}
    values: dict[str, Any] = report.after.to_info()
    return {name: {"value": values[name], **sure.get(name, unknown)} for name in shown(report.after)}


def _verdicts(gates: Gates | None) -> Iterator[tuple[str, str]]:
    for verdict in verdicts_of(gates):
        yield verdict.gate, f"{'passed' if verdict.passed else 'failed'}: {verdict.sentence}"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """`{"train": {"epochs": 3}}` -> `{"train.epochs": 3}`; lists are values."""
    if not isinstance(value, Mapping):
        return {prefix.removesuffix("."): value} if prefix else {}
    return {
        key: leaf for name, item in value.items() for key, leaf in _flat(item, f"{prefix}{name}.").items()
    }


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    return [change for change in _paired(a, b) if change.a != change.b]


def _paired(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    return [Change(key, _json(a.get(key)), _json(b.get(key))) for key in dict.fromkeys((*a, *b))]


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


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
