"""Rules that a text keeps while it is written: `python -m benchmarks.guided_writing [--budget MINUTES]`.

An ad-copy adapter on the starter learns from one client's rows, and writes for products that it has not seen: first
drafts without rules and under them, greedy and drawn, for each rule alone and for all. Then what a token costs, in
seconds of the processor, with the rules and without, in turns; on the starter, and on SmolLM2 in nf4 where it lies in
build/benchmarks/bases/smollm2 (without an adapter).

    banned     the three commonest words of four letters or more in the training copy
    width      four fifths of the median of the training copy
    required   "Terms apply."
    facts      numbers and known values of the product only

Results go to benchmarks/results/guided-writing.json; a later run goes on behind the last part that is whole.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any

from benchmarks.ad_copy import BASE
from benchmarks.measure import in_parts, interleaved, machine, now, versions
from benchmarks.real_data import ROOT

if TYPE_CHECKING:
    from adapters import Adapter, Base
    from adapters.slots import Slots
    from recipes.examples import Splits
    from recipes.measure import Policy

RESULT = Path("benchmarks", "results", "guided-writing.json")
ADAPTER = Path("build", "benchmarks", "guided-writing")
PARTS = Path("build", "benchmarks", "guided-writing.json")
ROWS, STEPS, PRODUCTS, NEW = 300, 150, 60, 48
DRAWN = 0.7
TIMED, ROUNDS = 8, 3  # texts, and rounds that count
SETTINGS: dict[str, Any] = {
    "lora.dropout": 0.0,
    "train.batch_size": 8,
    "train.max_steps": STEPS,
    "train.epochs": 10,
    "train.evaluate_every": STEPS,
    "train.keep": "last",
    "train.patience": None,
    "write.evaluated": 2,
}


def rows() -> "Splits":
    """The client's rows, and products of another seed to write for."""
    from datasets import Dataset

    from adapters.starter import client_data
    from recipes import Recipe
    from recipes.data import load_splits

    train, test = (
        client_data("acme", seed=seed, rows=count).ad_copy for seed, count in ((1, ROWS), (2, 2 * PRODUCTS))
    )
    return load_splits(
        Recipe.load("ad-copy", **SETTINGS), Dataset.from_list(train), test=Dataset.from_list(test)
    )


def adapter(base: "Base", data: "Splits") -> "Adapter":
    """Trained, or as it was trained before."""
    from adapters.format import read
    from recipes import Recipe, train

    if not (ROOT / ADAPTER / "adapter_model.safetensors").is_file():
        train(Recipe.load("ad-copy", **SETTINGS), data, base, out=ROOT / ADAPTER)
    return read(ROOT / ADAPTER)


def policies(data: "Splits") -> dict[str, tuple[dict[str, Any], "Policy"]]:
    """Rule -> as a recipe says it, and the policy."""
    from recipes.options import read_policy
    from recipes.tasks.ad_copy import known

    copy = [example.copy or "" for example in data.train]
    words = Counter(word.strip(".,!?").lower() for text in copy for word in text.split())
    told: dict[str, dict[str, Any]] = {
        "banned": {
            "banned": [word for word, _ in words.most_common() if len(word) >= 4 and word.isalpha()][:3]
        },
        "width": {"max_width": int(0.8 * median(map(len, copy)))},
        "required": {"required": ["Terms apply."]},
        "facts": {"facts": True},
    }
    told["all"] = {key: value for each in told.values() for key, value in each.items()}
    sayings = known(data)
    return {name: (each, read_policy(each).rules().knowing(sayings)) for name, each in told.items()}


def drafts(base: "Base", slots: "Slots", data: "Splits") -> dict[str, Any]:
    """For each rule the share of first drafts that keep it, and how they read."""
    from adapters.serving import Sampling
    from recipes import Recipe
    from recipes.learn import encode_prompt
    from recipes.learn.frame import PromptFrame
    from recipes.learn.predict import texts
    from recipes.measure import PolicyGuide, violations
    from recipes.tasks.ad_copy import Written, inputs, metrics

    recipe, frame = Recipe.load("ad-copy", **SETTINGS), PromptFrame.from_info(slots.adapter(0).info)
    products = inputs(data.test, PRODUCTS)
    prompts = [encode_prompt(base, recipe, product, frame) for product in products]
    about = [example for example in data.test if example.text in set(products)]
    found: dict[str, Any] = {"products": len(products)}
    for how, temperature in (("greedy", 0.0), ("drawn", DRAWN)):
        sampling = Sampling(NEW, temperature)
        free = texts(base, slots, 0, prompts, sampling)
        found[how] = {}
        for name, (told, policy) in policies(data).items():
            guides = [PolicyGuide(product, policy) for product in products]
            held = texts(base, slots, 0, prompts, sampling, guides)
            found[how][name] = {"policy": told}
            for which, own in (("free", free), ("guided", held)):
                kept = [
                    not violations(text, product, policy) for text, product in zip(own, products, strict=True)
                ]
                read = metrics(about, Written(own, products=products))
                found[how][name][which] = {
                    "keep it": round(sum(kept) / len(kept), 4),
                    "chrf": round(read["chrf"], 2),
                    "coverage": round(read["coverage"], 4),
                    "sample": own[0],
                }
    return found


def cost(base: "Base", slots: "Slots", slot: int | None, data: "Splits") -> dict[str, Any]:
    """Seconds of the processor for a token that stays: free, under all rules, and under all but the width, in turns.
    Where a text over the width ends before, tokens that were written go again."""
    import torch

    from adapters.serving import Sampling, Writing, write
    from recipes import Recipe
    from recipes.learn import encode_prompt
    from recipes.measure import PolicyGuide
    from recipes.tasks.ad_copy import inputs

    recipe, policy = Recipe.load("ad-copy", **SETTINGS), policies(data)["all"][1]
    ways = {"free": None, "all rules": policy, "all but the width": replace(policy, limits=())}
    products = inputs(data.test, TIMED)
    prompts = [encode_prompt(base, recipe, product) for product in products]
    written: dict[str, list[int]] = {name: [] for name in ways}

    def run(name: str) -> None:
        rules = ways[name]
        guides = [PolicyGuide(each, rules) if rules else None for each in products]
        asked = [
            Writing(ids, slot, Sampling(NEW, DRAWN), guide=guide)
            for ids, guide in zip(prompts, guides, strict=True)
        ]
        with torch.inference_mode():
            write(base, slots, asked)
        written[name].append(sum(len(each.written) for each in asked))

    seconds = interleaved({name: partial(run, name) for name in ways}, ROUNDS, clock=process_time)
    each = {
        name: median(spent / count for spent, count in zip(seconds[name], written[name][1:], strict=True))
        for name in written
    }
    return {
        "ms a token": {name: round(1000 * spent, 3) for name, spent in each.items()},
        "against free": {name: round(spent / each["free"], 3) for name, spent in each.items()},
    }


def main(arguments: list[str]) -> int:
    """Measure part after part until the budget is spent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=15.0, help="minutes")
    until = monotonic() + 60 * parser.parse_args(arguments).budget
    from adapters import load_base
    from adapters.slots import Slots

    data, starter = rows(), load_base("starter", "none")
    slots = Slots(starter, 1)
    slots.load(0, adapter(starter, data))

    def on_smollm2() -> dict[str, Any]:
        base = load_base(str(ROOT / BASE), "nf4")
        return cost(base, Slots(base, 1), None, data)

    wanted = {
        "first drafts": lambda: drafts(starter, slots, data),
        "starter": lambda: cost(starter, slots, 0, data),
    }
    if (ROOT / BASE).is_dir():
        wanted["SmolLM2 in nf4, no adapter"] = on_smollm2
    found = in_parts(wanted, ROOT / PARTS, until)
    about = {
        "date": now(),
        "machine": machine(),
        "versions": versions("torch", "transformers", "bitsandbytes"),
    }
    result = {
        "settings": SETTINGS,
        "came to": f"{len(found)} of {len(wanted)} parts",
        "measured": found,
        **about,
    }
    (ROOT / RESULT).write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
