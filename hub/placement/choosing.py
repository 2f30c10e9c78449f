"""From beliefs to what is shown, with the exact probability of each choice.

    thompson   in each of many draws the ads are ordered by drawn rate x bid; one draw is taken (Thompson 1933;
               Chapelle and Li 2011, "An Empirical Evaluation of Thompson Sampling")
    ucb        ordered by an upper quantile, 1 - 1/t after t impressions (Kaufmann, Cappé and Garivier 2012, "On
               Bayesian Upper Confidence Bounds for Bandit Problems")
    epsilon    ordered by the mean, and with probability epsilon at random

The draw that is taken is one of those that are counted: given the draws, the count of an ad at a place is the exact
probability with which it came there, and no estimate. On top, with a small probability the order is random, so that
each ad has a propensity of at least `floor` at each place, and later policies can be evaluated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hub.placement.posterior import Floats, Posterior

PolicyName = Literal["thompson", "ucb", "epsilon"]


@dataclass(frozen=True)
class Choosing:
    """What chooses. floor: the least propensity of an ad at a place; where ads are so many that this would be more
    than half of the traffic, half of it is shared alike. epsilon: of `epsilon`. learns: whether the words of users and
    ads are learned from, beside the ads' own clicks."""

    policy: PolicyName = "thompson"
    floor: float = 0.01
    epsilon: float = 0.1
    draws: int = 1000
    learns: bool = True


def choose(
    beliefs: Posterior,
    bids: Floats,
    k: int,
    choice: Choosing,
    seen: float,
    random: np.random.Generator,
    groups: Sequence[str] | None = None,
    shares: Mapping[str, float] | None = None,
) -> list[tuple[int, float]]:
    """The ads of the first `k` places, each with the probability with which it came there.

    Args:
        beliefs: of the ads that may be shown.
        bids: what a click is worth, `[ads]`.
        k: places; as many as there are ads at the most.
        choice: how.
        seen: impressions so far, of all ads.
        random: draws.
        groups: of each ad, where exposure is shared.
        shares: group -> the least share of first places that it gets.
    """
    ads = len(bids)
    orders = _orders(beliefs, bids, choice, seen, random)
    weights = _shared(orders, groups, shares) if shares and groups else np.full(len(orders), 1 / len(orders))
    at_random = max(min(0.5, choice.floor * ads), choice.epsilon if choice.policy == "epsilon" else 0.0)
    drawn = orders[random.choice(len(orders), p=weights)]
    order = random.permutation(ads) if random.random() < at_random else drawn
    found = []
    for place in range(min(k, ads)):
        own = min(1.0, float(weights[orders[:, place] == order[place]].sum()))  # rounding may lift it above
        found.append((int(order[place]), (1 - at_random) * own + at_random / ads))
    return found


def _orders(
    beliefs: Posterior, bids: Floats, choice: Choosing, seen: float, random: np.random.Generator
) -> NDArray[np.intp]:
    """Orders of the ads that are equally likely, `[orders, ads]`, the best first."""
    if choice.policy == "thompson":
        scores = beliefs.draw(choice.draws, random) * bids
    elif choice.policy == "ucb":
        scores = (beliefs.quantile(1 - 1 / (seen + 2)) * bids)[None]
    else:
        scores = (beliefs.mean() * bids)[None]
    return np.argsort(-scores, axis=1, kind="stable")


def _shared(orders: NDArray[np.intp], groups: Sequence[str], shares: Mapping[str, float]) -> Floats:
    """Weights of the orders under which each group has at least its share of first places, where it has an ad that
    is ever first; the other groups give it up in proportion."""
    first = np.asarray(groups)[orders[:, 0]]
    mass = {group: float((first == group).mean()) for group in set(first)}
    lifted = {group: shares[group] for group in mass if 0 < mass[group] < shares.get(group, 0.0)}
    rest = sum(size for group, size in mass.items() if group not in lifted)
    left = 1 - sum(lifted.values())
    scale = {group: lifted[group] / size if group in lifted else left / rest for group, size in mass.items()}
    return np.asarray([scale[group] for group in first]) / len(orders)
