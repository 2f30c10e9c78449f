"""Ad texts under rules: what a policy says, how often the model breaks it by itself, and what is never given.

python examples/ad_copy_rules.py
"""

import argparse
from pathlib import Path

from datasets import Dataset

from adapters import load_base
from adapters.starter import client_data
from hub import Hub, Registry
from recipes import Recipe, train

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", type=Path, default=Path("build/examples/ad_copy_rules"))
parser.add_argument("--quick", action="store_true", help="few rows and two steps, to see it run")
options = parser.parse_args()

# The policy travels with the adapter: banned terms, ready lists, a width, and no number that the product has not.
recipe = Recipe.from_dict(
    {
        "task": "ad-copy",
        "lora": {"dropout": 0.0},
        "train": {
            "epochs": 3,
            "max_steps": 2 if options.quick else None,
            "batch_size": 8,
            "learning_rate": 4e-3,
        },
        "write": {
            "evaluated": 4 if options.quick else 24,
            "max_new_tokens": 48,
            "policy": {"banned": ["best"], "lists": ["en-claims"], "max_width": 200, "facts": True},
        },
    }
)
rows = client_data("acme", seed=1, rows=30 if options.quick else 300).ad_copy
base = load_base("starter", "nf4")
adapter = train(recipe, Dataset.from_list(rows), base, progress=True)

# Measured before anything is refused: how many texts of each kept the rules by themselves.
report = adapter.info["report"]
print("\nshare of texts within the policy")
for name, found in {"base alone": report["before"], "adapter": report["after"]}.items():
    print(f"  {name:12} {found['texts_within_policy']:.2f}")

hub = Hub(options.folder / "hub")
hub.publish(adapter, "acme/spring/ad-copy")
registry = Registry(hub, base)

# A text keeps the rules while it is written; one that breaks them all the same is drawn again. A request may add rules.
for product in client_data("acme", seed=2, rows=3).ad_copy:
    facts = {name: value for name, value in product.items() if name != "copy"}
    print(f"\n{facts['name']}, {facts['category']}, {facts['price']} {facts['discount']}")
    try:
        texts = registry.write(
            "acme/spring/ad-copy", facts, n=2, temperature=0.4, policy={"banned": ["don't wait"]}
        )
    except Exception as error:
        print(f"  nothing keeps the rules: {error}")
        continue
    for text in texts:
        print(f"  given:   {text}")
    for refused in texts.refused:
        print(f"  refused: {refused.text} ({'; '.join(map(str, refused.reasons))})")
registry.close()
