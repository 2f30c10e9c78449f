"""A made-up market with known tastes: products, users with histories, and clicks whose true probability is known.

The latent preference model. A user has interests (categories), a thrift in [0, 1], perhaps a loved material and a
loved brand; the history shows all of them in words. An ad shows a product. A client's `Taste` says what its
audience answers to, and a click is drawn from

    p = sigmoid(bias + match·m + related·r + discount·d + bargain·d·(2·thrift - 1) + grade·(g - 1)
                + novelty·n + material·l + brand·b)

    m  1 if the product's category is one of the user's interests     d  the discount / 50 %, between 0 and 1
    r  1 if it is not, but belongs to the same group of categories    g  the grade of the material: 0, 1 or 2
    n  1 if the product is new                                        l, b  1 if material, brand are the loved ones

Because p is kept in every row, the best AUC that any model can reach on such rows is known: see `best_auc`.
"""

import math
import random
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.starter.words import (
    CATEGORIES,
    COLOURS,
    ENDS,
    HAN,
    MIDDLES,
    MODELS,
    PEOPLE,
    STARTS,
    Category,
    Language,
    Material,
    Word,
)


@dataclass(frozen=True)
class Product:
    """Something to sell; price in whole dollars (yuan in Chinese text), discount in percent, 0 for none."""

    brand: str
    model: str
    category: Category
    colour: Word
    material: Material
    feature: Word
    people: Word
    price: int
    discount: int
    new: bool

    @property
    def name(self) -> str:
        """Brand and model, as an ad prints them."""
        if not self.model:
            return self.brand
        return (
            f"{self.brand} {self.model}"
            if self.brand.isascii() or self.model.isascii()
            else self.brand + self.model
        )


@dataclass(frozen=True)
class User:
    """Somebody with interests; `history` is what a client's log shows of them, in words."""

    id: str
    interests: tuple[Category, ...]
    thrift: float
    material: Material | None
    brand: str | None
    history: tuple[str, ...]

    def text(self, language: Language = "en") -> str:
        """The history in one line, as the recommendation data has it."""
        return ("; " if language == "en" else "；").join(self.history)


@dataclass(frozen=True)
class Taste:
    """What an audience answers to: the weights of the module's formula."""

    bias: float
    match: float = 0.0
    related: float = 0.0
    discount: float = 0.0
    bargain: float = 0.0
    grade: float = 0.0
    novelty: float = 0.0
    material: float = 0.0
    brand: float = 0.0

    def probability(self, user: User, product: Product) -> float:
        """The true chance that this user clicks an ad for this product."""
        match = product.category in user.interests
        related = not match and product.category.group in {interest.group for interest in user.interests}
        discount = product.discount / 50
        logit = (
            self.bias
            + self.match * match
            + self.related * related
            + self.discount * discount
            + self.bargain * discount * (2 * user.thrift - 1)
            + self.grade * (product.material.grade - 1)
            + self.novelty * product.new
            + self.material * (user.material is not None and user.material.en == product.material.en)
            + self.brand * (user.brand == product.brand)
        )
        return 1 / (1 + math.exp(-logit))


POPULATION = Taste(
    bias=-2.6, match=4.6, related=1.4, discount=0.6, bargain=1.2, grade=0.3, material=2.0, brand=2.0
)


# -- products and users ------------------------------------------------------------------------------------------


def is_held_out(brand: str, model: str) -> bool:
    """Whether a product's name is kept out of the language model's training text: one name in eight is."""
    return zlib.crc32(f"{brand} {model}".encode()) % 8 == 0


def brand_name(rng: random.Random, language: Language = "en") -> str:
    """A made-up brand, such as Velora or 云舒."""
    if language == "zh" and rng.random() < 0.85:
        return "".join(rng.choices(HAN, k=rng.choice((2, 2, 2, 3))))
    middle = rng.choice(MIDDLES) if rng.random() < 0.6 else ""
    return rng.choice(STARTS) + middle + rng.choice(ENDS)


def model_name(rng: random.Random, language: Language = "en") -> str:
    """A made-up model, such as Ridge 4, K27 or 晨曦."""
    kind = rng.random()
    if kind < 0.2:
        return rng.choice("ABCDEFGHKLMNPQRSTVXZ") + str(rng.randint(2, 999))
    if language == "zh" and kind < 0.8:
        return "".join(rng.choices(HAN, k=2)) + (str(rng.randint(2, 99)) if rng.random() < 0.25 else "")
    stem = rng.choice(MODELS) if rng.random() < 0.6 else rng.choice(STARTS) + rng.choice(ENDS)
    return f"{stem} {rng.randint(2, 99)}" if rng.random() < 0.35 else stem


def make_product(
    rng: random.Random,
    language: Language = "en",
    held_out: bool = False,
    category: Category | None = None,
    brand: str | None = None,
    material: Material | None = None,
) -> Product:
    """A product of the given category (any, when none is given) whose name is held out, or is not."""
    category = category or rng.choice(CATEGORIES)
    fixed_brand, brand, model = brand, brand or brand_name(rng, language), model_name(rng, language)
    while is_held_out(brand, model) != held_out:
        brand, model = fixed_brand or brand_name(rng, language), model_name(rng, language)
    material = material or rng.choice(category.materials)
    price = category.price * math.exp(rng.gauss(0, 0.3)) * (1 + 0.2 * (material.grade - 1))
    return Product(
        brand=brand,
        model=model,
        category=category,
        colour=rng.choice(COLOURS),
        material=material,
        feature=rng.choice(category.features),
        people=rng.choice(PEOPLE[category.group]),
        price=max(3, round(price)),
        discount=rng.choice((10, 15, 20, 25, 30, 40, 50)) if rng.random() < 0.5 else 0,
        new=rng.random() < 0.3,
    )


_EVENTS: Mapping[Language, tuple[str, ...]] = {
    "en": ("searched {c}", "bought {b}{c}", "viewed {c}", "liked {b}{c}", "saved {c}", "compared {c}"),
    "zh": ("搜索{c}", "购买{b}{c}", "浏览{c}", "点赞{b}{c}", "收藏{c}", "对比{c}"),
}
_THRIFTY: Mapping[Language, tuple[str, ...]] = {
    "en": ("used a coupon", "sorted by price", "waited for the sale", "opened the deals page"),
    "zh": ("使用优惠券", "按价格排序", "等待促销", "打开特价页"),
}
_LAVISH: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "chose gift wrapping",
        "paid full price",
        "opened the premium range",
        "asked for express delivery",
    ),
    "zh": ("选择礼品包装", "原价购买", "打开高端系列", "要求加急配送"),
}


def make_user(
    rng: random.Random, language: Language = "en", groups: Sequence[str] | None = None, id: str | None = None
) -> User:
    """A user whose one to three interests come from the given groups of categories (from all, if none are given)."""
    pool = [c for c in CATEGORIES if groups is None or c.group in groups]
    interests = tuple(rng.sample(pool, rng.choice((1, 2, 2, 3))))
    home = rng.choice(interests)
    material = rng.choice(home.materials) if rng.random() < 0.4 else None
    brand = brand_name(rng, language) if rng.random() < 0.4 else None
    thrift = rng.choice((0.0, 0.5, 1.0))
    events = []
    for interest in interests:
        for pattern in rng.sample(_EVENTS[language], rng.choice((1, 1, 2))):
            shown = f"{brand} " if brand and "{b}" in pattern and language == "en" else brand or ""
            events.append(pattern.format(c=getattr(interest, language), b=shown if "{b}" in pattern else ""))
    if material:
        events.append(("liked " if language == "en" else "喜欢") + getattr(material, language))
    if brand:
        events.append(("followed " if language == "en" else "关注") + brand)
    if thrift != 0.5:
        events.append(rng.choice((_THRIFTY if thrift else _LAVISH)[language]))
    rng.shuffle(events)
    return User(id or f"u{rng.randrange(10**6):06d}", interests, thrift, material, brand, tuple(events))


def product_for(
    rng: random.Random,
    user: User,
    language: Language = "en",
    held_out: bool = False,
    groups: Sequence[str] | None = None,
) -> Product:
    """A product to show to this user: often what they look for, sometimes something near it, else anything."""
    kind, home = rng.random(), rng.choice(user.interests)
    if kind < 0.4:
        category = home
    elif kind < 0.6:
        category = rng.choice([c for c in CATEGORIES if c.group == home.group])
    else:
        category = rng.choice([c for c in CATEGORIES if groups is None or c.group in groups])
    loved = user.material if user.material in category.materials and rng.random() < 0.4 else None
    brand = user.brand if rng.random() < 0.25 else None
    return make_product(rng, language, held_out, category, brand, loved)


_AD_LINES: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "{new}{name} {c} in {m}, {f}, ${p}{off}.",
        "{name}: {new2}{c} made with {m}. {F}. ${p}{off}.",
        "{new}{colour} {c} by {name}, {m}, ${p}{off}.",
        "{name} {new2}{c}, {f}, {m}{off}, ${p}.",
    ),
    "zh": (
        "{new}{name}{c}，{m}，{f}，{p}元{off}。",
        "{name}：{new2}{c}，采用{m}，{f}，{p}元{off}。",
        "{new}{colour}{c}，{name}出品，{m}，{p}元{off}。",
    ),
}


def ad_line(rng: random.Random, product: Product, language: Language = "en") -> str:
    """The product as one plain line of an ad, always closed by a full stop."""
    english = language == "en"
    feature = getattr(product.feature, language)
    off = (
        (f", {product.discount}% off" if english else f"，立减{product.discount}%")
        if product.discount
        else ""
    )
    return rng.choice(_AD_LINES[language]).format(
        name=product.name,
        c=getattr(product.category, language),
        m=getattr(product.material, language),
        f=feature,
        F=feature[:1].upper() + feature[1:],
        colour=getattr(product.colour, language).capitalize(),
        p=product.price,
        off=off,
        new=("New: " if english else "新品：") if product.new else "",
        new2=("new " if english else "新款") if product.new else "",
    )


# -- the best that can be reached --------------------------------------------------------------------------------


def best_auc(rows: Iterable[Mapping[str, Any]]) -> float:
    """The AUC to expect from the true probabilities themselves: no model can expect more on such rows.

    Rows i and j are a pair to be ordered with probability p_i (1 - p_j), i clicked and j not, and the truth orders
    it rightly when p_i > p_j. The expectation over clicks is therefore taken pair by pair,

        sum over i != j of p_i (1 - p_j) [p_i > p_j, 1/2 where equal]  /  sum over i != j of p_i (1 - p_j),

    in one pass over the sorted probabilities. (A ratio of expectations; it differs from the expected ratio by
    O(1 / rows).) Ordering by p is optimal by the Neyman-Pearson lemma.

    Args:
        rows: of `ClientData.recommendation`.

    Raises:
        ValueError: no pair can differ.
    """
    return _expected_auc([(p, p) for p in (float(row["probability"]) for row in rows)])


def _expected_auc(scored: list[tuple[float, float]]) -> float:
    """The expected AUC of (score, true probability) pairs."""
    scored = sorted(scored)
    clicks = sum(p for _, p in scored)
    skips = len(scored) - clicks
    pairs = clicks * skips - sum(p * (1 - p) for _, p in scored)
    if pairs <= 0:
        raise ValueError(
            "best_auc needs at least two rows whose probabilities are not all 0 or all 1; give more rows"
        )
    right, below, start = 0.0, 0.0, 0
    while start < len(scored):
        end = start
        while end < len(scored) and scored[end][0] == scored[start][0]:
            end += 1
        tied = [p for _, p in scored[start:end]]
        tied_clicks, tied_skips = sum(tied), len(tied) - sum(tied)
        right += tied_clicks * below + (tied_clicks * tied_skips - sum(p * (1 - p) for p in tied)) / 2
        below += tied_skips
        start = end
    return right / pairs
