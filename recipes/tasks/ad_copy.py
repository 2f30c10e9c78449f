"""ad-copy: writes advertising text for a product."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from recipes.examples import Example, Splits
from recipes.measure import baselines as learned
from recipes.measure import claims as products
from recipes.measure import intervals
from recipes.measure import metrics as evaluate
from recipes.measure.intervals import Statistic
from recipes.measure.policy import Policy, normal, violations
from recipes.measure.sayings import Sayings
from recipes.tasks.roles import GROUP, TIMESTAMP, WEIGHT, Role, Target
from recipes.tasks.templates import fill, with_features

if TYPE_CHECKING:
    from recipes.options.data import DataOptions
    from recipes.tasks.task import Cells, Sections

NAME: Final = "ad-copy"
ANSWERS: Final = "texts"
CALL: Final = "write"
OPTIONS: Final = frozenset({"write", "data.lines", "gates.policy"})
ROLES: Final[Mapping[str, Role]] = {
    "product": Role(
        "what is known of the product, as one text; without it all other columns describe the product",
        ("content", "input", "mr", "source", "attributes", "description"),
        read=True,
        filled=True,
    ),
    "copy": Role("the advertising text", ("summary", "ref", "text", "output", "target", "ad", "headline")),
    "weight": WEIGHT,
    "timestamp": TIMESTAMP,
    "group": GROUP,
}
DERIVED: Final = ()
PROMPT_NAMES: Final = ("product",)
REWORDED: Final = None
METRICS: Final[Mapping[str, Literal["max", "min"]]] = {
    "nll": "min",
    "perplexity": "min",
    "bleu": "max",
    "chrf": "max",
    "text_chrf": "max",
    "coverage": "max",
    "unsupported_claims": "min",
    "distinct_2": "max",
    "within_limit": "max",
    "policy_violations": "min",
    "texts_within_policy": "max",
}
STOPPING: Final = ("nll",)
RESAMPLED: Final = ("nll", "text_chrf")
CUT: Final = "right"
PROMPT_ENGLISH: Final = "Write an ad.\n{product}"
PROMPT_CHINESE: Final = "写一句广告。\n{product}"
DEFAULT_PREFIX_TEXT: Final = "Write an ad in the voice of this brand, true to the product, short and lively."
SAYS: Final = "Writes text for a product."
EXAMPLE: Final = 'registry.write("{name}", product={{"name": "Kettle K2"}}, n=3)'
SAMPLES: Final = (
    "Trail running shoes, light, for mud and rain",
    "A quiet kettle for tea lovers",
    "山地跑鞋,轻便防滑",
)
LIMITS: Final = (
    "It can state what a product does not have: read what it writes, or let the policy refuse it.",
)


@dataclass(frozen=True)
class Written:
    """What a model wrote for a split, and how likely it found the references.

    texts: one per product of `products`; products None means `inputs(examples)`, each different product once.
    nll: mean negative log-likelihood of the references' tokens (the copy and EOS) in nats, over `tokens` of them;
        None for methods that have no likelihood. losses: (nats, tokens) of each reference, in the examples' order.
    max_chars: the length limit, where there is one. policy: what a text may say. sayings: how the training rows' copy
    names values, by which a text is found to state another product's.
    """

    texts: Sequence[str]
    nll: float | None = None
    tokens: int | None = None
    products: Sequence[str] | None = None
    max_chars: int | None = None
    losses: Sequence[tuple[float, int]] | None = None
    policy: Policy = field(default_factory=Policy)
    sayings: Sayings = field(default_factory=Sayings)


def misfits(recipe: Mapping[str, Any]) -> list[str]:
    """A prompt without the product says nothing of it, and no baseline has a likelihood."""
    data, train, gates = (
        block if isinstance(block := recipe.get(name), Mapping) else {} for name in ("data", "train", "gates")
    )
    wrong = []
    if isinstance(prompt := data.get("prompt"), str) and "{product}" not in prompt:
        wrong.append("data.prompt: holds no {product}; write {product} where the product goes")
    if (gain := gates.get("min_gain")) is not None:
        asked = gain if isinstance(gain, Mapping) else {}
        metric = asked.get("metric") or train.get("metric")
        if metric == "nll" and asked.get("over", "best_baseline") != "before":
            wrong.append(
                "gates.min_gain: no baseline of ad-copy has an nll; write over: before, or metric: text_chrf"
            )
    return wrong


def required(has: Collection[str], features: Sequence[str], data: "DataOptions") -> list[str]:
    """copy; everything else may describe the product."""
    return [role for role in ("copy",) if role not in has]


def used(columns: Mapping[str, str], data: "DataOptions") -> dict[str, str]:
    """All of them."""
    return dict(columns)


def reads_all(roles: Collection[str], data: "DataOptions") -> bool:
    """Where the recipe says so, and where nothing else describes the product."""
    return data.features == "all" or (not data.features and "product" not in roles)


def target(cells: "Cells", weight: float) -> Target:
    """The reference text."""
    return Target(((None, weight),), copy=cells.shown("copy", cells.filled("copy")))


def labels(names: Collection[str]) -> tuple[str, ...]:
    """It has none."""
    return ()


def unusable(part: str, found: Collection[int], rows: int, labels: Sequence[str]) -> tuple[str, str] | None:
    """Any rows will do."""
    return None


def remarks(parts: Mapping[str, Sequence[Example]], labels: Sequence[str], recipe: "Sections") -> list[str]:
    """Columns whose values texts must name, which no product has."""
    asked = recipe.write.policy.named
    if not asked:
        return []
    texts = [row.text for rows in parts.values() for row in rows]
    held = {normal(key): key for text in texts for key, _ in products.attributes(text)}
    unknown = [] if asked == "all" else [key for key in asked if normal(key) not in held]
    if held and not unknown:
        return []
    return [
        f"write.policy.named asks for {', '.join(unknown) or 'all'}, which no product has; they have "
        f"{', '.join(held.values()) or 'no columns (`key: value` lines)'}"
    ]


def render(fields: Mapping[str, str], recipe: "Sections") -> str:
    """The product's text: the `product` role and the features as lines below, or all columns as "key: value" lines."""
    features = recipe.data.features
    if isinstance(features, str) or (not features and not fields.get("product")):
        features = [name for name in fields if name not in ROLES]
    product = fields.get("product", "")
    return with_features(products.as_lines(product) if recipe.data.lines else product, fields, features)


def prompt(text: str, recipe: "Sections") -> str:
    """The user's turn for a product text: the recipe's template, or a line in the product's own language above it."""
    template = recipe.data.prompt or (PROMPT_CHINESE if products.is_chinese(text) else PROMPT_ENGLISH)
    return fill(template, {"product": text})


def inputs(examples: Sequence[Example], most: int | None = None) -> tuple[str, ...]:
    """Each different product text once, in order: what a model has to write for, however many references there are.

    most: at most so many of them, always the same ones, spread over the file (the first ones of a sorted file would
    not stand for all).
    """
    every = dict.fromkeys(example.text for example in examples)
    if most is None or len(every) <= most:
        return tuple(every)
    chosen = set(sorted(every, key=lambda text: hashlib.sha256(text.encode()).digest())[:most])
    return tuple(text for text in every if text in chosen)


def metrics(examples: Sequence[Example], predictions: Written, labels: Sequence[str] = ()) -> dict[str, Any]:
    """How likely the references are, how near the written texts come, and whether they say what is true.

    nll and perplexity per token; BLEU and chrF against all references of a product (0 to 100), text_chrf: the mean of
    each text's own chrF; coverage: mean share of attribute values that a text names, over the products that have
    attributes; unsupported_claims: numbers, names and values per text that the product does not hold, and
    texts_with_claims, the share of texts with any; distinct_2; within_limit where there is a limit; policy_violations
    per text, and texts_within_policy, the share of texts without any, where there is a policy.

    Coverage alone says nothing, since a list of the attributes covers them all:
    read it beside BLEU and the claims.
    """
    result: dict[str, Any] = {}
    if predictions.nll is not None:
        result |= {"nll": predictions.nll, "perplexity": evaluate.perplexity(predictions.nll)}
        result |= {"tokens": predictions.tokens} if predictions.tokens is not None else {}
    asked = predictions.products if predictions.products is not None else inputs(examples)
    texts = predictions.texts
    if len(texts) != len(asked):
        raise ValueError(
            f"{len(texts)} texts for {len(asked)} products; write one text for each of inputs(examples)"
        )
    if not texts:
        return result
    references = _references(examples)
    known = [references[product] for product in asked]
    chinese = products.is_chinese(" ".join(each[0] for each in known))
    result |= {"bleu": evaluate.bleu(texts, known, chinese), "chrf": evaluate.chrf(texts, known)}
    result["text_chrf"] = sum(evaluate.text_chrf(texts, known)) / len(texts)
    return result | _truth(texts, asked, predictions) | {"texts": len(texts)}


def _truth(texts: Sequence[str], asked: Sequence[str], by: Written) -> dict[str, Any]:
    """The metrics that need no reference, by the rules and the sayings of what was written."""
    max_chars, policy = by.max_chars, by.policy
    covered = [products.coverage(text, product) for text, product in zip(texts, asked, strict=True)]
    shares = [share for share in covered if share is not None]
    claims = [len(by.sayings.claims(text, product)) for text, product in zip(texts, asked, strict=True)]
    result: dict[str, Any] = {"coverage": sum(shares) / len(shares)} if shares else {}
    result["unsupported_claims"] = sum(claims) / len(claims)
    result["texts_with_claims"] = sum(count > 0 for count in claims) / len(claims)
    result["distinct_2"] = evaluate.distinct_2([products.tokens(text) for text in texts])
    if max_chars is not None:
        result["within_limit"] = evaluate.share_within(texts, max_chars)
    if policy:
        broken = [len(violations(text, product, policy)) for text, product in zip(texts, asked, strict=True)]
        result["policy_violations"] = sum(broken) / len(broken)
        result["texts_within_policy"] = broken.count(0) / len(broken)
    return result


def _references(examples: Sequence[Example]) -> dict[str, list[str]]:
    references: dict[str, list[str]] = {}
    for example in examples:
        references.setdefault(example.text, []).append(example.copy or "")
    return references


def statistics(
    examples: Sequence[Example], predictions: Written, labels: Sequence[str] = ()
) -> dict[str, Statistic]:
    """nll, where each reference's is known, and text_chrf: metric -> its statistic over the units of
    `intervals.units_of`."""
    units = intervals.units_of(examples)
    result = {}
    if predictions.losses is not None:
        nats, tokens = np.asarray(predictions.losses, dtype=float).T
        result["nll"] = intervals.ratio(nats, tokens, units)
    if predictions.texts:
        asked = predictions.products if predictions.products is not None else inputs(examples)
        references = _references(examples)
        scores = evaluate.text_chrf(predictions.texts, [references[product] for product in asked])
        unit = {example.text: own for example, own in zip(examples, units, strict=True)}
        own = np.array([unit[product] for product in asked])
        silent = np.zeros(len(units))  # a product that nothing was written for adds nothing
        members = np.concatenate([own, units])
        result["text_chrf"] = intervals.ratio([*scores, *silent], [*np.ones(len(own)), *silent], members)
    return result


def guesses(splits: Splits, recipe: "Sections | None" = None) -> dict[str, Written]:
    """The nearest training product's copy; and the bare list of attributes.

    recipe: its `write` says how many of the products are written for, how long a text may be and what it may say.
    """
    asked, limit, policy = _asked(splits, recipe)
    sayings = known(splits)
    found = {"nearest training product's copy": learned.nearest_copies(splits.train, asked)}
    listed = [", ".join(value for _, value in products.attributes(product)) for product in asked]
    if all(listed):
        found["the attributes as a list"] = listed
    return {
        name: Written(texts, products=asked, max_chars=limit, policy=policy.knowing(sayings), sayings=sayings)
        for name, texts in found.items()
    }


def known(splits: Splits) -> Sayings:
    """How the training rows' copy names values."""
    return Sayings.learn((example.text, example.copy or "") for example in splits.train)


def baselines(
    splits: Splits, recipe: "Sections | None" = None, found: Mapping[str, Written] | None = None
) -> dict[str, dict[str, Any]]:
    """The metrics of the guesses, and how the references themselves read."""
    made = guesses(splits, recipe) if found is None else found
    result = {name: metrics(splits.test, guess) for name, guess in made.items()}
    like = next(iter(made.values()))
    references = _references(splits.test)
    asked = inputs(splits.test) if like.products is None else like.products
    first = [references[product][0] for product in asked]
    result["the references themselves"] = _truth(first, asked, like)
    return result


def _asked(splits: Splits, recipe: "Sections | None") -> tuple[tuple[str, ...], int | None, Policy]:
    """The test products that are written for, the length limit, and what a text may say."""
    if recipe is None:
        return inputs(splits.test), None, Policy()
    write = recipe.write
    return inputs(splits.test, write.evaluated), write.max_chars, write.policy.rules()
