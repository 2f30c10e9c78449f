"""A tour of a hub: versions, aliases, a running registry that follows them, rollback, diff, removal, damage, repair.

python examples/hub_tour.py
"""

import argparse
import shutil
from pathlib import Path

from datasets import Dataset

from adapters import load_base
from adapters.starter import client_data
from hub import Hub, Registry
from recipes import Order, Recipe, train_many

NAME = "acme/support/behavior"

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", type=Path, default=Path("build/examples/hub_tour"))
parser.add_argument("--quick", action="store_true", help="few rows and two steps, to see it run")
options = parser.parse_args()
shutil.rmtree(options.folder, ignore_errors=True)

# Three small trainings that differ in their seed, in one run.
rows = Dataset.from_list(client_data("acme", seed=1, rows=30 if options.quick else 200).behavior)
changes = {"train.epochs": 2, "train.max_steps": 2 if options.quick else None, "data.repeats": "drop"}
orders = [Order(Recipe.load("behavior", **changes, **{"train.seed": seed}), rows) for seed in range(3)]
base = load_base("starter", "nf4")
hub = Hub(options.folder / "campaigns")
for seed, adapter in enumerate(train_many(orders, base)):
    if isinstance(adapter, Exception):
        raise adapter
    print("published", hub.publish(adapter, NAME, tags=["tour"], message=f"seed {seed}").reference)

# Versions never change. An alias is a log of who pointed it where, when and why.
hub.set_alias(NAME, "production", 1, why="the first one")
print("\naliases:", hub.aliases(NAME))

# A registry follows names and aliases; `follow=False` asks the hub at each request, as this script wants it.
registry = Registry(hub, base, follow=False)
text = "opened the order of last week; uploaded a photo of the damaged kettle"


def ask() -> str:
    (analysis,) = registry.analyze(f"{NAME}@production", [text])
    return f"{hub.resolve(f'{NAME}@production').reference} says {analysis.label}"


print(ask())
hub.set_alias(NAME, "production", 3, why="a better seed", expect=1)
print(ask())
hub.rollback(NAME, "production", why="complaints")
print(ask())
for item in hub.history(NAME):
    print(f"   {item.what:12} {item.alias or '':12} {item.version}  {item.why}")

# Finding versions by what they are and how they measured.
print("\nfound by tag and metric:")
for found in hub.search(tag="tour", all_versions=True, metric=["accuracy>=0"]):
    print("  ", found.reference)

# A removed version leaves a tombstone: nothing leads to it any more, and its number is not used again.
hub.remove(f"{NAME}@2", why="trained on the wrong export")
print("\nversions that stand:", [version.reference for version in hub.versions(NAME)])

# Damage: somebody puts another file into a version's folder. verify tells it, repair makes it again from the blobs.
folder = hub.resolve(f"{NAME}@3").folder
assert folder is not None
card = folder / "README.md"
card.unlink()
card.write_text("not what was published")
damaged = hub.verify()
print(f"\nverify: {len(damaged.findings)} findings")
for finding in damaged.findings:
    print(f"   {finding.where}: {finding.what}")
for path, done in hub.repair().mended.items():
    print(f"repair: {path}: {done}")
print("verify again:", len(hub.verify().findings), "findings")
registry.close()
