"""Blends: the mix is found again, what is served is what was measured, and lies are refused."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from recipes import Recipe
from recipes.answer.blend import Mix, blend, fit_mix
from recipes.answer.linear import Linear, Reader, learn
from recipes.examples import Example, Splits
from recipes.measure import baselines
from recipes.measure import metrics as evaluate
from recipes.measure.calibration import shift_for, shifted
from tests.recipes.runs.test_training import base

__all__ = ["base"]

EVEN = (0.5, 0.5)


def drawn(
    own_part: float, other_part: float, rows: int = 10_000
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two models' probabilities, and labels that follow so much of the log-odds of each: [rows, 2] each."""
    draw = np.random.default_rng(0)
    own, other = 2 * draw.normal(size=(2, rows))
    clicked = draw.random(rows) < expit(own_part * own + other_part * other)
    return pair(expit(own)), pair(expit(other)), pair(clicked)


def pair(second: np.ndarray) -> np.ndarray:
    return np.stack([1 - second, second], axis=1)


# --- two models' probabilities ------------------------------------------------------------------------------------


def test_evidence_is_mixed_around_the_prior() -> None:
    mixed = blend([[0.2, 0.8]], [[0.6, 0.4]], Mix(0.25, 1.6, (0.9, 0.1)))
    start = logit(0.1)
    evidence = 0.75 * (logit(0.8) - start) + 0.25 * (logit(0.4) - start)
    assert logit(mixed[0, 1]) == pytest.approx(start + 1.6 * evidence)
    shifted = blend([[0.2, 0.8]], [[0.6, 0.4]], Mix(0.25, 1.6, (0.9, 0.1), shift=-0.5))
    assert logit(shifted[0, 1]) == pytest.approx(logit(mixed[0, 1]) - 0.5)
    several = blend([[0.2, 0.8]], [[0.6, 0.4]], Mix(0.5, 2.0, (0.3, 0.1)), multi_label=True)
    assert logit(several[0, 0]) == pytest.approx(logit(0.2) + logit(0.6) - logit(0.3))


def test_a_weight_of_0_is_the_adapter_alone_and_1_the_baseline_alone() -> None:
    for weight, alone in ((0.0, [[0.2, 0.8]]), (1.0, [[0.6, 0.4]])):
        found = blend([[0.2, 0.8]], [[0.6, 0.4]], Mix(weight, 1.0, (0.9, 0.1)))
        assert found == pytest.approx(np.array(alone))


def test_three_labels_stay_a_distribution_and_a_sure_zero_stays_finite() -> None:
    mixed = blend([[0.5, 0.3, 0.2]], [[1.0, 0.0, 0.0]], Mix(0.5, 1.5, (0.5, 0.5, 0.0)))
    assert mixed.sum() == pytest.approx(1) and np.isfinite(mixed).all() and mixed[0, 0] > 0.9


@pytest.mark.parametrize(("own_part", "other_part"), [(0.7, 0.3), (0.3, 0.7), (1.0, 1.0), (0.9, 0.6)])
def test_the_mix_that_labels_follow_is_found_again(own_part: float, other_part: float) -> None:
    own, other, truth = drawn(own_part, other_part)
    mix, loss = fit_mix(own, other, EVEN, truth, np.ones(len(own)))
    assert mix.sharpness * (1 - mix.weight) == pytest.approx(own_part, abs=0.04)
    assert mix.sharpness * mix.weight == pytest.approx(other_part, abs=0.04)
    assert loss == evaluate.log_loss(truth.argmax(1), blend(own, other, mix))


def test_a_rate_that_is_off_is_mended_by_the_shift_and_not_by_the_weight() -> None:
    own, other, truth = drawn(1.0, 1.0)
    off = pair(expit(logit(own[:, 1]) - 2))
    mix, _ = fit_mix(off, other, EVEN, truth, np.ones(len(own)))
    assert mix.weight == pytest.approx(0.5, abs=0.02) and mix.shift == pytest.approx(2, abs=0.1)


def test_rows_that_may_have_several_labels_and_happen_to_have_one_are_mixed_label_by_label() -> None:
    own, other, truth = drawn(0.7, 0.3)
    mix, _ = fit_mix(own, other, EVEN, truth, np.ones(len(own)), multi_label=True)
    assert mix.sharpness * (1 - mix.weight) == pytest.approx(0.7, abs=0.04)
    assert mix.sharpness * mix.weight == pytest.approx(0.3, abs=0.04) and mix.shift == 0


def test_a_baseline_that_knows_nothing_more_gets_next_to_nothing() -> None:
    own, other, truth = drawn(1.0, 0.0)
    mix, loss = fit_mix(own, other, EVEN, truth, np.ones(len(own)))
    assert mix.weight < 0.03
    assert loss <= evaluate.log_loss(truth.argmax(1), own)


def test_parts_of_the_same_knowledge_are_averaged_and_not_added() -> None:
    own, _, truth = drawn(1.0, 0.0)
    mix, _ = fit_mix(own, own, EVEN, truth, np.ones(len(own)))
    assert mix.sharpness == pytest.approx(1, abs=0.03)


# --- a baseline that can travel -----------------------------------------------------------------------------------

TEXTS = ("alpha beta", "beta gamma!", "春季 新品 上市", "gamma alpha alpha", "夏季清仓，全场五折", "")


def rows_of(count: int, labels: int, seed: int = 0) -> tuple[Example, ...]:
    """Texts and two columns that all say something of the label."""
    draw, found = random.Random(seed), []
    for line in range(count):
        label = draw.randrange(labels)
        text = f"{TEXTS[label % len(TEXTS)]} {draw.choice(TEXTS)}"
        fields = {
            "text": text,
            "season": draw.choice(["春", "autumn"]) if draw.random() < 0.5 else f"season {label}",
            "price": "" if draw.random() < 0.2 else str(round(label + draw.random(), 2)),
        }
        found.append(Example(text, line, label, fields=fields))
    return tuple(found)


def splits_of(labels: int, multi_label: bool = False) -> Splits:
    parts = [rows_of(200, labels, seed) for seed in range(3)]
    if multi_label:
        parts = [tuple(replace(e, label=tuple({e.label, 0})) for e in part) for part in parts]  # type: ignore[arg-type]
    return Splits(*parts, tuple("abcdefg"[:labels]), "", multi_label=multi_label)


def probabilities(model: Linear, examples: tuple[Example, ...], multi_label: bool = False) -> np.ndarray:
    return model.probabilities([e.text for e in examples], [e.fields for e in examples], multi_label)


RECIPE = Recipe.load("behavior", **{"data.features": ["season", "price"]})


@pytest.mark.parametrize(("labels", "multi_label"), [(2, False), (5, False), (4, True)])
def test_a_model_learns_from_texts_and_columns_and_travels_as_numbers(labels: int, multi_label: bool) -> None:
    splits = splits_of(labels, multi_label)
    models = learn(splits, RECIPE)
    assert [model.name.split(" +")[0] for model in models] == ["hashed n-grams", "hashed columns"]
    truth = baselines.label_matrix(splits.test, labels)
    for model in models:
        found = probabilities(model, splits.test, multi_label)
        prior = np.tile(baselines.label_matrix(splits.train, labels).mean(axis=0), (200, 1))
        loss = evaluate.multilabel_log_loss if multi_label else evaluate.log_loss
        right = truth if multi_label else truth.argmax(1)
        assert loss(right, found) < 0.8 * loss(right, prior)
        again = Linear.from_info(model.to_info(), labels, multi_label)
        assert np.array_equal(probabilities(again, splits.test, multi_label), found)


def test_the_numbers_are_those_of_the_regression() -> None:
    """Columns one by one, against scikit-learn's own regression on one place for each value."""
    splits = splits_of(3)
    recipe = Recipe.load("behavior", **{"data.features": ["season"]})
    [_, model] = learn(splits, recipe)
    values = sorted({e.fields["season"] for e in splits.train})

    def places(examples: tuple[Example, ...]) -> np.ndarray:
        return np.array([[float(e.fields["season"] == value) for value in values] for e in examples])

    found = probabilities(model, splits.test)
    truth = [e.label for e in splits.train]
    tried = [
        LogisticRegression(C=strength, max_iter=500).fit(places(splits.train), truth)
        for strength in (0.1, 1, 10, 100)
    ]
    nearest = min(abs(each.predict_proba(places(splits.test)) - found).max() for each in tried)
    assert nearest < 0.01


def test_labels_that_training_does_not_show_are_never_likely() -> None:
    for multi_label in (False, True):
        splits = replace(splits_of(3, multi_label), labels=("a", "b", "c", "never"))
        for model in learn(splits, RECIPE):
            assert probabilities(model, splits.test, multi_label)[:, 3].max() < 1e-9


def test_what_stands_in_one_row_only_moves_no_number() -> None:
    splits = splits_of(2)
    odd = Example("", 999, 1, fields={"season": "unheardof", "price": "1"})
    [_, columns] = learn(replace(splits, train=(*splits.train, odd)), RECIPE)
    unknown = columns.probabilities([""], [{"season": "neither", "price": "1"}], False)
    assert columns.probabilities([""], [odd.fields], False) == pytest.approx(unknown)
    twice = replace(odd, line=1000)
    [_, columns] = learn(replace(splits, train=(*splits.train, odd, twice)), RECIPE)
    assert columns.probabilities([""], [odd.fields], False)[0, 1] > unknown[0, 1] + 0.01


def test_no_word_and_no_value_of_the_data_stands_in_the_numbers() -> None:
    told = str([model.to_info() for model in learn(splits_of(2), RECIPE)])
    assert not any(word in told for word in ("alpha", "gamma", "autumn", "春", "清仓"))
    assert "season" in told, "the names of columns do"


def test_what_learned_from_sampled_rows_is_corrected_as_the_adapter_is() -> None:
    splits = replace(splits_of(2), labels=("not clicked", "clicked"))
    recipe = Recipe.load("recommendation", **{"data.features": ["season"]})
    for every, sampled in zip(
        learn(splits, recipe), learn(replace(splits, negative_share=0.25), recipe), strict=True
    ):
        expected = shifted(probabilities(every, splits.test), shift_for(0.25))
        assert probabilities(sampled, splits.test) == pytest.approx(expected)


def test_who_the_user_is_is_not_read_and_which_ad_it_is_is() -> None:
    draw = random.Random(0)
    examples = tuple(
        Example(
            "t", i, int(draw.random() < 0.5), fields={"user_id": f"u{i % 3}", "ad_id": str(i % 4), "ad": "x"}
        )
        for i in range(60)
    )
    splits = Splits(examples, examples, examples, ("not clicked", "clicked"), "")
    [_, columns] = learn(splits, Recipe.load("recommendation"))
    assert columns.reader == Reader({"ad_id": None})


def test_the_table_is_bounded_and_too_many_labels_have_none() -> None:
    words = [f"w{i}x{i % 97}" for i in range(7_200)]
    texts = [" ".join(words[i * 60 : i * 60 + 60]) for i in range(120)]
    parts = tuple(Example(text, i, i % 40) for i, text in enumerate(texts))
    labels = tuple(map(str, range(40)))
    [model] = learn(Splits(parts, parts, parts, labels, ""), Recipe.load("behavior"))
    assert len(model.to_info()["table"]) <= 2 << 20
    many = Splits(parts, parts, parts, tuple(map(str, range(4000))), "")
    assert learn(many, Recipe.load("behavior")) == []


def test_a_models_features_are_pinned_so_that_published_numbers_keep_their_meaning() -> None:
    text = Reader(None, True).features("红 A a", {})
    assert text == pytest.approx(
        {
            "w 红": 1.0, "w a": 1 + math.log(2), "w 红 a": 1.0, "w a a": 1.0,
            "c ": 1 + math.log(6), "c红": 1.0, "c 红": 1.0, "c红 ": 1.0, "c 红 ": 1.0,
            "ca": 1 + math.log(2), "c a": 1 + math.log(2), "ca ": 1 + math.log(2), "c a ": 1 + math.log(2),
        }
    )  # fmt: skip
    columns = Reader({"city": None, "price": (1.0, 2.0), "liked_share": None, "gone": None})
    assert columns.features("", {"city": "巴黎", "price": "1.5", "liked_share": "75%"}) == pytest.approx(
        {"city=巴黎": 1.0, "price=step 1": 1.0, "liked_share%": math.log(3), "gone=": 1.0}
    )
    table = np.zeros((8, 2), dtype=np.float16)
    table[:, 0], table[:, 1] = 1, range(8)
    model = Linear("m", Reader({"city": None}), 2, (0.0,), table)
    found = logit(model.probabilities([""] * 2, [{"city": "巴黎"}, {}], False)[:, 1])
    assert found == pytest.approx([7, 1])  # the buckets of "city=巴黎" and "city="
