"""Placing headlines of tests that nobody has seen: `python -m benchmarks.upworthy_placement --budget 20`.

Upworthy's A/B tests (../shared/data) with their real click rates. Tests are dealt 80/20 by their ids (seed 0); those of
weeks 201325 to 201402 (suspect randomisation) and headlines of at most 500 impressions are left out. A model reads the
headlines of the 80 %, and the strength of its prior is fitted on them, as `hub.placement` does it. Then each unseen
test is played again, HORIZON impressions in STEPS equal parts, clicks drawn by the real rates:

prior and bandit   Thompson sampling of `hub.placement.posterior`, from what the model reads
bandit             the same from the mean rate for every headline
split              all headlines alike for half of the impressions, then the best one
model alone        the headline that the model says is best

The model is a ridge regression on TF-IDF, in an adapter's place: it shows what the placement makes of a weak prior, and
says nothing of how good adapters are. Regret: the best headline's rate minus that of what was shown, per impression, in
thousandths; the mean over tests, and the 95 % interval of that mean over SEEDS seeds of clicks and tests together.
A way that is done is kept in build/benchmarks/: a run that the budget ends goes on with the next one.
"""

import argparse
import json
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from benchmarks.measure import all_parts, machine, now, versions
from hub.placement.posterior import Floats, fit_strength, posterior

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "upworthy_headline_ab" / "upworthy_clean.parquet"
RESULT = ROOT / "benchmarks" / "results" / "upworthy-placement.json"
KEPT = ROOT / "build" / "benchmarks" / "upworthy-placement.json"
HORIZON, STEPS, SEEDS = 4000, 20, 20
TESTS = 400  # unseen ones that are played, the first by their dealt order
_DRAWS = 1000


def main() -> int:
    """Measure and write the result."""
    if not DATA.is_file():
        print(f"{DATA} is not there; nothing was measured")
        return 0
    asked = argparse.ArgumentParser(description="Placing headlines of tests that nobody has seen.")
    asked.add_argument("--budget", type=float, default=20.0, help="minutes; a way that was begun is ended")
    about, until = machine(), monotonic() + 60 * asked.parse_args().budget
    train, unseen = dealt()
    predict, strength = fitted(train)
    mean = float(train["clicks"].sum() / train["impressions"].sum())
    flat = fit_strength(train["impressions"], train["clicks"], np.full(len(train), mean))
    tests = [(group["headline"].tolist(), rates(group)) for _, group in unseen.groupby("order")][:TESTS]

    def way(prior: Any, own: float, how: str) -> dict[str, float]:
        return regret([(prior(texts), rate) for texts, rate in tests], own, how)

    wanted: dict[str, Any] = {
        "prior and bandit": lambda: way(predict, strength, "bandit"),
        "bandit": lambda: way(lambda texts: np.full(len(texts), mean), flat, "bandit"),
        "split": lambda: way(predict, strength, "split"),
        "model alone": lambda: way(predict, strength, "model"),
    }
    found = all_parts(wanted, KEPT, until)
    if found is None:
        return 0
    result: dict[str, Any] = {
        "benchmark": "upworthy-placement",
        "command": "python -m benchmarks.upworthy_placement",
        "tests": {"trained on": int(train["order"].nunique()), "played": len(tests)},
        "impressions of a test": HORIZON,
        "strength": {"model": strength, "mean rate": flat},
        "regret per 1,000 impressions": found,
        "machine": about,
        "versions": versions("scikit-learn", "numpy"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def dealt() -> tuple[Any, Any]:
    """(rows of the tests that are trained on, of those that are not), each with the order of its test."""
    import pandas as pd

    rows = pd.read_parquet(DATA)
    week = rows["test_week"]
    rows = rows[(rows["impressions"] > 500) & ~week.between(201325, 201402)]
    rows = rows.groupby(["clickability_test_id", "headline"], as_index=False)[["impressions", "clicks"]].sum()
    ids = np.array(sorted(rows["clickability_test_id"].unique()))
    order = np.random.default_rng(0).permutation(len(ids))
    rows["order"] = rows["clickability_test_id"].map(dict(zip(ids, order.tolist(), strict=True)))
    several = rows.groupby("order")["headline"].transform("count") > 1
    cut = int(0.8 * len(ids))
    return rows[several & (rows["order"] < cut)], rows[several & (rows["order"] >= cut)]


def fitted(train: Any) -> tuple[Any, float]:
    """(texts -> rates, the strength of that as a prior). The strength is fitted on tests that the model did not read:
    five folds."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline

    def learn(rows: Any) -> Any:
        model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True), Ridge(30.0))
        rate = rows["clicks"] / rows["impressions"]
        model.fit(
            rows["headline"], rate, ridge__sample_weight=rows["impressions"] / rows["impressions"].mean()
        )
        return lambda texts: np.clip(model.predict(texts), 1e-4, 0.5)

    held = np.zeros(len(train))
    for kept, out in GroupKFold(5).split(train, groups=train["order"]):
        held[out] = learn(train.iloc[kept])(train["headline"].iloc[out])
    return learn(train), fit_strength(train["impressions"], train["clicks"], held)


def rates(test: Any) -> Floats:
    """The real rates of a test's headlines."""
    return np.asarray(test["clicks"] / test["impressions"], dtype=float)


def regret(tests: list[tuple[Floats, Floats]], strength: float, way: str) -> dict[str, float]:
    """In thousandths: [seeds, tests] played, their mean and its interval."""
    played = np.array(
        [
            [
                play(prior, rate, strength, way, np.random.default_rng([seed, at]))
                for at, (prior, rate) in enumerate(tests)
            ]
            for seed in range(SEEDS)
        ]
    )
    random = np.random.default_rng(0)
    drawn = [
        played[random.integers(SEEDS, size=SEEDS)][:, random.integers(len(tests), size=len(tests))].mean()
        for _ in range(_DRAWS)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return {"mean": 1000 * float(played.mean()), "low": 1000 * float(low), "high": 1000 * float(high)}


def play(prior: Floats, rate: Floats, strength: float, way: str, random: np.random.Generator) -> float:
    """One test once: the mean regret of an impression."""
    ads, part = len(rate), HORIZON // STEPS
    seen, clicks, lost = np.zeros(ads), np.zeros(ads), 0.0
    for step in range(STEPS):
        if way == "model":
            count = np.bincount([int(prior.argmax())], minlength=ads) * part
        elif way == "split":
            best = np.bincount([int((clicks / np.maximum(seen, 1)).argmax())], minlength=ads) * part
            count = random.multinomial(part, np.full(ads, 1 / ads)) if step < STEPS // 2 else best
        else:
            drawn = posterior(prior, seen, clicks, prior, strength).draw(part, random)
            count = np.bincount(drawn.argmax(axis=1), minlength=ads)
        seen, clicks = seen + count, clicks + random.binomial(count, rate)
        lost += float((count * (rate.max() - rate)).sum())
    return lost / HORIZON


if __name__ == "__main__":
    sys.exit(main())
