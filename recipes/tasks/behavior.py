"""behavior: labels of a user's behaviour text: intent, next action, sentiment."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from recipes.examples import Example, Splits
from recipes.measure import baselines as learned
from recipes.measure import intervals
from recipes.measure import metrics as evaluate
from recipes.measure.boosting import boosted
from recipes.measure.intervals import Floats, Statistic
from recipes.tasks.label_names import joined, look_alike, meaning, plain_label
from recipes.tasks.roles import ADS, GROUP, TIMESTAMP, WEIGHT, Role, Target, feature_columns, feature_names
from recipes.tasks.templates import fill, text_of, with_features

if TYPE_CHECKING:
    from recipes.options.data import DataOptions
    from recipes.tasks.task import Cells, Sections

NAME: Final = "behavior"
ANSWERS: Final = "labels"
CALL: Final = "analyze"
OPTIONS: Final = frozenset(
    "head data.labels data.separator data.limit_per_label data.label_names blend report.groups "
    "gates.max_calibration_error gates.max_group_gap".split()
)
ROLES: Final[Mapping[str, Role]] = {
    "text": Role(
        "what the user wrote or did",
        ("review", "sentence", "content", "query", "comment", "input"),
        read=True,
        filled=True,
    ),
    "label": Role("its label, or several with data.separator", ("category", "intent", "sentiment", "class")),
    "weight": WEIGHT,
    "timestamp": TIMESTAMP,
    "group": GROUP,
}
DERIVED: Final = ()
PROMPT_NAMES: Final = None
REWORDED: Final = ("text",)
METRICS: Final[Mapping[str, Literal["max", "min"]]] = {
    "accuracy": "max",
    "macro_f1": "max",
    "log_loss": "min",
    "calibration_error": "min",
}
STOPPING: Final = ("accuracy", "macro_f1", "log_loss")
RESAMPLED: Final = ("accuracy", "macro_f1", "log_loss")
CUT: Final = "right"
DEFAULT_PREFIX_TEXT: Final = (
    "A customer of a shop wrote or did this. What does the customer want, feel or do next?"
)
SAYS: Final = "Labels what a user says or does."
EXAMPLE: Final = 'registry.analyze("{name}", ["where is my refund?"])'
SAMPLES: Final = (
    "asked twice about a refund and got no answer",
    "bought again within a week and left five stars",
    "put three things in the basket and left",
)
LIMITS: Final = ()


def misfits(recipe: Mapping[str, Any]) -> list[str]:
    """Groups are compared by accuracy only."""
    gates = recipe.get("gates")
    gap = gates.get("max_group_gap") if isinstance(gates, Mapping) else None
    if isinstance(gap, Mapping) and gap.get("metric", "accuracy") != "accuracy":
        return [f"gates.max_group_gap.metric: behavior has no {gap['metric']} of groups; write accuracy"]
    return []


def required(has: Collection[str], features: Sequence[str], data: "DataOptions") -> list[str]:
    """label; and text, unless features are read."""
    return [role for role in ("text", "label") if role not in has and not (role == "text" and features)]


def used(columns: Mapping[str, str], data: "DataOptions") -> dict[str, str]:
    """All of them."""
    return dict(columns)


def reads_all(roles: Collection[str], data: "DataOptions") -> bool:
    """Where the recipe says so."""
    return data.features == "all"


def render(fields: Mapping[str, str], recipe: "Sections") -> str:
    """The text, then a line for each feature; `data.prompt` may be a template over `text` and the features."""
    template = recipe.data.prompt or ("{text}" if fields.get("text") else "")
    return with_features(
        fill(template, fields), fields, feature_names(recipe.data.features, fields, ROLES, recipe.data.prompt)
    )


def target(cells: "Cells", weight: float) -> Target:
    """The row's label, or its labels where the recipe has a separator."""
    data, cell = cells.options.data, cells.cell("label")
    listed = isinstance(cell, list | tuple)
    if listed and data.separator is None:
        fix = "Set data.separator to any character, and rows may have several labels"
        cells.report("label", "a list of labels", fix, text_of(cell))
    parts = cell if listed else text_of(cell).split(data.separator) if data.separator else [cell]
    texts = [text_of(part) for part in parts]
    if not any(texts):
        cells.report("label", "is empty", "Write a label; where none applies, a word such as none")
    elif not all(texts):
        cells.report(
            "label", "one of its labels is empty", "Remove the separator that is too many", text_of(cell)
        )
    names = tuple(dict.fromkeys(_name(text, data.labels) for text in texts))
    return Target(((None, weight),), names)


def _name(text: str, labels: Mapping[str, int | str]) -> str:
    """The label's name: what `data.labels` makes of it, or its own."""
    found = meaning(text, labels) if labels else None
    return plain_label(text if found is None else str(found))


def labels(names: Collection[str]) -> tuple[str, ...]:
    """Numbers by value, then names by alphabet, whatever the rows' order."""
    return tuple(sorted(names, key=_label_order))


def _label_order(name: str) -> tuple[float, str]:
    try:
        number = float(name)
    except ValueError:
        number = float("inf")
    return (number if number == number else float("inf")), name


def unusable(part: str, found: Collection[int], rows: int, labels: Sequence[str]) -> tuple[str, str] | None:
    """One label alone cannot be learned."""
    if part != "train" or len(found) > 1:
        return None
    message = f"all {rows} rows of the training split have one label, {labels[min(found)]!r}"
    return message, "Give rows of at least two labels"


def remarks(parts: Mapping[str, Sequence[Example]], labels: Sequence[str], recipe: "Sections") -> list[str]:
    """Labels that cannot be learned or never occur, and texts that contradict each other."""
    told = []
    learned_labels = {label for example in parts["train"] for label in learned.labels_of(example)}
    if unlearned := [name for index, name in enumerate(labels) if index not in learned_labels]:
        told.append(f"labels without a training row, which cannot be learned: {', '.join(unlearned)}")
    if unseen := [
        value for value, name in recipe.data.labels.items() if plain_label(str(name)) not in labels
    ]:
        told.append(f"data.labels names values that never occur: {', '.join(unseen)}")
    rows = Counter(
        labels[label] for group in parts.values() for example in group for label in learned.labels_of(example)
    )
    told += [*look_alike(rows), *joined(rows)]
    return told + _contradictions([example for rows in parts.values() for example in rows])


def _contradictions(examples: Sequence[Example]) -> list[str]:
    """Equal texts with different labels: the best that any model can do is below 1."""
    seen: dict[str, dict[int | tuple[int, ...] | None, Example]] = {}
    for example in examples:
        seen.setdefault(example.text, {}).setdefault(example.label, example)
    odd = [list(each.values()) for each in seen.values() if len(each) > 1]
    if not odd:
        return []
    first, second = (f"{Path(example.file).name} line {example.line}" for example in odd[0][:2])
    return [f"{len(odd)} texts have different labels in different rows, for example {first} and {second}"]


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


def measured(
    examples: Sequence[Example], predictions: Floats
) -> tuple[Mapping[str, Callable[..., float]], Floats, Floats]:
    """accuracy, of whether all labels of a row are right."""
    from sklearn.metrics import accuracy_score

    right = are_right(examples, predictions).astype(float)
    return {"accuracy": accuracy_score}, np.ones(len(examples)), right


def carried(examples: Sequence[Example], recipe: "Sections") -> tuple[str, ...]:
    """The features."""
    return feature_columns(recipe.data.features, [example.fields for example in examples], ROLES)


def beside_prior(metrics: Mapping[str, Any], prior: Mapping[str, Any]) -> dict[str, Any]:
    """None."""
    return {}


def guesses(splits: Splits, recipe: "Sections | None" = None) -> dict[str, NDArray[np.float64]]:
    """The constant prior; TF-IDF with logistic regression; logistic regression and gradient boosting on the features,
    where the recipe has any: probabilities [test, labels] of each."""
    found = {
        "constant prior": learned.prior(splits),
        "TF-IDF + logistic regression": learned.bag_of_words(splits),
    }
    rows = [example.fields for example in splits.train]
    if columns := feature_columns(recipe.data.features, rows, ROLES) if recipe is not None else ():
        found["columns + logistic regression"] = learned.on_columns(splits, columns)
        found["columns + gradient boosting"] = boosted(splits, columns, ADS)
    return found


def baselines(
    splits: Splits, recipe: "Sections | None" = None, found: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """The metrics of the guesses."""
    made = guesses(splits, recipe) if found is None else found
    return {name: metrics(splits.test, guess, splits.labels) for name, guess in made.items()}
