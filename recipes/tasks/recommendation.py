"""recommendation: click or conversion probability of a user and an ad; ranks candidates."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from recipes.examples import Example, Splits
from recipes.measure import baselines as learned
from recipes.measure import intervals
from recipes.measure import metrics as evaluate
from recipes.measure.boosting import boosted
from recipes.measure.calibration import shift_for, shifted
from recipes.measure.intervals import Floats, Statistic
from recipes.measure.ranking import over_groups, ranked_items
from recipes.tasks.counts import COUNTS, counted, counts_of, outcome_of, uncounted
from recipes.tasks.history import LIKED_SHARE, LIKED_TALLY
from recipes.tasks.label_names import meaning, plain_label
from recipes.tasks.roles import (
    ADS,
    CALLED,
    FILL,
    GROUP,
    TIMESTAMP,
    WEIGHT,
    Role,
    Target,
    feature_columns,
    feature_names,
)
from recipes.tasks.templates import SAY_NOTHING, fill, with_features

if TYPE_CHECKING:
    from recipes.options.data import DataOptions
    from recipes.tasks.task import Cells, Sections

NAME: Final = "recommendation"
ANSWERS: Final = "labels"
CALL: Final = "recommend"
OPTIONS: Final = frozenset(
    "head data.labels data.history data.negative_share data.limit_per_label blend "
    "report.groups gates.max_calibration_error gates.max_group_gap".split()
)
LABELS: Final = ("not clicked", "clicked")
ROLES: Final[Mapping[str, Role]] = {
    "user": Role(
        "what is known of the user: history, searches, profile",
        ("history", "profile", "customer"),
        read=True,
        filled=True,
        if_empty="for a user without a history write a word such as new",
    ),
    "ad": Role(
        "the ad, product or item that is shown",
        ("item", "creative", "headline", "title", "product"),
        read=True,
        filled=True,
    ),
    "text": Role(
        "one ready text instead of user and ad",
        ("input", "prompt", "sentence", "content"),
        read=True,
        filled=True,
    ),
    "clicked": Role(
        "1 if clicked or bought, 0 if not",
        ("click", "label", "target", "output", "converted", "conversion", "bought", "revenue", "y"),
    ),
    "impressions": Role("instead of clicked: how often the row was shown", ("views", "shows")),
    "clicks": Role("instead of clicked: how often it was clicked", ("conversions",)),
    "ctr": Role(
        "instead of clicks: the share of the impressions that were clicked",
        ("click_through_rate",),
        named=True,
    ),
    "user_id": Role(
        "who the user is; rows of one user stay in one split", ("uid", "userid", "customer_id"), read=True
    ),
    "ad_id": Role("which ad it is; for its popularity", ("item_id", "creative_id", "sku"), read=True),
    "weight": WEIGHT,
    "timestamp": TIMESTAMP,
    "group": GROUP,
}
DERIVED: Final = (LIKED_SHARE, LIKED_TALLY)
PROMPT_NAMES: Final = None
REWORDED: Final = ("text", "user", "ad")
_CUTS: Final = (1, 3, 5, 10)
METRICS: Final[Mapping[str, Literal["max", "min"]]] = {
    "auc": "max",
    "log_loss": "min",
    "calibration_error": "min",
    "normalized_entropy": "min",
    "accuracy": "max",
    **{f"ndcg@{cut}": "max" for cut in _CUTS},
    "pair_accuracy": "max",
}
STOPPING: Final = ("auc", "log_loss", "accuracy")
RESAMPLED: Final = (*STOPPING, *(f"ndcg@{cut}" for cut in _CUTS), "pair_accuracy")
CUT: Final = "left"  # the ad stands at the end
DEFAULT_PREFIX_TEXT: Final = "Does this user like what this ad offers, and will the user click on it?"
SAYS: Final = "Gives the probability that a user clicks (or buys) an ad, and ranks ads by it."
EXAMPLE: Final = 'registry.recommend("{name}", user="searched trail shoes", ads=["Trail shoes, 20% off"])'
SAMPLES: Final = (
    {"user": "searched trail shoes; bought socks", "ad": "Trail shoes, 20% off"},
    {"user": "searched trail shoes; bought socks", "ad": "A quiet kettle"},
    {"user": "new", "ad": "Free delivery this week"},
)
LIMITS: Final = ()
_LINES: Final = (("user", "User: {user}"), ("ad", "Ad: {ad}"))
_OWN_HISTORY: Final = "liked share of the row's own history"  # the one baseline that learns nothing


def misfits(recipe: Mapping[str, Any]) -> list[str]:
    """Labels of the file must mean 0 or 1."""
    data = recipe.get("data")
    labels = data.get("labels") if isinstance(data, Mapping) else None
    odd = (
        [repr(value) for value in labels.values() if value not in (0, 1)]
        if isinstance(labels, Mapping)
        else []
    )
    return [f"data.labels: gives {', '.join(odd)}; each value of the file must mean 0 or 1"] if odd else []


def required(has: Collection[str], features: Sequence[str], data: "DataOptions") -> list[str]:
    """clicked, or impressions and clicks; and something to read: text, or user and ad, or features, or whichever of
    text, user and ad the recipe names. A file without `user` is not taken for one of ads alone."""
    readable = data.columns.keys() & {"text", "user", "ad"}
    missing = []
    if not readable and not features and "text" not in has:
        missing += [role for role in ("user", "ad") if role not in has]
    if "clicked" not in has and not counted(has):
        missing += uncounted(has) if COUNTS & set(has) else ["clicked"]
    return missing


def used(columns: Mapping[str, str], data: "DataOptions") -> dict[str, str]:
    """Of clicked and the counts, what the recipe names; clicked where it names neither or both, clicks before ctr."""
    named = data.columns.keys()
    by_counts = counted(columns) and (
        "clicked" not in columns or ("clicked" not in named and bool(named & COUNTS))
    )
    idle = {"clicked"} | ({"ctr"} if "clicks" in columns else set()) if by_counts else COUNTS
    return {role: name for role, name in columns.items() if role not in idle}


def reads_all(roles: Collection[str], data: "DataOptions") -> bool:
    """Where the recipe says so."""
    return data.features == "all"


def render(fields: Mapping[str, str], recipe: "Sections") -> str:
    """The row's ready text, or "User: ..." and "Ad: ..." on two lines; then a line for each feature.

    `data.prompt` may be a template over roles and features instead. The features `liked_share`, a percentage, and
    `liked_tally`, the same in words, are among the fields where `data.history` reads them out of the row's own text.
    """
    template = recipe.data.prompt or _default_template(fields)
    names = feature_names(recipe.data.features, fields, ROLES, recipe.data.prompt)
    return with_features(fill(template, fields), fields, names)


def _default_template(fields: Mapping[str, str]) -> str:
    if fields.get("text"):
        return "{text}"
    return "\n".join([line for role, line in _LINES if fields.get(role)])


def target(cells: "Cells", weight: float) -> Target:
    """Whether the row was clicked. A row of impressions and clicks is two weighted examples, one of 0 impressions
    none."""
    if cells.has("clicked"):
        return Target(((_clicked(cells), weight),))
    shown, clicked = counts_of(cells)
    counts = ((1, weight * clicked), (0, weight * (shown - clicked)))
    return Target(tuple((outcome, count) for outcome, count in counts if count > 0))


def _clicked(cells: "Cells") -> int | None:
    cell, text, labels = cells.cell("clicked"), plain_label(cells.text("clicked")), cells.options.data.labels
    if labels and (found := meaning(text, labels)) is not None:
        return int(found)
    if isinstance(cell, bool):
        return int(cell)
    outcome = outcome_of(text)
    if outcome is None:
        expected = f"expected {', '.join(repr(value) for value in labels)}{', ' if labels else ''}0 or 1"
        fix = f"Write 0 or 1, or say what it means: --label 1={text} or --label 0={text} (data.labels)"
        if text in SAY_NOTHING:
            cells.report("clicked", f"a word for nothing; {expected}", FILL, text)
        elif text:
            cells.report("clicked", expected, fix, text)
        else:
            cells.report("clicked", f"is empty; {expected}", FILL)
    return outcome


def labels(names: Collection[str]) -> tuple[str, ...]:
    """The same two whatever the rows have."""
    return LABELS


def unusable(part: str, found: Collection[int], rows: int, labels: Sequence[str]) -> tuple[str, str] | None:
    """A split of one kind of rows measures nothing, and teaches nothing."""
    if len(found) > 1:
        return None
    only = "0 (not clicked)" if set(found) == {0} else "1 (clicked)"
    return (
        f"all {rows} rows of the {CALLED[part]} split are {only}",
        "Give rows of both kinds; or a file of its own for this split, larger shares, or another data.seed",
    )


def remarks(parts: Mapping[str, Sequence[Example]], labels: Sequence[str], recipe: "Sections") -> list[str]:
    """None of its own."""
    return []


def metrics(examples: Sequence[Example], predictions: Any, labels: Sequence[str] = LABELS) -> dict[str, Any]:
    """AUC, log loss, calibration error and accuracy, weighted; with groups NDCG@1, 3, 5, 10 and pair accuracy.

    predictions: probabilities [examples, 2], of not clicked and clicked. `groups` counts the groups, `groups_ranked`
    those that have something to rank.
    """
    probabilities = np.asarray(predictions, dtype=float)
    clicked = np.array([example.label for example in examples], dtype=int)
    weights = learned.weights_of(examples)
    scores = probabilities[:, 1]
    result: dict[str, Any] = {
        "auc": evaluate.auc(clicked, scores, weights),
        "log_loss": evaluate.log_loss(clicked, probabilities, weights),
        "calibration_error": evaluate.calibration_error(*decisions(examples, probabilities)),
        "accuracy": float(np.average((scores >= 0.5) == clicked, weights=weights)),
    }
    groups = ranked_items(examples, scores)
    if groups:
        reached = {f"ndcg@{k}": evaluate.ndcg(groups, k) for k in _CUTS}
        result |= {name: value for name, (value, _) in reached.items()}
        result["pair_accuracy"] = evaluate.pair_accuracy(groups)
        result |= {"groups": len(groups), "groups_ranked": reached["ndcg@1"][1]}
    return result


def decisions(examples: Sequence[Example], predictions: Any) -> tuple[Floats, Floats, Floats]:
    """What is calibrated: whether each example was clicked, the probability of it, and its weight, [examples] each."""
    clicked = np.array([example.label for example in examples], dtype=float)
    return clicked, np.asarray(predictions, dtype=float)[:, 1], learned.weights_of(examples)


def statistics(
    examples: Sequence[Example], predictions: Any, labels: Sequence[str] = LABELS
) -> dict[str, Statistic]:
    """The metrics above that are resampled, except the calibration error: metric -> its statistic over the units of
    `intervals.units_of`."""
    probabilities = np.asarray(predictions, dtype=float)
    clicked = np.array([example.label for example in examples], dtype=int)
    weights, units = learned.weights_of(examples), intervals.units_of(examples)
    scores = probabilities[:, 1]
    right = ((scores >= 0.5) == clicked).astype(float)
    result = {
        "auc": intervals.auc(clicked, scores, weights, units),
        "log_loss": intervals.ratio(weights * evaluate.losses(clicked, probabilities), weights, units),
        "accuracy": intervals.ratio(weights * right, weights, units),
    }
    groups = ranked_items(examples, scores)
    if groups:
        # An example without a group is a unit without anything to rank.
        first = dict(zip([example.group for example in examples][::-1], units[::-1], strict=True))
        own = np.array(
            [first[group] for group in dict.fromkeys(e.group for e in examples) if group is not None]
        )
        for k in _CUTS:
            reached = [evaluate.ndcg([group], k) for group in groups]
            ranked = [float(count) for _, count in reached]
            values = [value if count else 0.0 for value, count in reached]
            result[f"ndcg@{k}"] = over_groups(values, ranked, own, units)
        pairs = [evaluate.pairs(gains, given) for gains, given in groups]
        result["pair_accuracy"] = over_groups(
            [right for right, _ in pairs], [all_ for _, all_ in pairs], own, units
        )
    return result


def guesses(splits: Splits, recipe: "Sections | None" = None) -> dict[str, NDArray[np.float64]]:
    """What is learned without a language model, or needs no training at all: probabilities [test, 2] of each.

    The constant prior; TF-IDF + logistic regression; logistic regression and gradient boosting on the features, where
    the recipe has any; the user's past click share and the ad's popularity where test rows show users or ads of the
    training rows; the liked share of the row's own history and its regression with the target's popularity, where the
    recipe says how to read histories. What learned from sampled rows is corrected as the adapter is.
    """
    found = {
        "constant prior": learned.prior(splits),
        "TF-IDF + logistic regression": learned.bag_of_words(splits),
    }
    if columns := _columns(splits, recipe):
        found["columns + logistic regression"] = learned.on_columns(splits, columns)
        found["columns + gradient boosting"] = boosted(splits, columns, ADS)
    for name, key in _PAST.items():
        if learned.seen_share(splits, key):
            found[name] = learned.past_share(splits, key)
    if all(LIKED_SHARE in example.fields for example in (*splits.train, *splits.test)):
        shares = np.array([_liked_share(example) for example in splits.test])
        found[_OWN_HISTORY] = np.stack([1 - shares, shares], axis=1)
        if "ad's popularity" in found:
            found["liked share and ad's popularity, regression"] = learned.regression_on(
                splits, _liked_share, _ad
            )
    shift = shift_for(splits.negative_share)
    return {n: guess if n == _OWN_HISTORY else shifted(guess, shift) for n, guess in found.items()}


def measured(
    examples: Sequence[Example], predictions: Floats
) -> tuple[Mapping[str, Callable[..., float]], Floats, Floats]:
    """accuracy, selection_rate (share of rows from a probability of one half) and auc; clicks and their
    probabilities."""
    from fairlearn.metrics import selection_rate
    from sklearn.metrics import accuracy_score

    def halved(metric: Callable[..., float]) -> Callable[..., float]:
        return lambda truth, given, sample_weight: metric(truth, given >= 0.5, sample_weight=sample_weight)

    def auc(truth: Floats, given: Floats, sample_weight: Floats) -> float:
        return evaluate.auc(truth, given, sample_weight)

    clicked, given, _ = decisions(examples, predictions)
    return (
        {"accuracy": halved(accuracy_score), "selection_rate": halved(selection_rate), "auc": auc},
        clicked,
        given,
    )


def carried(examples: Sequence[Example], recipe: "Sections") -> tuple[str, ...]:
    """The features, which ad it is, and what `data.history` says of the user."""
    rows = [example.fields for example in examples]
    names = feature_columns(recipe.data.features, rows, ROLES)
    ad = [name for name in ADS if any(fields.get(name) for fields in rows)][:1]
    shares = [LIKED_SHARE] if recipe.data.history is not None else []
    return tuple(dict.fromkeys([*names, *shares, *ad]))


def beside_prior(metrics: Mapping[str, Any], prior: Mapping[str, Any]) -> dict[str, Any]:
    """normalized_entropy: a log loss over that of the constant prior (He et al. 2014, doi:10.1145/2648584.2648589);
    below 1 it knows more than the click rate."""
    return {"normalized_entropy": metrics["log_loss"] / prior["log_loss"]}


def _columns(splits: Splits, recipe: "Sections | None") -> tuple[str, ...]:
    """What a model of columns reads: the features, and with them who the user and which the ad is."""
    rows = [example.fields for example in splits.train]
    named = feature_columns(recipe.data.features, rows, ROLES) if recipe is not None else ()
    ids = [name for name in ("user_id", "ad_id") if any(fields.get(name) for fields in rows)]
    return (*named, *ids) if named else ()


def baselines(
    splits: Splits, recipe: "Sections | None" = None, found: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """The metrics of the guesses; with `seen`, the share of test rows whose user or ad the training rows show."""
    made = guesses(splits, recipe) if found is None else found
    return {
        name: metrics(splits.test, guess)
        | ({"seen": learned.seen_share(splits, _PAST[name])} if name in _PAST else {})
        for name, guess in made.items()
    }


def _user(example: Example) -> str | None:
    return example.fields.get("user_id") or example.fields.get("user")


def _ad(example: Example) -> str | None:
    return example.fields.get("ad_id") or example.fields.get("ad")


def _liked_share(example: Example) -> float:
    return int(example.fields[LIKED_SHARE].removesuffix("%")) / 100


_PAST: Final = {"user's past click share": _user, "ad's popularity": _ad}
