"""behavior: labels of a user's behaviour text: intent, next action, sentiment."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from recipes.examples import Example, Splits
from recipes.measure import baselines as learned
from recipes.measure import intervals
from recipes.measure import metrics as evaluate
from recipes.measure.intervals import Floats, Statistic
from recipes.tasks.roles import (
    GROUP,
    TIMESTAMP,
    WEIGHT,
    Role,
    feature_columns,
    feature_names,
    fill,
    with_features,
)

if TYPE_CHECKING:
    from recipes.options.recipe import Recipe

ROLES: Final[Mapping[str, Role]] = {
    "text": Role(
        "what the user wrote or did", True, ("review", "sentence", "content", "query", "comment", "input")
    ),
    "label": Role(
        "its label, or several with data.separator", True, ("category", "intent", "sentiment", "class")
    ),
    "weight": WEIGHT,
    "timestamp": TIMESTAMP,
    "group": GROUP,
}
METRICS: Final[Mapping[str, Literal["max", "min"]]] = {
    "accuracy": "max",
    "macro_f1": "max",
    "log_loss": "min",
    "calibration_error": "min",
}
DEFAULT_PREFIX_TEXT: Final = (
    "A customer of a shop wrote or did this. What does the customer want, feel or do next?"
)


def render(fields: Mapping[str, str], recipe: "Recipe") -> str:
    """The text, then a line for each feature; `data.prompt` may be a template over `text` and the features."""
    template = recipe.data.prompt or ("{text}" if fields.get("text") else "")
    return with_features(
        fill(template, fields), fields, feature_names(recipe.data.features, fields, ROLES, recipe.data.prompt)
    )


def metrics(examples: Sequence[Example], predictions: Any, labels: Sequence[str] = ()) -> dict[str, Any]:
    """Accuracy, macro F1, log loss, calibration error of the `decisions`, and `labels`: a table of precision, recall,
    F1 and rows per label.

    predictions: probabilities [examples, labels]; rows sum to 1, or independent ones for multi-label, where accuracy
        is the share of rows whose whole set is right and a label is given from 0.5.
    labels: their names, for the table; without them it counts from 0.
    """
    probabilities = np.asarray(predictions, dtype=float)
    weights = learned.weights_of(examples)
    names = tuple(labels) or tuple(str(i) for i in range(probabilities.shape[1]))
    if any(isinstance(example.label, tuple) for example in examples):
        truth = learned.label_matrix(examples, len(names))
        given = probabilities >= 0.5
        return {
            "accuracy": evaluate.exact_match(truth, given, weights),
            "macro_f1": evaluate.macro_f1(truth, given, weights),
            "log_loss": evaluate.multilabel_log_loss(truth, probabilities, weights),
            "calibration_error": evaluate.calibration_error(*decisions(examples, probabilities)),
            "labels": evaluate.label_table(truth, given, names, weights),
        }
    classes = np.array([example.label for example in examples], dtype=int)
    truth = evaluate.one_hot(classes, len(names))
    given = evaluate.one_hot(probabilities.argmax(axis=1), len(names))
    seen = truth.any(axis=0) | given.any(
        axis=0
    )  # as scikit-learn: labels that are neither true nor given do not count
    return {
        "accuracy": evaluate.exact_match(truth, given, weights),
        "macro_f1": evaluate.macro_f1(truth[:, seen], given[:, seen], weights),
        "log_loss": evaluate.log_loss(classes, probabilities, weights),
        "calibration_error": evaluate.calibration_error(*decisions(examples, probabilities)),
        "labels": evaluate.label_table(truth, given, names, weights),
    }


def decisions(examples: Sequence[Example], predictions: Any) -> tuple[Floats, Floats, Floats]:
    """What is calibrated: whether each decision is right, the probability that it is, and its weight, [decisions] each.

    One decision a row, its likeliest label (as in Guo et al. 2017, arXiv:1706.04599); with several labels a row, one
    for each label: whether the row has it.
    """
    probabilities = np.asarray(predictions, dtype=float)
    truth = learned.label_matrix(examples, probabilities.shape[1]).astype(float)
    weights = learned.weights_of(examples)
    if any(isinstance(example.label, tuple) for example in examples):
        return truth.ravel(), probabilities.ravel(), np.repeat(weights, probabilities.shape[1])
    rows, likeliest = np.arange(len(truth)), probabilities.argmax(axis=1)
    return truth[rows, likeliest], probabilities[rows, likeliest], weights


def are_right(examples: Sequence[Example], predictions: Any) -> NDArray[np.bool_]:
    """Whether a row's given labels are its own, all of them and no other, [examples]."""
    probabilities = np.asarray(predictions, dtype=float)
    truth = learned.label_matrix(examples, probabilities.shape[1])
    return np.asarray((truth == given_labels(examples, probabilities)).all(axis=1))


def given_labels(examples: Sequence[Example], probabilities: Floats) -> NDArray[np.bool_]:
    """True where a row is given a label, [examples, labels]: the likeliest; with several labels a row, all from 0.5."""
    if any(isinstance(example.label, tuple) for example in examples):
        return np.asarray(probabilities >= 0.5)
    return evaluate.one_hot(probabilities.argmax(axis=1), probabilities.shape[1])


def statistics(
    examples: Sequence[Example], predictions: Any, labels: Sequence[str] = ()
) -> dict[str, Statistic]:
    """The metrics above that are resampled: metric -> its statistic over the units of `intervals.units_of`."""
    probabilities = np.asarray(predictions, dtype=float)
    weights, units = learned.weights_of(examples), intervals.units_of(examples)
    truth = learned.label_matrix(examples, probabilities.shape[1])
    several = any(isinstance(example.label, tuple) for example in examples)
    if several:
        losses = evaluate.multilabel_losses(truth, probabilities)
    else:
        losses = evaluate.losses([learned.labels_of(example)[0] for example in examples], probabilities)
    given, absent = given_labels(examples, probabilities), 0.0 if several else float("nan")
    return {
        "accuracy": intervals.ratio(weights * (truth == given).all(axis=1), weights, units),
        "macro_f1": intervals.macro_f1(truth, given, weights, units, absent),
        "log_loss": intervals.ratio(weights * losses, weights, units),
    }


def guesses(splits: Splits, recipe: "Recipe | None" = None) -> dict[str, NDArray[np.float64]]:
    """The constant prior; TF-IDF with logistic regression; logistic regression on the features, where the recipe has
    any: probabilities [test, labels] of each."""
    found = {
        "constant prior": learned.prior(splits),
        "TF-IDF + logistic regression": learned.bag_of_words(splits),
    }
    rows = [example.fields for example in splits.train]
    if columns := feature_columns(recipe.data.features, rows, ROLES) if recipe is not None else ():
        found["columns + logistic regression"] = learned.on_columns(splits, columns)
    return found


def baselines(
    splits: Splits, recipe: "Recipe | None" = None, found: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """The metrics of the guesses."""
    made = guesses(splits, recipe) if found is None else found
    return {name: metrics(splits.test, guess, splits.labels) for name, guess in made.items()}
