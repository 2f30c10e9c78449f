"""From a CSV to a ranking: train a click model for one client, look at its report, publish it, and rank ads.

    python examples/train_and_rank.py

The client is made up, and so its users' true tastes are known: the last table shows them beside the answers.
"""

import argparse
import csv
from pathlib import Path

from adapters import load_base
from adapters.starter import best_auc, client_data, same_ads
from hub import Hub, Registry
from recipes import Recipe, train

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", type=Path, default=Path("build/examples/train_and_rank"))
parser.add_argument("--quick", action="store_true", help="few rows and two steps, to see it run")
options = parser.parse_args()
options.folder.mkdir(parents=True, exist_ok=True)

# The client's file. Whose rows are whose stands in user_id, so that nobody trains and tests.
rows = client_data("acme", seed=1, rows=40 if options.quick else 1000).recommendation
clicks = options.folder / "clicks.csv"
with clicks.open("w", newline="", encoding="utf-8") as file:
    table = csv.DictWriter(file, ["user_id", "user", "ad", "clicked"], extrasaction="ignore")
    table.writeheader()
    table.writerows(rows)

# A recipe: a preset, and what differs from it.
recipe = Recipe.from_dict(
    {
        "task": "recommendation",
        "lora": {"rank": 16, "dropout": 0.1},
        "head": {"pooling": "mean"},
        "data": {"columns": {"group": "user_id"}},
        "train": {
            "epochs": 3,
            "max_steps": 2 if options.quick else None,
            "batch_size": 32,
            "learning_rate": 4e-3,
        },
        "gates": {"min_gain": {"over": "before", "by": 0.1}},
    }
)
base = load_base("starter", "nf4")
adapter = train(recipe, clicks, base)

# The report: the base before, baselines on the same rows, the adapter after, and how sure that is.
report = adapter.info["report"]
print(f"{'':35} AUC   log loss")
for name, found in {
    "base alone": report["before"],
    **report["baselines"],
    "adapter": report["after"],
}.items():
    print(f"{name:35} {found['auc']:.3f} {found['log_loss']:.3f}")
print(f"{'the best that any model can do':35} {best_auc(rows):.3f}")
for verdict in adapter.info["gates"]["verdicts"]:
    print("passed:" if verdict["passed"] else "not passed:", verdict["sentence"])

# A hub refuses what did not pass, unless somebody gives a reason, which the record keeps.
hub = Hub(options.folder / "hub")
passed = adapter.info["gates"]["passed"]
version = hub.publish(
    adapter, "acme/spring/recommendation", force_reason=None if passed else "to show the rest of the example"
)
print(f"\npublished {version.reference}")

# One user, six ads, and what this audience truly thinks of them.
user, ads, truth = same_ads(seed=3)
registry = Registry(hub, base)
true = dict(zip(ads, truth["acme"], strict=True))
print(f"\n{user.text()}\n\npredicted  true")
for ranked in registry.recommend("acme/spring/recommendation", user=user.text(), ads=ads):
    print(f"{ranked.probability:9.2f}  {true[str(ranked.ad)]:4.2f}  {ranked.ad}")
registry.close()
