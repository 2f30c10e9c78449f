"""Temperatures: found again, never harmful, and carried by every answer."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from adapters import Base
from hub.errors import Refused
from hub.hub import Hub
from hub.registry.registry import Registry
from recipes import Recipe, train
from recipes.examples import Example
from recipes.measure import metrics as evaluate
from recipes.measure.calibration import Calibration, fit_temperature
from recipes.tasks import behavior
from tests.hub.tiny import NAME, lora
from tests.recipes.runs.test_training import QUICK, base, moods

__all__ = ["base"]


def drawn(temperature: float, rows: int, labels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that are drawn from them at a temperature: [rows, labels] each."""
    draw = np.random.default_rng(0)
    logits = 4 * draw.normal(size=(rows, labels))
    shares = softmax(logits / temperature, axis=1).cumsum(axis=1)
    classes = (draw.random((rows, 1)) > shares).sum(axis=1)
    return logits, np.eye(labels)[classes]


def log_loss(logits: np.ndarray, truth: np.ndarray, temperature: float) -> float:
    return evaluate.log_loss(truth.argmax(1), softmax(logits / temperature, axis=1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found_again(temperature: float) -> None:
    logits, truth = drawn(temperature, 20_000)
    found = fit_temperature(logits, truth)
    assert found == pytest.approx(temperature, rel=0.06)
    assert log_loss(logits, truth, found) <= log_loss(logits, truth, 1.0)


def test_so_it_is_with_several_labels_a_row_and_with_weights() -> None:
    draw = np.random.default_rng(0)
    logits = 4 * draw.normal(size=(3000, 3))
    truth = draw.random((3000, 3)) < expit(logits / 3)
    assert fit_temperature(logits, truth, multi_label=True) == pytest.approx(3, rel=0.06)
    cold, hot = drawn(1.0, 2000), drawn(4.0, 2000)
    both = [np.concatenate(pair) for pair in zip(cold, hot, strict=True)]
    ignored = np.repeat([1e-9, 1.0], 2000)
    assert fit_temperature(*both, ignored) == pytest.approx(4, rel=0.08)


def test_few_rows_that_are_all_right_are_no_reason_for_infinite_trust() -> None:
    logits, truth = np.array([[2.0, 0.0]] * 10), np.array([[1, 0]] * 10)
    found = fit_temperature(logits, truth)
    assert softmax(logits / found, axis=1)[0, 0] == pytest.approx(1 - 1 / 12, abs=1e-3)
    sure = np.array([[9.0, 0.0]] * 10)
    assert fit_temperature(sure, truth) == 1.0, "being less sure would raise the log loss of these rows"


def test_a_shift_is_taken_into_account() -> None:
    draw = np.random.default_rng(0)
    odds = 2 * draw.normal(size=20_000)
    clicked = draw.random(20_000) < expit(odds / 2 - 1.5)
    logits = np.stack([np.zeros(20_000), odds], axis=1)
    truth = np.stack([~clicked, clicked], axis=1)
    assert fit_temperature(logits, truth, shift=-1.5) == pytest.approx(2, rel=0.06)
    assert fit_temperature(odds[:, None], clicked[:, None], None, True, -1.5) == pytest.approx(2, rel=0.06)


def test_logits_are_left_as_they_were() -> None:
    logits = np.array([[0.0, 4.0]])
    fit_temperature(logits, [[0, 1]], shift=1.0)
    assert logits.tolist() == [[0.0, 4.0]]


def test_a_hub_takes_no_impossible_calibration(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub")
    assert hub.publish(lora(calibration={"temperature": 1.7, "shift": -0.2}), NAME).number == 1
    for wrong in ({"temperature": 0}, {"temperature": "hot"}, {"shift": math.nan}, [1]):
        with pytest.raises(Refused, match=r"calibration .* is impossible; train the adapter again"):
            hub.publish(lora(calibration=wrong), NAME)


def test_behavior_is_calibrated_where_its_likeliest_labels_are_as_often_right_as_they_say() -> None:
    examples = [Example("t", i, label) for i, label in enumerate([0, 0, 0, 1])]
    found = behavior.metrics(examples, np.array([[0.75, 0.25]] * 4))
    assert found["calibration_error"] == pytest.approx(0.0)
    found = behavior.metrics(examples, np.array([[0.05, 0.95]] * 4))
    assert found["calibration_error"] == pytest.approx(0.95 - 0.25)
    several = [Example("t", 0, (0,)), Example("t", 1, (0, 1))]
    found = behavior.metrics(several, np.array([[0.9, 0.5], [0.9, 0.5]]))
    assert found["calibration_error"] == pytest.approx(0.1 / 2)


def test_a_trained_head_answers_with_its_calibrated_probabilities(base: Base, tmp_path: Path) -> None:
    options = {"train.epochs": 4, "train.learning_rate": 0.02, "data.validation_share": 0.3}
    adapter = train(Recipe.load("behavior", **QUICK | options), moods(tmp_path, 160, noise=0.2), base)
    report = adapter.info["report"]["calibration"]
    calibration = Calibration.from_info(adapter.info)
    assert calibration.temperature == report["temperature"] != 1.0
    assert report["log_loss"]["calibrated"] == adapter.info["report"]["after"]["log_loss"]
    assert report["log_loss"]["raw"] != report["log_loss"]["calibrated"]
    assert report["calibration_error"].keys() == {"raw", "calibrated"}
    assert sum(point["share"] for point in report["curve"]) == pytest.approx(1)

    def answer() -> dict[str, float]:
        registry = Registry(Hub(tmp_path / "hub"), base)
        registry.publish(adapter, "acme/spring/behavior")
        found = registry.analyze("acme/spring/behavior", "love it 7")[0].probabilities
        registry.close()
        return found

    warm = answer()
    adapter.info["calibration"] = Calibration().to_info()
    raw = answer()
    expected = expit(logit(raw["good"]) / calibration.temperature)
    assert warm["good"] == pytest.approx(expected, abs=1e-5)
