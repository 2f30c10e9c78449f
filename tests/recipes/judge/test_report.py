"""A report's JSON form: what was written earlier is read, what is written is read again, what is junk is left out."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.judge.report import (
    BEFORE,
    FORMAT,
    Bin,
    BlendReport,
    CalibrationReport,
    Gain,
    Gates,
    GateVerdict,
    GroupTable,
    Interval,
    Measured,
    Metrics,
    RawAndCalibrated,
    Report,
    RowCounts,
    Validation,
    schema,
)
from tests.recipes.judge import written


def without_nan(value: Any) -> Any:
    """The same JSON with null for NaN."""
    return json.loads(json.dumps(value).replace("NaN", "null"))


@pytest.mark.parametrize("name", written.NAMES)
def test_a_report_from_before_formats_is_read_whole_and_gets_a_format(name: str) -> None:
    old = written.info(name)["report"]
    report = Report.read(old)
    assert report is not None
    assert report.to_info() == without_nan(old) | {"format": FORMAT}


def test_the_numbers_of_an_old_report_are_where_they_were() -> None:
    report = Report.read(written.info("recommendation")["report"])
    assert report is not None and report.metric == "log_loss"
    assert math.isnan(report.before.get("calibration_error") or 0)
    assert report.baselines["constant prior"].get("auc") == 0.5
    assert report.gains[BEFORE]["auc"] == Gain(difference=0.2429, low=0.1246, high=0.3659)
    assert report.served is report.blended is not None
    assert report.served.after.get("auc") == 0.8565 and report.after.get("auc") == 0.7563
    assert report.blend is not None and report.blend.served and report.blend.weight == 0.5173
    assert report.calibration is not None and report.calibration.log_loss.calibrated == 0.5749
    assert report.history[0].numbers == {"log_loss": 0.685} and report.history[0].step == 12
    grouped = Report.read(written.info("behavior")["report"])
    assert grouped is not None and grouped.served is grouped and grouped.groups is not None
    assert grouped.groups["channel"].gap == {"accuracy": 0.6897}
    assert [(each.group, each.rows) for each in grouped.groups["channel"].groups] == [
        ("mail", 31),
        ("chat", 29),
    ]
    assert grouped.after.labels is not None and grouped.after.labels[0].label == "bad"


def test_undefined_numbers_are_nan_in_memory_and_null_in_json() -> None:
    report = Report(after=Metrics.model_validate({"auc": math.nan, "log_loss": math.inf, "groups": 12}))
    assert report.to_info()["after"] == {"auc": None, "log_loss": None, "groups": 12}
    again = Report.read(report.to_info())
    assert again is not None and math.isnan(again.after.get("auc") or 0)
    assert again.after.get("accuracy") is None, "not measured is not the same as not defined"


def test_counts_stay_whole() -> None:
    found = Metrics.model_validate({"texts": 12, "nll": 2.0}).to_info()
    assert json.dumps(found) == '{"texts": 12, "nll": 2.0}'


def test_keys_of_a_later_release_are_passed_over() -> None:
    report = Report.read({"after": {"auc": 0.5}, "verdict": "better", "rows": {"train": 1, "unseen": 2}})
    assert report is not None and report.after.get("auc") == 0.5
    assert report.rows == RowCounts(train=1)


def test_a_report_of_a_later_format_is_not_guessed_at() -> None:
    assert Report.read({"format": FORMAT + 1, "after": {"auc": 0.5}}) is None


@pytest.mark.parametrize("junk", [None, 3, "good", [1], [{"after": {}}]])
def test_what_is_no_object_is_no_report(junk: object) -> None:
    assert Report.read(junk) is None


def test_parts_of_another_form_are_left_out_and_the_others_kept() -> None:
    report = Report.read(
        {
            "before": 3,
            "after": {"auc": "high", "log_loss": 0.5, "accuracy": True},
            "intervals": [1],
            "gains": {"before": {"auc": 0.1}},
            "metric": "auc",
            "seconds": "long",
            "steps": 7.5,
        }
    )
    assert report == Report(metric="auc", after=Metrics.model_validate({"log_loss": 0.5}))


def test_gates_that_cannot_be_read_are_not_passed() -> None:
    assert Gates.read(None) is None
    for junk in ([1], "passed", {}, {"passed": "yes"}, {"passed": 1}):
        found = Gates.read(junk)
        assert found is not None and not found.passed
    found = Gates.read({"passed": True, "verdicts": [3]})
    assert found is not None and found.passed and found.verdicts == ()


def test_gates_are_written_as_they_were() -> None:
    old = written.info("behavior")["gates"]
    found = Gates.read(old)
    assert found is not None and found.to_info() == old
    assert [each.gate for each in found.failed] == ["min_gain", "max_group_gap"]
    unchecked = GateVerdict(gate="policy", passed=False, wanted=1.0, sentence="could not be checked")
    assert Gates(verdicts=(unchecked,)).to_info()["verdicts"][0]["found"] is None


# --- whatever a report holds ---------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=True, allow_infinity=False, width=32) | st.integers(0, 10**6)
names = st.text(min_size=1, max_size=8).filter(
    lambda name: name not in ("labels", "group", "rows", "step", "loss")
)
scores = st.dictionaries(names, numbers, max_size=3)
labels = st.lists(
    st.fixed_dictionaries(
        {
            "label": st.text(max_size=5),
            "rows": st.integers(0, 99),
            "precision": numbers,
            "recall": numbers,
            "f1": st.none(),
        }
    ),
    max_size=2,
)
metrics = st.builds(
    lambda found, table: Metrics.model_validate(found | ({"labels": table} if table else {})), scores, labels
)
gains = st.builds(Gain, difference=numbers, low=numbers, high=numbers)
groups = st.dictionaries(
    names,
    st.builds(
        lambda found, gap: GroupTable.model_validate(
            {"groups": [found | {"group": "x", "rows": 3}], "gap": gap}
        ),
        scores,
        scores,
    ),
    max_size=2,
)
measured = {
    "after": metrics,
    "intervals": st.dictionaries(names, st.builds(Interval, low=numbers, high=numbers), max_size=2),
    "gains": st.dictionaries(names, st.dictionaries(names, gains, max_size=2), max_size=2),
    "groups": st.none() | groups,
}
pairs = st.builds(RawAndCalibrated, raw=numbers, calibrated=numbers)
reports = st.builds(
    Report,
    **measured,
    metric=st.none() | names,
    before=metrics,
    baselines=st.dictionaries(names, metrics, max_size=2),
    blended=st.none() | st.builds(Measured, **measured),
    best_reachable=st.none() | metrics,
    rows=st.none() | st.builds(RowCounts, train=st.integers(0, 99)),
    steps=st.none() | st.integers(0, 99),
    seconds=st.none() | st.floats(0, 1e6),
    ranks=st.none() | st.dictionaries(names, st.integers(0, 8), max_size=2),
    history=st.lists(
        st.builds(
            lambda found, step: Validation.model_validate(found | {"step": step, "loss": None}),
            scores,
            st.integers(0, 99),
        ),
        max_size=2,
    ).map(tuple),
    calibration=st.none()
    | st.builds(
        CalibrationReport,
        temperature=numbers,
        shift=numbers,
        log_loss=pairs,
        calibration_error=pairs,
        curve=st.lists(st.builds(Bin, predicted=numbers, observed=numbers, share=numbers), max_size=2).map(
            tuple
        ),
    ),
    blend=st.none()
    | st.builds(
        BlendReport,
        baseline=names,
        metric=names,
        weight=numbers,
        sharpness=st.floats(0, 20),
        shift=st.none() | st.floats(-5, 5),
        value=numbers,
        gain=gains,
        served=st.none() | st.booleans(),
    ),
)


@settings(max_examples=60)
@given(reports)
def test_any_report_comes_back_from_its_json(report: Report) -> None:
    text = json.dumps(report.to_info(), allow_nan=False)
    again = Report.read(json.loads(text))
    assert again is not None and json.dumps(again.to_info()) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from([*Report.model_fields]), json_values))
def test_no_junk_is_an_error(junk: dict[str, Any]) -> None:
    report = Report.read(junk)
    assert report is None or json.dumps(report.to_info(), allow_nan=False)
    gates = Gates.read({"passed": True} | junk)
    assert gates is not None and gates.to_info()["passed"] is True


def test_the_schema_is_documented_and_names_every_key_that_is_written() -> None:
    found = schema()
    documented = (Path(__file__).parents[3] / "docs/report.schema.json").read_text(encoding="utf-8")
    assert json.loads(documented) == found, "python -m recipes.judge.report > docs/report.schema.json"
    for name in written.NAMES:
        report = Report.read(written.info(name)["report"])
        assert report is not None and report.to_info().keys() <= found["properties"].keys()
    assert found["$defs"]["Interval"]["required"] == ["low", "high"]
    assert {"type": "null"} in found["$defs"]["Interval"]["properties"]["low"]["anyOf"]
