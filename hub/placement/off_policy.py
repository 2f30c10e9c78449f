"""What another way of choosing would have brought, from the log of the one that chose.

    w = P(new policy chooses what was shown) / propensity       r = whether it was clicked, or what that was worth
    IPS     mean of w r                                         (Horvitz and Thompson 1952)
    SNIPS   sum of w r / sum of w                               (Swaminathan and Joachims 2015, "The Self-Normalized
                                                                 Estimator for Counterfactual Learning")
    DR      mean of q(new) + w (r - q(shown))                   (Dudík, Langford and Li 2011, arXiv:1103.4601)
    ESS     (sum of w)² / sum of w²                             (Kish 1965, "Survey Sampling")

q is each ad's rate on the other half of the log, shrunk to the mean: no row is judged by itself. Intervals are
bootstrap percentiles over rows (Efron 1979). Where the log cannot say, no figure is given, and a sentence says why: no
row of it ever shows what the new policy would choose, or a few giant weights are all there is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapters.errors import RequestError
from hub.feedback.log_files import BadRow, LogRow, as_probability
from hub.placement.posterior import Floats

_DRAWS = 1000
_FEWEST = 100  # effective impressions
_FEWEST_HITS = 10  # effective clicks, below which no bootstrap is honest
_HEAVIEST = 0.25  # share of all weight that one row may have
_SHRINK = 20.0  # pseudo-observations of the mean rate
_AT_ONCE = 2_000_000
_MOST = 1e50  # of a value, and of a weight: squares of their products are added up


@dataclass(frozen=True)
class PolicyLog:
    """Rows as arrays, `[rows]`: the ad's number, propensity, reward. ads: number -> ad. given: the probability with
    which the new policy would have chosen the row's ad, where the file says it."""

    ads: Sequence[str]
    ad: "np.ndarray[Any, np.dtype[np.intp]]"
    propensity: Floats
    reward: Floats
    given: Floats | None = None


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, in reward per impression."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluated:
    """What a log says of a policy. logged: what the policy of the log brought. estimates: empty where it `abstains`,
    and the sentence that says why."""

    policy: str
    rows: int
    effective: float
    logged: Estimate
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    abstains: str | None = None


def read_logs(rows: Iterable[LogRow | str], given: str | None = None) -> PolicyLog:
    """The rows of a log file that say what was shown, with which propensity, and what came of it.

    Args:
        rows: of a `LogFile`; value counts where there is one, else the click.
        given: the feature in which the new policy's probability stands.

    Raises:
        RequestError: rows are wrong, with the first of them.
    """
    found, wrong = [], []
    for row in rows:
        if isinstance(row, str):
            wrong.append(row)
        elif row.propensity is None:
            wrong.append(f"line {row.line}: no propensity; without it nothing can be said of another policy")
        else:
            reward = float(bool(row.clicked)) if row.value is None else row.value
            try:
                new = as_probability(row.features[given], given) if given else 1.0
                if row.propensity < 1 / _MOST or abs(reward) > _MOST:
                    raise BadRow(
                        f"propensity {row.propensity:g} and value {reward:g}: no sum can hold their ratio"
                    )
                found.append((row.ad, row.propensity, reward, new))
            except BadRow as error:
                wrong.append(f"line {row.line}: {error}")
    if wrong or not found:
        told = "".join(f"\n  - {why}" for why in wrong[:10]) or " it has no row"
        raise RequestError(f"the log cannot be used ({len(wrong)} rows are wrong):{told}")
    names, ads = np.unique([row[0] for row in found], return_inverse=True)
    table = np.array([row[1:] for row in found], dtype=float)
    return PolicyLog(
        [str(name) for name in names], ads, table[:, 0], table[:, 1], table[:, 2] if given else None
    )


def evaluate(logs: PolicyLog, policy: str, seed: int = 0) -> Evaluated:
    """What a policy would have brought.

    Args:
        logs: what was shown.
        policy: `uniform` over the log's ads; `best`, the ad with the best rate on the other half of the log;
            `always=AD`; or, where the log has it, `column`: the probability that it says.
        seed: of the halves and the bootstrap.

    Raises:
        RequestError: no such policy.
    """
    random = np.random.default_rng(seed)
    half = random.permutation(len(logs.ad)) % 2
    rates = np.stack([_rates(logs, half != side) for side in (0, 1)])  # of the other half, [2, ads]
    new = _new_policy(logs, policy, rates)  # [2, ads], None for `column`
    chosen = logs.given if new is None else new[half, logs.ad]
    assert chosen is not None
    weights = chosen / logs.propensity
    effective = float(weights.sum() ** 2 / max((weights**2).sum(), 1e-300))
    ones = np.ones_like(weights)
    why = _abstains(logs, weights, effective)
    parts = {"logged": (logs.reward, ones)}
    if why is None:
        parts |= {"ips": (weights * logs.reward, ones), "snips": (weights * logs.reward, weights)}
    if why is None and new is not None:
        expected = (new * rates).sum(axis=1)[half]
        parts["dr"] = (expected + weights * (logs.reward - rates[half, logs.ad]), ones)
    found = _ratios(parts, random)
    return Evaluated(policy, len(weights), effective, found.pop("logged"), found, why)


def _abstains(logs: PolicyLog, weights: Floats, effective: float) -> str | None:
    """Why nothing can be said; None where something can."""
    rows = len(weights)
    if (logs.propensity >= 1).all():
        return (
            "the log chose without chance (every propensity is 1): nothing in it says what another choice would "
            "have brought; let a policy with a floor choose, such as `Placer`"
        )
    if not weights.any():
        return "the log never shows what the new policy would choose"
    if (share := float(weights.max() / weights.sum())) > _HEAVIEST:
        return f"one impression has {share:.0%} of all weight: it alone would decide; raise the floor of propensities"
    if effective < _FEWEST:
        return (
            f"{rows:,} impressions are worth {effective:.1f} for this policy, fewer than {_FEWEST}: a few of them "
            "would decide; log more, or evaluate a policy nearer to the one that chose"
        )
    hits = weights * logs.reward
    worth = float(hits.sum() ** 2 / max((hits**2).sum(), 1e-300))
    if worth < _FEWEST_HITS:
        return f"what came of it is worth {worth:.1f} clicks for this policy, fewer than {_FEWEST_HITS}; log more"
    spread = float(weights.std(ddof=1)) / rows**0.5
    if abs(float(weights.mean()) - 1) > 5 * spread + 0.02:
        return (
            f"the weights sum to {float(weights.mean()):.2f} of what they must where each choice of the new policy is "
            "also one of the log's: either some never are, or the propensities are wrong"
        )
    return None


def _rates(logs: PolicyLog, rows: "np.ndarray[Any, np.dtype[np.bool_]]") -> Floats:
    """Each ad's mean reward on some rows, shrunk to the mean of all, `[ads]`."""
    count = np.bincount(logs.ad[rows], minlength=len(logs.ads))
    total = np.bincount(logs.ad[rows], weights=logs.reward[rows], minlength=len(logs.ads))
    mean = total.sum() / max(count.sum(), 1)
    return np.asarray((total + _SHRINK * mean) / (count + _SHRINK))


def _new_policy(logs: PolicyLog, policy: str, rates: Floats) -> Floats | None:
    """The probabilities of each ad, by half of the log, `[2, ads]`."""
    ads = len(logs.ads)
    if policy == "column":
        return None
    if policy == "uniform":
        return np.full((2, ads), 1 / ads)
    if policy == "best":
        return np.asarray(np.eye(ads)[rates.argmax(axis=1)])
    kind, sign, ad = policy.partition("=")
    if kind != "always" or not sign:
        raise RequestError(f"{policy!r} is no policy; give uniform, best, always=AD or column=COLUMN")
    if ad not in logs.ads:
        raise RequestError(f"{ad!r} is shown nowhere in the log; its ads are {', '.join(logs.ads[:10])} ...")
    return np.asarray(np.eye(ads)[[logs.ads.index(ad)] * 2])


def _ratios(parts: Mapping[str, tuple[Floats, Floats]], random: np.random.Generator) -> dict[str, Estimate]:
    """Sums over sums, with the percentiles of rows drawn again, the same for all: rows that are alike are drawn
    together, by their number."""
    table = np.stack([column for pair in parts.values() for column in pair], axis=1)
    kinds, counts = np.unique(table, axis=0, return_counts=True)
    most = max(1, _AT_ONCE // len(kinds))
    sums = [
        random.multinomial(len(table), counts / len(table), size=min(most, _DRAWS - start)) @ kinds
        for start in range(0, _DRAWS, most)
    ]
    drawn, whole = np.concatenate(sums), table.sum(axis=0)
    found = {}
    for at, name in enumerate(parts):
        ratios = drawn[:, 2 * at] / np.maximum(drawn[:, 2 * at + 1], 1e-300)
        low, high = np.percentile(ratios, (2.5, 97.5))
        found[name] = Estimate(float(whole[2 * at] / whole[2 * at + 1]), float(low), float(high))
    return found
