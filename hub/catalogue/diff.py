"""What is different between two versions: how they were made, how they measured, and their weights.

facts     {"recipe": [Change("train.epochs", 3, 5), ...], "data": [...], ...}      only what differs
metrics   [Change("auc", {"value": 0.81, "low": 0.78, "high": 0.84}, {...})]       all of them, side by side
weights   see `distance.py`

What they answer stands in `hub/registry/answers.py`: that takes a base.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from adapters import Adapter
from hub.catalogue.distance import Distances, distances
from hub.catalogue.records import Record
from recipes.judge import AdapterInfo, Gates, Report, shown, verdicts_of


@dataclass(frozen=True)
class Change:
    """One fact of two versions; None where a version has none."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Difference:
    """Two versions side by side.

    Attributes:
        a: the reference of the first.
        b: the reference of the other.
        same: whether their files are equal to the byte.
        facts: section (`adapter`, `recipe`, `data`, `gates`, `publication`) -> what differs there.
        metrics: all of them, side by side.
        weights: how far apart the weights are, module by module.
    """

    a: str
    b: str
    same: bool
    facts: Mapping[str, Sequence[Change]]
    metrics: Sequence[Change]
    weights: Distances

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def compare(a: Record, adapter_a: Adapter, b: Record, adapter_b: Adapter) -> Difference:
    """Compare two versions, each by its record and its adapter."""
    of_a, of_b = _facts(a, adapter_a), _facts(b, adapter_b)
    changes = {section: _changes(of_a[section], of_b[section]) for section in of_a}
    facts = {section: found for section, found in changes.items() if found}
    metrics = _paired(_metrics(a), _metrics(b))
    same = a.digest == b.digest
    return Difference(a.reference, b.reference, same, facts, metrics, distances(adapter_a, adapter_b))


def _facts(record: Record, adapter: Adapter) -> dict[str, dict[str, Any]]:
    """Section -> dotted key -> value."""
    info = AdapterInfo.of(adapter.info)
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


def _metrics(record: Record) -> dict[str, Any]:
    """Metric -> value, with its interval where the report has one."""
    report, unknown = Report.read(record.metrics) or Report(), {"low": None, "high": None}
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
