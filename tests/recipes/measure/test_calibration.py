"""Calibration: probabilities mean what they say, also where training saw only a share of the rows without a click."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

from adapters import Base
from hub.errors import Refused
from hub.hub import Hub
from hub.registry.registry import Registry
from recipes import Recipe, train
from recipes.data.split import Dealt, fewer_negatives
from recipes.examples import Example
from recipes.measure import metrics as evaluate
from recipes.measure.calibration import Calibration, fit_calibration, shift_for, shifted
from recipes.tasks import behavior
from tests.hub.tiny import NAME, lora
from tests.recipes.runs.test_training import QUICK, base, moods

__all__ = ["base"]


def test_nothing_is_changed_without_a_calibration() -> None:
    logits = torch.tensor([[0.3, -1.2, 2.0], [1.0, 1.0, 1.0]])
    assert torch.equal(Calibration().apply(logits, False), logits.softmax(-1))
    assert torch.equal(Calibration().apply(logits, True), logits.sigmoid())


def test_the_temperature_divides_and_the_shift_moves_the_last_class() -> None:
    logits = torch.tensor([[1.0, 3.0]])
    found = Calibration(temperature=2.0, shift=-0.5).apply(logits, False)
    assert found[0, 1].item() == pytest.approx(1 / (1 + math.exp(-((3 - 1) / 2 - 0.5))))
    assert found.sum().item() == pytest.approx(1.0)
    several = Calibration(temperature=2.0, shift=-0.5).apply(logits, True)
    assert several[0].tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-1.0))])
    assert logits.tolist() == [[1.0, 3.0]], "the logits themselves stay as they are"


def test_a_bias_is_added_after_the_temperature() -> None:
    logits, bias = torch.tensor([[2.0, 0.0, -1.0]]).double(), (0.5, 0.0, -0.5)
    found = Calibration(2.0, bias=bias).apply(logits, False)
    assert found[0].numpy() == pytest.approx(softmax(logits[0].numpy() / 2 + bias))
    several = Calibration(2.0, shift=0.25, bias=bias).apply(logits, True)
    assert several[0].numpy() == pytest.approx(expit(logits[0].numpy() / 2 + bias + 0.25))
    assert logits.tolist() == [[2.0, 0.0, -1.0]], "the logits themselves stay as they are"


def test_the_shift_is_the_formula_of_he_et_al() -> None:
    share, p = 0.025, np.array([0.9, 0.5, 0.1])
    wanted = p / (p + (1 - p) / share)
    assert shifted(np.stack([1 - p, p], axis=1), shift_for(share))[:, 1] == pytest.approx(wanted)
    logits = torch.tensor(np.stack([np.zeros(3), np.log(p / (1 - p))], axis=1))
    assert Calibration(shift=shift_for(share)).apply(logits, False)[:, 1].numpy() == pytest.approx(wanted)


def test_an_intercept_alone_gives_back_the_true_rate_exactly() -> None:
    clicked, not_clicked = 50, 9_950
    rows = [Dealt((Example(f"t {i}", i, int(i < clicked)),), f"t {i}") for i in range(clicked + not_clicked)]
    kept, share = fewer_negatives(rows, 0.1, seed=0)
    assert (len(kept), share) == (clicked + 995, pytest.approx(0.1))
    learned = math.log(clicked / 995)  # what maximum likelihood makes of the kept rows
    found = Calibration(shift=shift_for(share)).apply(torch.tensor([0.0, learned]).double(), False)
    assert found[1].item() == pytest.approx(0.005)


def test_a_regression_on_kept_rows_is_calibrated_again() -> None:
    draw = random.Random(1)
    values = [draw.gauss(0, 1) for _ in range(120_000)]
    labels = [int(draw.random() < 1 / (1 + math.exp(4.6 - v))) for v in values]
    rows = [Dealt((Example(str(i), i, label),), str(i), values[i]) for i, label in enumerate(labels)]
    kept, share = fewer_negatives(rows, 0.05, seed=0)
    model = LogisticRegression(C=1e6).fit(
        [[row.time] for row in kept], [row.examples[0].label for row in kept]
    )
    sampled = model.predict_proba(np.array(values).reshape(-1, 1))
    true = sum(labels) / len(labels)
    assert sampled[:, 1].mean() > 5 * true, "uncorrected, clicks look far too common"
    found = shifted(sampled, shift_for(share))[:, 1]
    assert found.mean() == pytest.approx(true, rel=0.05)
    high = np.array(values) > 1
    assert found[high].mean() == pytest.approx(np.array(labels)[high].mean(), rel=0.1)


def test_it_travels_in_an_adapters_info() -> None:
    calibration = Calibration(temperature=1.5, shift=-3.0)
    assert Calibration.from_info({"calibration": calibration.to_info()}, 2) == calibration
    towards = Calibration(2.0, bias=(0.75, -0.25))
    assert Calibration.from_info(json.loads(json.dumps({"calibration": towards.to_info()})), 2) == towards
    assert Calibration.from_info({"calibration": {"shift": -1.0}}, 2) == Calibration(shift=-1.0)
    assert Calibration.from_info({}, 2) == Calibration()


# --- temperatures ------------------------------------------------------------------------------------------


ALIKE = np.full(3, 1 / 3)


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
    found = fit_calibration(logits, truth, ALIKE).temperature
    assert found == pytest.approx(temperature, rel=0.06)
    assert log_loss(logits, truth, found) <= log_loss(logits, truth, 1.0)


def test_a_head_that_is_too_sure_is_drawn_to_the_common_labels() -> None:
    draw, shares = np.random.default_rng(0), np.array([0.8, 0.15, 0.05])
    truth = np.eye(3)[draw.choice(3, 20_000, p=shares)]
    signal = draw.normal(size=(20_000, 3)) + 2 * truth
    # By Bayes' rule the evidence is twice the signal, beyond the shares; this head takes it for twice as much.
    logits = np.log(shares) + 2 * 2 * signal
    found = fit_calibration(logits, truth, shares)
    assert found.temperature == pytest.approx(2, rel=0.06)
    assert np.array(found.bias) == pytest.approx((np.log(shares) - np.log(shares).mean()) / 2, rel=0.1)
    told = found.apply(torch.tensor(logits), False).numpy()
    alone = softmax(logits / found.temperature, axis=1)
    assert evaluate.log_loss(truth.argmax(1), told) < evaluate.log_loss(truth.argmax(1), alone)
    assert (told.argmax(1) == truth.argmax(1)).mean() > (alone.argmax(1) == truth.argmax(1)).mean()


def test_a_head_that_is_too_unsure_is_drawn_from_the_common_labels() -> None:
    draw, shares = np.random.default_rng(0), np.array([0.8, 0.15, 0.05])
    truth = np.eye(3)[draw.choice(3, 20_000, p=shares)]
    logits = np.log(shares) + draw.normal(size=(20_000, 3)) + 2 * truth  # by half of what the evidence is
    found = fit_calibration(logits, truth, shares)
    assert found.temperature == pytest.approx(0.5, rel=0.06)
    assert np.array(found.bias) == pytest.approx(np.log(shares).mean() - np.log(shares), rel=0.1)


def test_a_label_that_no_row_has_counts_as_the_rarest_that_one_has() -> None:
    logits, truth = drawn(2.0, 500)
    some, none = (fit_calibration(logits, truth, shares) for shares in ([0.6, 0.2, 0.2], [0.6, 0.2, 0.0]))
    assert some == none
    assert fit_calibration(logits, truth, None).bias == ()


def test_so_it_is_with_several_labels_a_row_and_with_weights() -> None:
    draw = np.random.default_rng(0)
    logits = 4 * draw.normal(size=(3000, 3))
    truth = draw.random((3000, 3)) < expit(logits / 3)
    found = fit_calibration(logits, truth, None, multi_label=True)
    assert found.temperature == pytest.approx(3, rel=0.06)
    cold, hot = drawn(1.0, 2000), drawn(4.0, 2000)
    both = [np.concatenate(pair) for pair in zip(cold, hot, strict=True)]
    ignored = np.repeat([1e-9, 1.0], 2000)
    assert fit_calibration(*both, ALIKE, ignored).temperature == pytest.approx(4, rel=0.08)


def test_few_rows_that_are_all_right_are_no_reason_for_infinite_trust() -> None:
    logits, truth = np.array([[2.0, 0.0]] * 10), np.array([[1, 0]] * 10)
    found = fit_calibration(logits, truth, [0.5, 0.5]).temperature
    assert softmax(logits, axis=1)[0, 0] < softmax(logits / found, axis=1)[0, 0] < 1 - 1 / 12
    sure = np.array([[9.0, 0.0]] * 10)
    assert fit_calibration(sure, truth, [0.5, 0.5]) == Calibration(), (
        "being less sure would raise the log loss of these rows"
    )


def test_a_shift_is_taken_into_account() -> None:
    draw = np.random.default_rng(0)
    odds = 2 * draw.normal(size=20_000)
    clicked = draw.random(20_000) < expit(odds / 2 - 1.5)
    logits = np.stack([np.zeros(20_000), odds], axis=1)
    truth = np.stack([~clicked, clicked], axis=1)
    found = fit_calibration(logits, truth, [0.5, 0.5], shift=-1.5)
    assert (found.temperature, found.shift) == (pytest.approx(2, rel=0.06), -1.5)
    several = fit_calibration(odds[:, None], clicked[:, None], None, None, True, -1.5)
    assert several.temperature == pytest.approx(2, rel=0.06)


def test_logits_are_left_as_they_were() -> None:
    logits = np.array([[0.0, 4.0]])
    fit_calibration(logits, [[0, 1]], [0.3, 0.7], shift=1.0)
    assert logits.tolist() == [[0.0, 4.0]]


def test_a_hub_takes_no_impossible_calibration(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub")
    assert hub.publish(lora(calibration={"temperature": 1.7, "shift": -0.2}), NAME).number == 1
    for wrong in (
        {"temperature": 0},
        {"temperature": "hot"},
        {"shift": math.nan},
        {"bias": [1.0]},
        {"bias": [1e9, 0.0]},
        {"bias": "even"},
        [1],
    ):
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
    options: dict[str, Any] = {"train.epochs": 1, "train.learning_rate": 0.01, "data.validation_share": 0.3}
    # A probe would be sure of everything at once.
    options |= {"head.init": "random", "head.pooling": "last", "train.head_learning_rate": 5e-3}
    adapter = train(Recipe.load("behavior", **QUICK | options), moods(tmp_path, 200), base)
    report = adapter.info["report"]["calibration"]
    calibration = Calibration.from_info(adapter.info, 2)
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
    told = Calibration(1.5, bias=(0.5, -0.5))
    adapter.info["calibration"] = told.to_info()
    biased = answer()
    adapter.info["calibration"] = Calibration().to_info()
    raw = answer()
    assert adapter.head is not None
    good = adapter.head.labels.index("good")
    for found, own in ((warm, calibration), (biased, told)):
        bias = own.bias[good] - own.bias[1 - good] if own.bias else 0.0
        assert found["good"] == pytest.approx(expit(logit(raw["good"]) / own.temperature + bias), abs=1e-5)
