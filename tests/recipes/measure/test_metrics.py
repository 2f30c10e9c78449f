"""Metrics: exact values by hand, and scikit-learn's on random data with ties and weights."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from recipes.measure import metrics as evaluate


@pytest.fixture(params=range(5))
def draw(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def test_auc_by_hand() -> None:
    assert evaluate.auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    assert evaluate.auc([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]) == 0.5
    assert evaluate.auc([0, 1, 1], [0.5, 0.5, 0.9]) == 0.75
    assert evaluate.auc([1, 0, 0], [2.0, 1.0, 3.0], [1.0, 3.0, 1.0]) == 0.75
    assert math.isnan(evaluate.auc([1, 1], [0.1, 0.2]))


def test_auc_is_scikit_learns_with_ties_and_weights(draw: np.random.Generator) -> None:
    truth, weights = draw.integers(0, 2, 500), draw.integers(1, 9, 500)
    scores = draw.integers(0, 20, 500) / 20
    assert evaluate.auc(truth, scores) == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    expected = sk.roc_auc_score(truth, scores, sample_weight=weights)
    assert evaluate.auc(truth, scores, weights) == pytest.approx(expected, abs=1e-12)
    repeated = evaluate.auc(np.repeat(truth, weights), np.repeat(scores, weights))
    assert evaluate.auc(truth, scores, weights) == pytest.approx(repeated, abs=1e-12)


def test_log_loss_is_scikit_learns(draw: np.random.Generator) -> None:
    table = draw.dirichlet([1, 1, 1], 300)
    classes, weights = draw.integers(0, 3, 300), draw.uniform(0.5, 3, 300)
    expected = sk.log_loss(classes, table, labels=[0, 1, 2], sample_weight=weights)
    assert evaluate.log_loss(classes, table, weights) == pytest.approx(expected, rel=1e-9)
    truth, given = draw.integers(0, 2, (300, 4)), draw.uniform(0.01, 0.99, (300, 4))
    each = [sk.log_loss(truth[:, i], given[:, i], labels=[0, 1]) for i in range(4)]
    assert evaluate.multilabel_log_loss(truth, given) == pytest.approx(np.mean(each), rel=1e-9)


def test_a_sure_mistake_costs_much_but_not_everything() -> None:
    assert evaluate.log_loss([1], [[1.0, 0.0]]) == pytest.approx(-math.log(1e-15))


def test_calibration_error_by_hand() -> None:
    given, truth = [0.1, 0.2, 0.8, 0.9], [0, 1, 1, 1]
    # two bins of mass 2: |0.5 - 0.15| / 2 + |1 - 0.85| / 2
    assert evaluate.calibration_error(truth, given, bins=2) == pytest.approx(0.25)
    # weight 3 on the first row: its bin holds mass 3 with truth 0, the rest mass 3 with truth 3 and sum of p 1.9
    assert evaluate.calibration_error(truth, given, [3, 1, 1, 1], bins=2) == pytest.approx(0.3 / 6 + 1.1 / 6)


def test_a_constant_guess_is_judged_by_its_one_distance_in_any_order(draw: np.random.Generator) -> None:
    truth = draw.permutation([1] * 30 + [0] * 70)
    assert evaluate.calibration_error(truth, np.full(100, 0.3)) == pytest.approx(0.0, abs=1e-12)
    assert evaluate.calibration_error(truth, np.full(100, 0.5)) == pytest.approx(0.2)


def test_true_probabilities_are_calibrated_and_sharper_ones_are_not(draw: np.random.Generator) -> None:
    given = draw.uniform(0, 1, 20_000)
    truth = draw.uniform(0, 1, 20_000) < given
    assert evaluate.calibration_error(truth, given) < 0.02
    assert evaluate.calibration_error(truth, np.round(given)) == pytest.approx(0.25, abs=0.02)


def test_ndcg_by_hand() -> None:
    value, ranked = evaluate.ndcg([([0, 1, 0], [3.0, 2.0, 1.0])], k=3)
    assert (value, ranked) == (pytest.approx(1 / math.log2(3)), 1)
    assert evaluate.ndcg([([0, 1, 0], [3.0, 2.0, 1.0])], k=1)[0] == 0.0
    assert evaluate.ndcg([([1, 0], [0.5, 0.5])], k=1)[0] == 0.5  # a tie is worth its mean


def test_ndcg_leaves_out_groups_with_nothing_to_rank() -> None:
    groups = [([0, 0], [1.0, 2.0]), ([1], [1.0]), ([1, 0], [2.0, 1.0])]
    assert evaluate.ndcg(groups, k=5) == (1.0, 1)
    assert math.isnan(evaluate.ndcg(groups[:1], k=5)[0])


def test_ndcg_is_scikit_learns_with_ties(draw: np.random.Generator) -> None:
    for k in (1, 3, 5, 10):
        gains, scores = draw.integers(0, 4, (20, 8)).astype(float), draw.integers(0, 5, (20, 8)).astype(float)
        expected = np.mean(
            [sk.ndcg_score([gain], [score], k=k) for gain, score in zip(gains, scores, strict=True)]
        )
        assert evaluate.ndcg(list(zip(gains, scores, strict=True)), k)[0] == pytest.approx(
            expected, abs=1e-12
        )


def test_pair_accuracy_by_hand() -> None:
    groups = [([0.3, 0.1, 0.2], [3.0, 2.0, 1.0]), ([1.0, 0.0], [0.5, 0.5]), ([1.0, 1.0], [1.0, 2.0])]
    assert evaluate.pair_accuracy(groups) == pytest.approx((2 + 0.5) / 4)
    assert math.isnan(evaluate.pair_accuracy(groups[2:]))


def test_accuracy_f1_and_the_label_table_are_scikit_learns(draw: np.random.Generator) -> None:
    truth, given, weights = draw.integers(0, 5, 400), draw.integers(0, 5, 400), draw.uniform(0.5, 3, 400)
    true, guess = evaluate.one_hot(truth, 5), evaluate.one_hot(given, 5)
    accuracy = sk.accuracy_score(truth, given, sample_weight=weights)
    assert evaluate.exact_match(true, guess, weights) == pytest.approx(accuracy)
    expected = sk.f1_score(truth, given, average="macro", sample_weight=weights)
    assert evaluate.macro_f1(true, guess, weights) == pytest.approx(expected)
    table = evaluate.label_table(true, guess, list("abcde"), weights)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, given, sample_weight=weights)
    assert [entry["precision"] for entry in table] == pytest.approx(list(precision))
    assert [entry["recall"] for entry in table] == pytest.approx(list(recall))
    assert [entry["f1"] for entry in table] == pytest.approx(list(f1))
    assert [entry["rows"] for entry in table] == list(np.bincount(truth, minlength=5))


def test_several_labels_are_scored_as_scikit_learn_does(draw: np.random.Generator) -> None:
    truth, given = draw.integers(0, 2, (200, 4)).astype(bool), draw.integers(0, 2, (200, 4)).astype(bool)
    assert evaluate.exact_match(truth, given) == pytest.approx(sk.accuracy_score(truth, given))
    assert evaluate.macro_f1(truth, given) == pytest.approx(sk.f1_score(truth, given, average="macro"))


def test_bleu_and_chrf_take_several_references_each_and_chinese_by_character() -> None:
    references = [["a red mug for tea", "the red mug for your tea"], ["buy the blue pot today"]]
    assert evaluate.bleu(
        ["the red mug for your tea", "buy the blue pot today"], references, False
    ) == pytest.approx(100)
    assert evaluate.chrf(["a red mug for tea", "buy the blue pot today"], references) == pytest.approx(100)
    assert evaluate.bleu(["this has nothing in common", "neither does that"], references, False) < 3
    same = [["这款连衣裙简约大方"]]
    assert evaluate.bleu(["这款连衣裙简约大方"], same, True) == pytest.approx(100)
    # word by word the sentence is one unknown word; character by character most of it is right
    assert (
        evaluate.bleu(["这款连衣裙简约时尚"], same, False)
        < 1
        < evaluate.bleu(["这款连衣裙简约时尚"], same, True)
    )


def test_distinct_pairs_limits_and_perplexity() -> None:
    assert evaluate.distinct_2([["a", "b", "a", "b"], ["a", "b"]]) == 2 / 4
    assert evaluate.distinct_2([["a"], []]) == 0.0
    assert evaluate.share_within(["1234", "12345", "好好"], 4) == pytest.approx(2 / 3)
    assert evaluate.perplexity(math.log(8)) == pytest.approx(8)
