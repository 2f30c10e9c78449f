"""Intervals and gains of several models come from the same draws of the test rows, which are drawn once for all."""

import numpy as np
import pytest

from recipes.examples import Example, Splits
from recipes.judge.certainty import Certainty
from recipes.measure import intervals
from recipes.tasks.task import task_for

TEST = tuple(Example("t", line, line % 2) for line in range(40))
RIGHT = np.eye(2)[[row.label for row in TEST]] * 0.8 + 0.1
MODELS = {"own": RIGHT, "same": RIGHT, "wrong": 1 - RIGHT}


def test_gains_are_paired_and_all_models_are_drawn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, resample = [], intervals.resample
    monkeypatch.setattr(intervals, "resample", lambda *given: drawn.append(1) or resample(*given))
    sure = Certainty(task_for("behavior"), Splits((), (), TEST, ("a", "b"), ""), MODELS)
    gains = sure.gains("own", ["same", "wrong"])
    assert gains["same"]["accuracy"].difference == gains["same"]["accuracy"].high == 0
    assert gains["wrong"]["accuracy"].low == gains["wrong"]["accuracy"].high == 1
    assert gains["wrong"]["log_loss"].difference == pytest.approx(np.log(0.1 / 0.9))
    assert sure.gains("wrong", ["own"])["own"]["accuracy"].difference == -1
    assert sure.intervals("own")["accuracy"].low == 1 and sure.intervals("wrong")["accuracy"].high == 0
    assert len(drawn) == 1
