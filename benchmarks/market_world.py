"""The market of `benchmarks.market`: who comes, which ads there are, and what is true of both.

The starter's world (`adapters.starter`): each day users come, each may be shown one of a slate of ads from a pool, and
clicks with the true probability of the day's taste. Half of the pool is new every week, weekends click less, and on day
`shift` the audience's taste turns from acme's to globex's: bargains no longer sell, what is new does. Three clicks of
ten become a purchase, a day later in the mean, worth the product's price.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.starter.clients import TASTES
from adapters.starter.words import CATEGORIES
from adapters.starter.world import Product, User, ad_line, make_product, make_user

START, DAY = 1_800_000_000.0 - 1_800_000_000 % 86_400, 86_400.0
_GROUPS = ("sport", "outdoor", "travel", "tech")
_WEEKEND = 0.7  # times the odds
_BUYS, _LATER = 0.3, DAY  # of clicks, and after so many seconds in the mean


@dataclass(frozen=True)
class Size:
    """How large the market is; first: rows that the first adapter is trained on; shift: the day, `days` for never;
    world: another number has other users, ads and luck."""

    days: int = 30
    shift: int = 10
    users: int = 100
    ads: int = 20
    slate: int = 5
    first: int = 800
    world: int = 0


SHORT = Size(days=4, shift=1, users=40, ads=8, slate=3, first=160)


@dataclass(frozen=True)
class Visit:
    """A user, the ads that could be shown with the truth of each, and the luck of the visit, 0 to 1 each. buys: luck of
    a purchase; later: seconds after which it comes."""

    at: float
    key: str
    user: User
    ads: Sequence[str]
    truth: Sequence[float]
    prices: Sequence[float]
    luck: float
    buys: float
    later: float

    def clicked(self, ad: str) -> bool:
        """Whether the user clicks it."""
        return self.luck < self.truth[self.ads.index(ad)]

    def worth(self, ad: str) -> float:
        """What the user pays for it in the end."""
        return self.prices[self.ads.index(ad)] if self.clicked(ad) and self.buys < _BUYS else 0.0


def visits(size: Size, day: int, world: str = "") -> list[Visit]:
    """Those of a day, by its number; the same for every way. Before day 0 ads are as in the first week. world: another
    name has other users and other ads."""
    world = f"{world}{size.world or ''}"
    rng, pool = random.Random(f"visits {day}{world}"), ads_of(size, max(0, day) // 7, world)
    taste, weekend = TASTES["acme" if day < size.shift else "globex"], day % 7 >= 5
    count, made = (size.users if day >= 0 else size.first), []
    for number in range(count):
        user = make_user(rng, groups=_GROUPS, id=f"{day}-{number}")
        slate = rng.sample(pool, size.slate)
        truth = [_seasoned(taste.probability(user, product), weekend) for product, _ in slate]
        made.append(
            Visit(
                START + day * DAY + DAY * number / count,
                user.id,
                user,
                [line for _, line in slate],
                truth,
                [float(product.price) for product, _ in slate],
                rng.random(),
                rng.random(),
                rng.expovariate(1 / _LATER),
            )
        )
    return made


def ads_of(size: Size, week: int, world: str = "") -> list[tuple[Product, str]]:
    """The pool of a week: half of it was there the week before."""
    half = size.ads // 2
    return [*_new_ads(week - 1, half, world), *_new_ads(week, size.ads - half, world)]


def _new_ads(week: int, count: int, world: str) -> list[tuple[Product, str]]:
    rng = random.Random(f"ads {week}{world}")
    own = [category for category in CATEGORIES if category.group in _GROUPS]
    products = [make_product(rng, held_out=True, category=rng.choice(own)) for _ in range(count)]
    return [(product, ad_line(rng, product)) for product in products]


def _seasoned(probability: float, weekend: bool) -> float:
    odds = probability / (1 - probability) * (_WEEKEND if weekend else 1.0)
    return odds / (1 + odds)
