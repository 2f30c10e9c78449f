"""Metrics as plain functions of numpy arrays and texts; each names its definition and source.

`weights` are per row and default to 1; a row of weight 3 counts as three equal rows.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_SMALLEST = 1e-15  # probabilities are kept this far from 0 and 1, so that one sure mistake costs 34.5 nats


def auc(truth: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs that the scores order rightly, ties half.

    truth: 0 or 1, [rows]; scores: any real numbers, [rows]. The Mann-Whitney statistic with weights; exact.
    NaN where the rows hold one class only.
    """
    positive, score, weight = _rows(truth, scores, weights)
    _, index = np.unique(score, return_inverse=True)
    above = np.bincount(index, weights=weight * positive)
    below = np.bincount(index, weights=weight * (1 - positive))
    pairs = above.sum() * below.sum()
    return float((above * (np.cumsum(below) - below / 2)).sum() / pairs) if pairs > 0 else float("nan")


def log_loss(classes: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood in nats. classes: [rows]; probabilities: [rows, labels]."""
    return _mean(losses(classes, probabilities), weights)


def losses(classes: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Each row's negative log-likelihood in nats, [rows]."""
    classes = np.asarray(classes, dtype=int)
    table = np.asarray(probabilities, dtype=float)
    return np.asarray(-np.log(np.clip(table[np.arange(len(classes)), classes], _SMALLEST, 1.0)))


def multilabel_log_loss(
    truth: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Binary cross-entropy in nats, mean over labels, then over rows. Both arguments: [rows, labels]."""
    return _mean(multilabel_losses(truth, probabilities), weights)


def multilabel_losses(truth: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Each row's binary cross-entropy in nats, mean over labels, [rows]."""
    true = np.asarray(truth, dtype=float)
    given = np.clip(np.asarray(probabilities, dtype=float), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(-(true * np.log(given) + (1 - true) * np.log1p(-given)).mean(axis=1))


def losses_of(truth: ArrayLike, probabilities: ArrayLike, multi_label: bool) -> Floats:
    """`losses`, or `multilabel_losses`, of heads of either kind. Both arrays: [rows, labels]."""
    if multi_label:
        return multilabel_losses(truth, probabilities)
    return losses(np.asarray(truth).argmax(axis=1), probabilities)


def calibration_error(
    truth: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None, bins: int = 15
) -> float:
    """Expected calibration error with bins of equal mass: sum over bins of (mass share) * |mean truth - mean p|.

    ECE after Naeini et al. 2015 (AAAI, "Obtaining Well Calibrated Probabilities Using Bayesian Binning"), for the
    positive class's probability; equal-mass bins as in the adaptive calibration error of Nixon et al. 2019
    (arXiv:1904.01685), weighted by their mass. Equal probabilities always share a bin, so that the order of the
    rows does not matter and a constant guess is judged by its one distance. truth, probabilities: [rows].
    """
    predicted, observed, mass = reliability(truth, probabilities, weights, bins)
    return float((mass * np.abs(observed - predicted)).sum())


def reliability(
    truth: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None, bins: int = 15
) -> tuple[Floats, Floats, Floats]:
    """The bins of `calibration_error` that hold rows: mean probability, mean truth, share of the mass, [bins] each."""
    positive, given, weight = _rows(truth, probabilities, weights)
    values, index = np.unique(given, return_inverse=True)
    mass = np.bincount(index, weights=weight)
    hits = np.bincount(index, weights=weight * positive)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()  # where each value's mass is centred, in (0, 1)
    bin_of = np.minimum((middle * bins).astype(int), bins - 1)
    held = np.bincount(bin_of, weights=mass)
    full = held > 0
    held, sums, hits = (
        held[full],
        np.bincount(bin_of, weights=mass * values)[full],
        np.bincount(bin_of, weights=hits)[full],
    )
    return sums / held, hits / held, held / held.sum()


def ndcg(groups: Iterable[tuple[ArrayLike, ArrayLike]], k: int) -> tuple[float, int]:
    """Mean NDCG@k over groups, and how many groups it was measured on.

    groups: (gains, scores) per group. DCG@k = sum over ranks i = 1..k of gain_i / log2(i + 1), divided by the best
    order's (Järvelin and Kekäläinen 2002, doi:10.1145/582415.582418). Gains are the labels: clicks, or click shares.
    Items of equal score share the mean of their gains (McSherry and Najork 2008, doi:10.1007/978-3-540-78646-7_38),
    so that no order among ties is lucky. Groups whose gains are all equal (no click at all, or a single item) have
    nothing to rank and are left out; NaN if none remains.
    """
    values = []
    for gains, scores in groups:
        gain = np.asarray(gains, dtype=float)
        if gain.min() == gain.max():
            continue
        discount = 1 / np.log2(np.arange(2, len(gain) + 2))
        discount[k:] = 0
        _, index, count = np.unique(-np.asarray(scores, dtype=float), return_inverse=True, return_counts=True)
        tied = np.bincount(index, weights=gain) / count
        reached = float((np.repeat(tied, count) * discount).sum())
        values.append(reached / float((np.sort(gain)[::-1] * discount).sum()))
    return (float(np.mean(values)) if values else float("nan")), len(values)


def pair_accuracy(groups: Iterable[tuple[ArrayLike, ArrayLike]]) -> float:
    """Share of pairs within groups whose gains differ that the scores order rightly, ties half; NaN without pairs.

    groups: (gains, scores) per group; all pairs of all groups count alike.
    """
    counted = [pairs(gains, scores) for gains, scores in groups]
    every = sum(differ for _, differ in counted)
    return sum(right for right, _ in counted) / every if every else float("nan")


def pairs(gains: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """Of one group: how many pairs of different gains the scores order rightly, ties half, and how many there are."""
    gain, score = np.asarray(gains, dtype=float), np.asarray(scores, dtype=float)
    better = gain[:, None] > gain[None, :]
    order = np.sign(score[:, None] - score[None, :])
    return float(((order + 1) / 2 * better).sum()), float(better.sum())


def exact_match(truth: Bools, given: Bools, weights: ArrayLike | None = None) -> float:
    """Share of rows whose labels are all right: accuracy. Both: [rows, labels]."""
    return _mean((truth == given).all(axis=1).astype(float), weights)


def macro_f1(truth: Bools, given: Bools, weights: ArrayLike | None = None) -> float:
    """Unweighted mean over labels of F1 = 2 TP / (2 TP + FP + FN), 0 where a label neither occurs nor is given."""
    hits, wrong, missed = _counts(truth, given, weights)
    return float((2 * hits / np.maximum(2 * hits + wrong + missed, _SMALLEST)).mean())


def label_table(
    truth: Bools, given: Bools, names: Sequence[str], weights: ArrayLike | None = None
) -> list[dict[str, Any]]:
    """One entry per label: precision TP / (TP + FP), recall TP / (TP + FN), F1, and its number of rows."""
    hits, wrong, missed = _counts(truth, given, weights)
    return [
        {
            "label": name,
            "precision": float(hits[i] / max(hits[i] + wrong[i], _SMALLEST)),
            "recall": float(hits[i] / max(hits[i] + missed[i], _SMALLEST)),
            "f1": float(2 * hits[i] / max(2 * hits[i] + wrong[i] + missed[i], _SMALLEST)),
            "rows": int(truth[:, i].sum()),
        }
        for i, name in enumerate(names)
    ]


def one_hot(classes: ArrayLike, labels: int) -> Bools:
    """True at each row's class, [rows, labels]."""
    return np.asarray(np.asarray(classes, dtype=int)[:, None] == np.arange(labels)[None, :])


def perplexity(nll: float) -> float:
    """exp(mean negative log-likelihood per token in nats)."""
    return float(np.exp(nll))


def bleu(texts: Sequence[str], references: Sequence[Sequence[str]], chinese: bool) -> float:
    """Corpus BLEU-4, 0 to 100, by sacrebleu (Papineni et al. 2002; Post 2018, arXiv:1804.08771).

    references: one or more per text. Chinese is tokenized by character (`tokenize="zh"`), other text by "13a".
    """
    from sacrebleu.metrics import BLEU
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    metric = BLEU(tokenize="zh" if chinese else "13a")
    try:
        return float(metric.corpus_score(list(texts), _streams(references)).score)
    finally:
        # Caches of classes, for as long as the process lives: 65,536 texts of whoever came, and a tokenizer for each.
        for each in (type(metric.tokenizer), TokenizerRegexp):
            cached: Any = each.__call__
            cached.cache_clear()


def chrf(texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus chrF2, 0 to 100, by sacrebleu (Popović 2015, doi:10.18653/v1/W15-3049)."""
    from sacrebleu.metrics import CHRF

    return float(CHRF().corpus_score(list(texts), _streams(references)).score)


def text_chrf(texts: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """chrF2 of each text by itself, 0 to 100: unlike a corpus' chrF, its mean can be resampled text by text."""
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    return [
        float(metric.sentence_score(text, list(each)).score)
        for text, each in zip(texts, references, strict=True)
    ]


def distinct_2(tokens: Sequence[Sequence[str]]) -> float:
    """Different pairs of neighbouring tokens over all such pairs of all texts (Li et al. 2016, arXiv:1510.03055)."""
    pairs = [pair for text in tokens for pair in pairwise(text)]
    return len(set(pairs)) / len(pairs) if pairs else 0.0


def share_within(texts: Sequence[str], max_chars: int) -> float:
    """Share of texts of at most `max_chars` characters."""
    return sum(len(text) <= max_chars for text in texts) / len(texts)


def _streams(references: Sequence[Sequence[str]]) -> Any:
    """sacrebleu's shape: the n-th reference of every text, None where a text has fewer (its types say str only)."""
    most = max(len(each) for each in references)
    return [[each[n] if n < len(each) else None for each in references] for n in range(most)]


def _rows(truth: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    positive = np.asarray(truth, dtype=float)
    return positive, np.asarray(scores, dtype=float), _weights(weights, len(positive))


def _weights(weights: ArrayLike | None, rows: int) -> Floats:
    return np.ones(rows) if weights is None else np.asarray(weights, dtype=float)


def _mean(values: Floats, weights: ArrayLike | None) -> float:
    return float(np.average(values, weights=_weights(weights, len(values))))


def _counts(truth: Bools, given: Bools, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """True positives, false positives and false negatives per label, each [labels]."""
    weight = _weights(weights, len(truth))[:, None]
    hits = (truth & given) * weight
    wrong = (~truth & given) * weight
    missed = (truth & ~given) * weight
    return hits.sum(axis=0), wrong.sum(axis=0), missed.sum(axis=0)
