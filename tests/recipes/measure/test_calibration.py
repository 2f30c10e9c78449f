"""Calibration: probabilities mean what they say, also where training saw only a share of the rows without a click."""

import math
import random

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from recipes.data.split import Dealt, fewer_negatives
from recipes.examples import Example
from recipes.measure.calibration import Calibration, shift_for, shifted


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
    assert Calibration.from_info({"calibration": calibration.to_info()}) == calibration
    assert Calibration.from_info({"calibration": {"shift": -1.0}}) == Calibration(shift=-1.0)
    assert Calibration.from_info({}) == Calibration()
