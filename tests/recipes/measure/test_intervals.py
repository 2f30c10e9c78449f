"""Bootstrap intervals: the same metrics, on the same rows for every model, drawn by group."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recipes.examples import Example
from recipes.measure import intervals
from recipes.tasks import ad_copy, behavior, recommendation, task_for
from recipes.tasks.ad_copy import Written

Cases = dict[str, tuple[list[Example], Any, tuple[str, ...]]]


def cases() -> Cases:
    """Examples, predictions and labels for each task, with weights, groups, ties and several labels."""
    draw = np.random.default_rng(0)
    clicks = [
        Example("t", i, int(draw.integers(2)), None, float(draw.integers(1, 4)), f"g{i % 9}")
        for i in range(90)
    ]
    scores = draw.integers(0, 10, 90) / 10
    single = [Example("t", i, int(draw.integers(3)), None, float(draw.integers(1, 4))) for i in range(60)]
    several = [Example("t", i, tuple(np.flatnonzero(draw.integers(0, 2, 4)))) for i in range(60)]
    copies = [Example(f"p{i // 2}", i, copy=f"buy the red mug {i} now") for i in range(20)]
    texts = [f"the red mug {i} and more" for i in range(10)]
    losses = [(float(draw.uniform(5, 9)), int(draw.integers(3, 8))) for _ in copies]
    nll = sum(nats for nats, _ in losses) / sum(tokens for _, tokens in losses)
    return {
        "recommendation": (clicks, np.stack([1 - scores, scores], 1), recommendation.LABELS),
        "behavior": (single, draw.dirichlet([1, 1, 1, 0.01], 60), tuple("abcd")),
        "behavior, several": (several, draw.uniform(size=(60, 4)), tuple("abcd")),
        "ad-copy": (copies, Written(texts, nll, losses=losses), ()),
    }


@pytest.mark.parametrize("case", cases())
def test_each_unit_once_gives_the_metric_itself(case: str) -> None:
    examples, found, labels = cases()[case]
    task = task_for(case.split(",")[0])  # type: ignore[arg-type]
    metrics = task.metrics(examples, found, labels)
    units = int(intervals.units_of(examples).max()) + 1
    statistics = task.statistics(examples, found, labels)
    points = {name: intervals.point(statistic, units) for name, statistic in statistics.items()}
    assert points == pytest.approx({name: metrics[name] for name in points})
    assert tuple(points) == task_for(case.split(",")[0]).RESAMPLED


def test_a_unit_drawn_twice_counts_as_if_its_rows_stood_twice() -> None:
    examples, found, labels = cases()["recommendation"]
    statistics = recommendation.statistics(examples, found, labels)
    counts = np.array([[2.0, 0.0, 1.0, 3.0, 0.0, 1.0, 1.0, 1.0, 0.0]])
    units = intervals.units_of(examples)
    again, rows = [], []
    for row, example in enumerate(examples):
        for copy in range(int(counts[0, units[row]])):
            again.append(replace(example, group=f"{example.group} {copy}"))
            rows.append(row)
    metrics = recommendation.metrics(again, found[rows], labels)
    for name, statistic in statistics.items():
        assert statistic(counts)[0] == pytest.approx(metrics[name]), name


def test_units_are_groups_then_rows_of_the_file_and_products() -> None:
    halves = [Example("t", 7, label, file="a.csv") for label in (0, 1)]
    rows = [
        *halves,
        Example("t", 8, 1, file="a.csv"),
        Example("t", 9, 1, group="g"),
        Example("u", 1, 0, group="g"),
    ]
    assert list(intervals.units_of(rows)) == [0, 0, 1, 2, 2]
    assert list(intervals.units_of([Example("p", i, copy="c") for i in range(2)])) == [0, 0]


def test_the_interval_of_a_mean_covers_the_truth_about_as_often_as_it_says() -> None:
    draw, hits = np.random.default_rng(1), 0
    for seed in range(200):
        right = draw.random(100) < 0.7
        mean = intervals.ratio(right, np.ones(100), np.arange(100))
        found = intervals.interval(intervals.resample({"mean": mean}, 100, 200, seed)["mean"])
        hits += found["low"] <= 0.7 <= found["high"]
    assert 0.9 <= hits / 200 <= 0.99


def test_rows_of_a_group_are_not_independent_evidence() -> None:
    """Ten rows of each group agree: the interval is as wide as that of the groups, not of the rows."""
    right = np.repeat(np.random.default_rng(0).random(40) < 0.5, 10)
    alone = intervals.ratio(right, np.ones(400), np.arange(400))
    grouped = intervals.ratio(right, np.ones(400), np.repeat(np.arange(40), 10))
    wide, narrow = (
        intervals.interval(intervals.resample({"m": statistic}, units)["m"])
        for statistic, units in ((grouped, 40), (alone, 400))
    )
    assert wide["high"] - wide["low"] > 2.5 * (narrow["high"] - narrow["low"])


def test_a_paired_difference_is_surer_than_its_two_metrics() -> None:
    draw = np.random.default_rng(2)
    hard = draw.normal(size=500)
    truth = draw.random(500) < 1 / (1 + np.exp(-3 * hard))
    examples = [Example("t", i, int(label)) for i, label in enumerate(truth)]

    def statistic(noise: float) -> intervals.Statistic:
        scores = hard + noise * draw.normal(size=500)
        return recommendation.statistics(examples, np.stack([-scores, scores], 1))["auc"]

    drawn = intervals.resample({"better": statistic(0.2), "worse": statistic(0.6)}, 500)
    gain = intervals.interval(drawn["better"] - drawn["worse"])
    better = intervals.interval(drawn["better"])
    assert gain["low"] > 0
    assert gain["high"] - gain["low"] < better["high"] - better["low"]


def test_the_same_rows_give_the_same_interval() -> None:
    mean = intervals.ratio(np.arange(30), np.ones(30), np.arange(30))
    first, second = (intervals.resample({"m": mean}, 30)["m"] for _ in range(2))
    assert np.array_equal(first, second) and len(first) == 1000


def test_a_draw_of_one_class_has_no_auc_and_is_left_out() -> None:
    auc = intervals.auc([0, 1], [0.1, 0.9], [1, 1], np.arange(2))
    values = intervals.resample({"auc": auc}, 2)["auc"]
    assert 0.3 < np.isnan(values).mean() < 0.7
    assert intervals.interval(values) == {"low": 1.0, "high": 1.0}
    assert np.isnan(intervals.interval(np.array([np.nan]))["low"])


def test_thousands_of_rows_are_drawn_many_draws_at_once() -> None:
    draw = np.random.default_rng(0)
    truth, scores = draw.integers(0, 2, 5000), draw.random(5000)
    auc, drawn = intervals.auc(truth, scores, np.ones(5000), np.arange(5000)), []

    def counted(counts: intervals.Floats) -> intervals.Floats:
        drawn.append(counts.shape)
        return auc(counts)

    values = intervals.resample({"auc": counted}, 5000)["auc"]
    assert drawn == [(400, 5000), (400, 5000), (200, 5000)] and np.isfinite(values).all()


def test_behavior_and_copy_say_what_is_resampled() -> None:
    examples, found, labels = cases()["behavior"]
    assert set(behavior.statistics(examples, found, labels)) <= set(behavior.METRICS)
    products, written, _ = cases()["ad-copy"]
    assert set(ad_copy.statistics(products, replace(written, losses=None))) == {"text_chrf"}
