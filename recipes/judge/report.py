"""What a training says of its adapter: the report and what the gates made of it, as types with a JSON form.

An adapter carries both as `info["report"]` and `info["gates"]`, a hub's record as `metrics` and `gates`:

    {"format": 1, "metric": "auc", "before": {"auc": 0.51, ...}, "after": {...},
     "baselines": {"constant prior": {...}, ...},
     "intervals": {"auc": {"low": 0.7, "high": 0.8}, ...}, the adapter's own, 95 %,
     "gains": {"before": {"auc": {"difference": 0.2, "low": 0.1, "high": 0.3}, ...}, "constant prior": {...}, ...},
     "blended": {"after": {"auc": 0.75, ...}, "intervals": {...}, "gains": {...}},
     "ranks": {"model.layers.0.self_attn.q_proj": 3, ...},
     "best_reachable": {"auc": 0.81}, "rows": {"train": 720, "validation": 80, "test": 200}, "seconds": 41.2}

A number that is not defined is NaN here and null in JSON. What is not there was not measured. A report without a format
was written before there was one, in the form of format 1. Keys that a later release adds are passed over; a change that
old readers must not miss raises `FORMAT`, and of such a report they show nothing. The form in full, for readers
elsewhere:

    python -m recipes.judge.report > docs/report.schema.json

What is read may come from anyone: see `Part.read`.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, PlainSerializer, StrictBool, StrictInt, model_validator

from recipes.part import Number, Part, is_number, or_null

FORMAT = 1
BEFORE = "before"  # what the base untouched is called in `gains`


class LabelScores(Part):
    """How well one label is given. rows: test rows that have it."""

    label: str
    precision: Number
    recall: Number
    f1: Number
    rows: StrictInt


class Metrics(Part):
    """A task's metrics on the test rows, and what they count, by name. labels: behavior's table."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    labels: tuple[LabelScores, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _numbers_alone(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {
            key: item for key, item in value.items() if key == "labels" or item is None or is_number(item)
        }

    @property
    def numbers(self) -> Mapping[str, float]:
        """Name -> value."""
        return self.__pydantic_extra__

    def get(self, name: str) -> float | None:
        """The value of a metric, NaN where it is not defined; None where it was not measured."""
        return self.__pydantic_extra__.get(name)


class Interval(Part):
    """Between these two lies the metric, or the difference, in 95 of 100 draws of the test rows."""

    low: Number
    high: Number


class Gain(Interval):
    """difference: a metric minus another's on the same rows, in units of the metric."""

    difference: Number


class GroupScores(Part):
    """The metrics of the test rows that have one value in a column. group: the value."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    group: str
    rows: StrictInt

    @property
    def numbers(self) -> Mapping[str, float]:
        """Name -> value."""
        return self.__pydantic_extra__


class GroupTable(Part):
    """A column's groups, the largest first. gap: metric -> the largest minus the smallest value over the groups that
    have rows enough."""

    groups: tuple[GroupScores, ...] = ()
    gap: dict[str, Number] = Field(default_factory=dict)


class Measured(Part):
    """What was measured of one way to answer.

    intervals: of its own metrics. gains: its metrics minus those of `BEFORE` and of every baseline. groups: column ->
    its table, where the recipe asks for one.
    """

    after: Metrics = Metrics()
    intervals: dict[str, Interval] = Field(default_factory=dict)
    gains: dict[str, dict[str, Gain]] = Field(default_factory=dict)
    groups: dict[str, GroupTable] | None = None


class RawAndCalibrated(Part):
    """A metric of the test rows without and with the calibration."""

    raw: Number
    calibrated: Number


class Bin(Part):
    """Test rows of like probability. predicted: their mean probability; observed: the share of them for which it came
    true; share: of all rows. rows: how many units of equal weight they say as much as."""

    predicted: Number
    observed: Number
    share: Number
    rows: float | None = None


class CalibrationReport(Part):
    """What the calibration changed. temperature, shift: as in `Calibration`; curve: of the calibrated probabilities."""

    temperature: Number
    shift: Number
    log_loss: RawAndCalibrated
    calibration_error: RawAndCalibrated
    curve: tuple[Bin, ...]


class BlendReport(Part):
    """The adapter mixed with the baseline that helps it most. weight, sharpness, shift: as in `Mix`. value: of the
    metric, on the test rows; gain: over the adapter alone. served: None where the recipe asked for no blend."""

    baseline: str
    weight: Number
    sharpness: float | None = None
    shift: float | None = None
    metric: str
    value: Number
    gain: Gain
    served: StrictBool | None = None


class RowCounts(Part):
    """Rows of each split."""

    train: StrictInt = 0
    validation: StrictInt = 0
    test: StrictInt = 0


class Validation(Part):
    """One look at the validation rows while training. loss: mean over the training rows since the one before; under
    its own name the metric that is watched."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    step: StrictInt
    loss: Number

    @property
    def numbers(self) -> Mapping[str, float]:
        """Name -> value."""
        return self.__pydantic_extra__


class Report(Measured):
    """The adapter beside the base untouched and every baseline, on rows that none of them saw.

    metric: the one that is watched. kept: the `best` weights by it on the validation rows, the `last`, or those of the
    `start`, before the first step. before: of the base; after, intervals, gains, groups: of the adapter alone. blended:
    the same of the blend, where one is served. ranks: layer -> what AdaLoRA left it. cross_fitted: training rows on
    which the calibration and the blend were fitted too, each answered by a training on others, because few rows
    validate. best_reachable: where the data's maker knows it.
    """

    format: StrictInt = FORMAT
    metric: str | None = None
    before: Metrics = Metrics()
    baselines: dict[str, Metrics] = Field(default_factory=dict)
    calibration: CalibrationReport | None = None
    blend: BlendReport | None = None
    blended: Measured | None = None
    best_reachable: Metrics | None = None
    rows: RowCounts | None = None
    steps: StrictInt | None = None
    best_step: StrictInt | None = None
    kept: str | None = None
    history: tuple[Validation, ...] = ()
    seconds: float | None = None
    ranks: dict[str, StrictInt] | None = None
    cross_fitted: StrictInt | None = None

    @classmethod
    def read(cls, value: object) -> Self | None:
        """As `Part.read`; None also for a report of a later format."""
        found = super().read(value)
        return None if found is None or found.format > FORMAT else found

    @property
    def served(self) -> Measured:
        """Of what a registry answers with: the blend where one is served, else the adapter."""
        return self.blended or self


class GateVerdict(Part):
    """One gate. wanted, found: in the units of its metric; found is None where the report does not say."""

    gate: str
    passed: StrictBool
    wanted: float | None = None
    found: Annotated[float | None, PlainSerializer(or_null, when_used="json")] = None
    sentence: str


class Gates(Part):
    """What the gates of a recipe say of its adapter. passed: whether all of them are passed."""

    passed: StrictBool = False
    verdicts: tuple[GateVerdict, ...] = ()

    @classmethod
    def read(cls, value: object) -> "Gates | None":
        """None where there were no gates. What cannot be read is not passed."""
        return None if value is None else super().read(value) or cls()

    def to_info(self) -> dict[str, Any]:
        """As plain JSON; null for what was not found."""
        return self.model_dump(mode="json")

    @property
    def failed(self) -> tuple[GateVerdict, ...]:
        """Those that are not passed."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)


def schema() -> dict[str, Any]:
    """The JSON schema of a report, as it is written."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
