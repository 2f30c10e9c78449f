"""What is fitted on few rows does rarely any harm, and on many rows what it always did."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import expit

from recipes.answer.blend import blend, fit_mix
from recipes.measure import metrics as evaluate
from recipes.measure.calibration import Calibration, fit_calibration
from recipes.measure.shrinkage import evidence, holds

Pair = tuple[np.ndarray, np.ndarray, np.ndarray]
Draw = Callable[[int, np.random.Generator], Pair]
EVEN = (0.5, 0.5)


def both(second: np.ndarray) -> np.ndarray:
    return np.stack([1 - second, second], axis=1)


def models(own_noise: float, own: float, other_noise: float, other: float) -> Draw:
    """Log-odds of two models that see the truth's with some noise, times a factor; and what is true."""

    def drawn(rows: int, draw: np.random.Generator) -> Pair:
        truth = 2 * draw.normal(size=rows)
        seen = [
            (truth + noise * draw.normal(size=rows)) * by
            for noise, by in ((own_noise, own), (other_noise, other))
        ]
        return *seen, draw.random(rows) < expit(truth)

    return drawn


NOTHING_TO_GAIN = models(0.3, 0.95, 2.0, 0.5)
MUCH_TO_GAIN = models(2.5, 0.4, 0.6, 0.9)
OVERCONFIDENT = models(1.0, 1.6, 9.0, 0.05)


def gains(draw: Draw, rows: int, kind: str, draws: int) -> np.ndarray:
    """By how much the log loss of 5,000 other rows falls, for each draw of so many rows."""
    own, other, truth = draw(5000, np.random.default_rng(99))
    stream, found = np.random.default_rng(rows), []
    for _ in range(draws):
        some, beside, true = draw(rows, stream)
        if kind == "mix":
            mix, _ = fit_mix(both(expit(some)), both(expit(beside)), EVEN, both(true), np.ones(rows))
            after = blend(both(expit(own)), both(expit(other)), mix)
        else:
            # Shares that are not those of the rows: their bias has nothing to give.
            fit = fit_calibration(np.stack([0 * some, some], axis=1), both(true), (0.7, 0.3))
            after = fit.apply(torch.tensor(np.stack([0 * own, own], axis=1)), False).numpy()
        found.append(evaluate.log_loss(truth, both(expit(own))) - evaluate.log_loss(truth, after))
    return np.array(found)


@pytest.mark.parametrize("kind", ["mix", "calibration"])
@pytest.mark.parametrize("rows", [6, 20, 50, 100])
def test_few_rows_rarely_make_worse_what_there_is_nothing_to_gain_from(kind: str, rows: int) -> None:
    found = gains(NOTHING_TO_GAIN, rows, kind, 40)
    assert (found < -0.002).mean() <= 0.2
    assert found.mean() > -0.004


@pytest.mark.parametrize(("kind", "draw"), [("mix", MUCH_TO_GAIN), ("calibration", OVERCONFIDENT)])
def test_a_hundred_rows_get_what_there_is_to_gain(kind: str, draw: Draw) -> None:
    most = gains(draw, 5000, kind, 1).mean()
    found = gains(draw, 100, kind, 20)
    assert most > 0.05 and (found >= 0).all() and found.mean() > 0.75 * most
    assert (gains(draw, 6, kind, 20) < -0.002).mean() <= 0.1


def test_rows_of_a_group_are_no_more_evidence_than_one() -> None:
    """Ten copies of each of six rows allow no more than the six do."""
    own, other, truth = MUCH_TO_GAIN(6, np.random.default_rng(1))
    tens = [np.repeat(each, 10) for each in (own, other, truth)]
    units = np.repeat(np.arange(6), 10)
    fits = [
        fit_mix(both(expit(a)), both(expit(b)), EVEN, both(t), np.ones(len(t)), units=unit)[0].weight
        for (a, b, t), unit in (((own, other, truth), np.arange(6)), (tens, units))
    ]
    assert fits[1] == pytest.approx(fits[0], abs=0.1)
    assert evidence(np.ones(60), units) == pytest.approx(6)
    assert evidence(np.array([1000.0, 1.0]), np.arange(2)) == pytest.approx(1, abs=0.01)


def test_one_unit_alone_supports_nothing() -> None:
    assert not holds(lambda seen: np.zeros(3), np.ones(3), np.ones(3), np.zeros(3, dtype=int))
    assert holds(lambda seen: np.zeros(30), np.ones(30), np.ones(30), np.arange(30))


def test_a_fold_is_judged_by_what_did_not_see_it() -> None:
    """A fit that remembers its rows, and is wrong on others, is not served."""
    assert not holds(lambda seen: np.where(seen, 0.0, 2.0), np.ones(50), np.ones(50), np.arange(50))


def test_three_labels_and_several_labels_are_mixed_as_two_are() -> None:
    draw = np.random.default_rng(0)
    scores = draw.normal(size=(2000, 3)) * 2
    label = (scores + draw.gumbel(size=scores.shape)).argmax(axis=1)
    truth = np.eye(3, dtype=bool)[label]
    noisy = [scores + draw.normal(size=scores.shape) for _ in range(2)]
    soft = [np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in noisy]
    mix, loss = fit_mix(*soft, (1 / 3,) * 3, truth, np.ones(2000))
    assert mix.weight == pytest.approx(0.5, abs=0.08) and loss < evaluate.log_loss(label, soft[0]) - 0.02
    several = draw.random(scores.shape) < expit(scores)
    sure = [expit(each) for each in noisy]
    mix, loss = fit_mix(*sure, (0.5,) * 3, several, np.ones(2000), multi_label=True)
    assert mix.weight == pytest.approx(0.5, abs=0.08)
    assert loss < evaluate.multilabel_log_loss(several, sure[0]) - 0.005
    assert Calibration(1.0) == Calibration()
