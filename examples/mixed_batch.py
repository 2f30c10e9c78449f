"""Two clients, three tasks, LoRA and Prefix: trained together on one 4-bit base, and asked in one batch.

python examples/mixed_batch.py
"""

import argparse
from pathlib import Path

from datasets import Dataset

from adapters import Limits, load_base
from adapters.starter import client_data
from hub import Analysis, Analyze, Ranked, Recommend, Registry, Write
from recipes import Order, Recipe, train_many

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", type=Path, default=Path("build/examples/mixed_batch"))
parser.add_argument("--quick", action="store_true", help="few rows and two steps, to see it run")
options = parser.parse_args()
rows = 24 if options.quick else 240

# Six jobs. Data may be a file, several, or a datasets.Dataset as here.
changes = {"train.epochs": 2, "train.max_steps": 2 if options.quick else None}
writing = {"write.evaluated": 4, "write.max_new_tokens": 8 if options.quick else 64}
orders = []
for client in ("acme", "globex"):
    data = client_data(client, seed=1, rows=rows)
    clicks = [{key: row[key] for key in ("user", "ad", "clicked")} for row in data.recommendation]
    orders += [
        Order(
            Recipe.load("recommendation", **changes),
            Dataset.from_list(clicks),
            name=f"{client}/spring/recommendation",
        ),
        Order(
            Recipe.load("behavior-prefix", **changes, **{"data.repeats": "drop"}),
            Dataset.from_list(data.behavior),
            name=f"{client}/spring/behavior",
        ),
        Order(
            Recipe.load("ad-copy", **changes, **writing),
            Dataset.from_list(data.ad_copy),
            name=f"{client}/spring/ad-copy",
        ),
    ]
base = load_base("starter", "nf4")
results = train_many(orders, base, progress=True)

# What goes wrong in one job is the result of that job: an error in its place.
registry = Registry(options.folder / "hub", base, limits=Limits(slots=4, rows=16))
for order, result in zip(orders, results, strict=True):
    if isinstance(result, Exception):
        print(f"{order.name} failed: {result}")
    else:
        print("published", registry.publish(result, order.name).reference)

# One batch for all of them: six adapters of both kinds over four slots.
user = "bought headlamp; liked titanium; viewed water bottle"
ads = ["Ariorra headlamp, a red night mode, 25% off, $36.", "Velmora kettle, quiet, $89."]
product = {"name": "Velmora Halo", "category": "lamp", "material": "linen", "price": "$89"}
requests = []
for client in ("acme", "globex"):
    requests += [
        Recommend(f"{client}/spring/recommendation", user=user, ads=ads),
        Analyze(f"{client}/spring/behavior", ["opened the order of last week; printed a parcel label"]),
        Write(f"{client}/spring/ad-copy", product),
    ]
for request, answer in zip(requests, registry.run(requests), strict=True):
    print(f"\n{request.reference}")
    if isinstance(answer, Exception):
        print(f"  {answer}")
        continue
    for item in answer:
        match item:
            case Ranked():
                print(f"  {item.probability:.2f} {item.ad}")
            case Analysis():
                print(f"  {item.label} {item.probabilities[item.label]:.2f} {item.text}")
            case text:
                print(f"  {text}")

# A text in pieces as it is written, while other requests of other clients would go on.
print("\nstreamed:")
for piece in registry.stream("globex/spring/ad-copy", product):
    print(piece, end="", flush=True)

# Two adapters of one task answer as one: the mean of their probabilities.
print("\n\nboth clients' models as one:")
for ranked in registry.recommend(["acme/spring/recommendation", "globex/spring/recommendation"], user, ads):
    print(f"  {ranked.probability:.2f} {ranked.ad}")

print("\nwhere the adapters are now:")
for resident in registry.residency():
    print(f"  {resident.tier:7} {resident.adapter}")
registry.close()
