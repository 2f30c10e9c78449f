"""recommendation: click or conversion probability of a user and an ad; ranks candidates."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from recipes.examples import Example, Splits
from recipes.measure import baselines as learned
from recipes.measure import intervals
from recipes.measure import metrics as evaluate
from recipes.measure.calibration import shift_for, shifted
from recipes.measure.intervals import Floats, Indices, Statistic
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
    from recipes.options.recipe import History, Recipe

LABELS: Final = ("not clicked", "clicked")
ROLES: Final[Mapping[str, Role]] = {
    "user": Role(
        "what is known of the user: history, searches, profile", often=("history", "profile", "customer")
    ),
    "ad": Role(
        "the ad, product or item that is shown", often=("item", "creative", "headline", "title", "product")
    ),
    "text": Role("one ready text instead of user and ad", often=("input", "prompt", "sentence", "content")),
    "clicked": Role(
        "1 if clicked or bought, 0 if not",
        often=("click", "label", "target", "output", "converted", "conversion", "bought", "revenue", "y"),
    ),
    "impressions": Role("instead of clicked: how often the row was shown", often=("views", "shows")),
    "clicks": Role("instead of clicked: how often it was clicked", often=("conversions",)),
    "user_id": Role(
        "who the user is; rows of one user stay in one split", often=("uid", "userid", "customer_id")
    ),
    "ad_id": Role("which ad it is; for its popularity", often=("item_id", "creative_id", "sku")),
    "weight": WEIGHT,
    "timestamp": TIMESTAMP,
    "group": GROUP,
}
METRICS: Final[Mapping[str, Literal["max", "min"]]] = {
    "auc": "max",
    "log_loss": "min",
    "calibration_error": "min",
    "normalized_entropy": "min",
    "accuracy": "max",
    "ndcg@1": "max",
    "ndcg@3": "max",
    "ndcg@5": "max",
    "ndcg@10": "max",
    "pair_accuracy": "max",
}
DEFAULT_PREFIX_TEXT: Final = "Does this user like what this ad offers, and will the user click on it?"
LIKED_SHARE: Final = "liked_share"
LIKED_TALLY: Final = "liked_tally"
DERIVED: Final = (LIKED_SHARE, LIKED_TALLY)
_CUTS = (1, 3, 5, 10)
_OWN_HISTORY: Final = "liked share of the row's own history"  # the one baseline that learns nothing


def render(fields: Mapping[str, str], recipe: "Recipe") -> str:
    """The row's ready text, or "User: ..." and "Ad: ..." on two lines; then a line for each feature.

    `data.prompt` may be a template over roles and features instead. The features `liked_share`, a percentage, and
    `liked_tally`, the same in words, are read out of the row's own text by `data.history`.
    """
    fields = {**fields, **derived(fields, recipe.data.history)}
    template = recipe.data.prompt or _default_template(fields)
    names = feature_names(recipe.data.features, fields, ROLES, recipe.data.prompt)
    return with_features(fill(template, fields), fields, names)


def _default_template(fields: Mapping[str, str]) -> str:
    if fields.get("text"):
        return "{text}"
    return "\n".join(f"{role.capitalize()}: {{{role}}}" for role in ("user", "ad") if fields.get(role))


def derived(fields: Mapping[str, str], history: "History | None") -> dict[str, str]:
    """What `data.history` finds in a row: `liked_share` as a percentage, `liked_tally` in ten words, each "liked" or
    "disliked", and the target item as `ad`.

    Both are (k + 1) / (n + 2) of k liked ones among n. To a small model numerals are words like others, of which it
    knows nothing where the training rows lack them; of words it reads how many there are.
    """
    if history is None:
        return {}
    text = "\n".join(fields.values())
    liked, disliked = (
        len(_items(text, pattern, history.item)) for pattern in (history.liked, history.disliked)
    )
    share = (liked + 1) / (liked + disliked + 2)
    tenths = round(10 * share)
    found = {
        LIKED_SHARE: f"{round(100 * share)}%",
        LIKED_TALLY: " ".join(["liked"] * tenths + ["disliked"] * (10 - tenths)),
    }
    target = re.search(history.target, text) if history.target and "ad" not in fields else None
    return found | ({"ad": target[1]} if target else {})


def _items(text: str, where: str, item: str) -> list[str]:
    found = re.search(where, text)
    return re.findall(item, found[1]) if found else []


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
    groups = _ranked_items(examples, scores)
    if groups:
        reached = {f"ndcg@{k}": evaluate.ndcg(groups, k) for k in _CUTS}
        result |= {name: value for name, (value, _) in reached.items()}
        result["pair_accuracy"] = evaluate.pair_accuracy(groups)
        result |= {"groups": len(groups), "groups_ranked": reached["ndcg@1"][1]}
    return result


def _ranked_items(
    examples: Sequence[Example], scores: NDArray[np.float64]
) -> list[tuple[list[float], list[float]]]:
    """(gains, scores) per group. The two halves of a row of impressions and clicks are one item: its click share."""
    groups: dict[str, dict[tuple[str, int], list[float]]] = {}
    for example, score in zip(examples, scores, strict=True):
        if example.group is not None:
            item = groups.setdefault(example.group, {}).setdefault(
                (example.file, example.line), [0.0, 0.0, 0.0]
            )
            item[0] += example.weight * (example.label == 1)
            item[1] += example.weight
            item[2] = float(score)
    return [
        ([gained / weight for gained, weight, _ in items.values()], [score for _, _, score in items.values()])
        for items in groups.values()
    ]


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
    groups = _ranked_items(examples, scores)
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
            result[f"ndcg@{k}"] = _over(values, ranked, own, units)
        pairs = [evaluate.pairs(gains, given) for gains, given in groups]
        result["pair_accuracy"] = _over(
            [right for right, _ in pairs], [all_ for _, all_ in pairs], own, units
        )
    return result


def _over(above: Sequence[float], below: Sequence[float], own: Indices, units: Indices) -> Statistic:
    """A ratio of sums over groups, each in its unit; units without a group add nothing."""
    rest = np.zeros(len(units))
    return intervals.ratio([*above, *rest], [*below, *rest], np.concatenate([own, units]))


def guesses(splits: Splits, recipe: "Recipe | None" = None) -> dict[str, NDArray[np.float64]]:
    """What is learned without a language model, or needs no training at all: probabilities [test, 2] of each.

    The constant prior; TF-IDF + logistic regression; logistic regression on the features, where the recipe has any; the
    user's past click share and the ad's popularity where test rows show users or ads of the training rows; the liked
    share of the row's own history and its regression with the target's popularity, where the recipe says how to read
    histories. What learned from sampled rows is corrected as the adapter is.
    """
    found = {
        "constant prior": learned.prior(splits),
        "TF-IDF + logistic regression": learned.bag_of_words(splits),
    }
    if columns := _columns(splits, recipe):
        found["columns + logistic regression"] = learned.on_columns(splits, columns)
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


def _columns(splits: Splits, recipe: "Recipe | None") -> tuple[str, ...]:
    """What a model of columns reads: the features, and with them who the user and which the ad is."""
    rows = [example.fields for example in splits.train]
    named = feature_columns(recipe.data.features, rows, ROLES) if recipe is not None else ()
    ids = [name for name in ("user_id", "ad_id") if any(fields.get(name) for fields in rows)]
    return (*named, *ids) if named else ()


def baselines(
    splits: Splits, recipe: "Recipe | None" = None, found: Mapping[str, Any] | None = None
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
