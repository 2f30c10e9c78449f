"""Restaurant copy by a real decoder: `python -m benchmarks.ad_copy [--method prefix] [--seed 1] [--budget MINUTES]`.

SmolLM2-135M-Instruct in nf4 learns from rows of the development file of e2e_en, and writes for products of its test
file, none of which it has seen.

    train   STEPS steps of the preset's rate    an adapter in build/benchmarks, under the digest of its settings
    write   PRODUCTS of the test file           in each of WAYS, part by part, as a registry gives them; in the first
                                                two of them more, with `--products 2000` all

A budget counts minutes of the processor; what was cut short goes on behind the last snapshot or part. The base lies in
build/benchmarks/bases/smollm2. Results go to benchmarks/results/ad-copy.json; `--table` only prints those of a seed.
"""

import argparse
import hashlib
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from benchmarks.measure import machine, now, versions
from benchmarks.real_data import ROOT
from benchmarks.runs import BASES, DATA

if TYPE_CHECKING:
    from adapters import Base
    from recipes import Recipe
    from recipes.examples import Example, Splits

BASE = Path(BASES, "smollm2")
RESULT = Path("benchmarks", "results", "ad-copy.json")
NAME = "bench/e2e/ad-copy"
STEPS, VALIDATION = 1500, 32  # validation rows: every one would take as long as the training
PRODUCTS, PART = 300, 50  # that are written for, of the test file's
SAMPLES = 12
DRAFTS = 8
WAYS: dict[str, dict[str, Any]] = {
    "facts": {"policy": {"facts": True}},
    f"facts, of {DRAFTS} drafts": {"policy": {"facts": True}, "drafts": DRAFTS},
    "facts, all named": {"policy": {"facts": True, "named": "all"}},
}
METHODS = {"lora": "ad-copy", "prefix": "ad-copy-prefix"}
LORA = {"lora.dropout": 0.0}  # no row is seen twice
SETTINGS: dict[str, Any] = {
    "data.columns": {"product": "mr", "copy": "ref"},
    # Of 4,299 rows 4 speak of a pub, 13 of food neither Chinese nor English; most of the test file's products do.
    "data.augment.swap_values": True,
    "data.augment.copies": 2,
    "train.batch_size": 4,
    "train.max_steps": STEPS,
    "train.evaluate_every": STEPS // 3,
    "train.patience": None,
    "train.keep": "last",
    "write.evaluated": 4,
    "write.max_new_tokens": 64,
}
SHOWN = {
    "texts": "texts",
    "bleu": "BLEU",
    "chrf": "chrF",
    "coverage": "coverage",
    "unsupported_claims": "unsupported claims",
    "texts_with_claims": "texts with any",
    "texts_within_policy": "keep facts",
}


@dataclass(frozen=True)
class Made:
    """What one method's adapter is made by, and where it lies; other settings begin anew."""

    method: str
    seed: int = 0

    @property
    def name(self) -> str:
        """Of its result."""
        return f"{self.method}, seed {self.seed}" if self.seed else self.method

    @property
    def settings(self) -> dict[str, Any]:
        """Of the recipe."""
        own = LORA if self.method == "lora" else {}
        return SETTINGS | own | ({"train.seed": self.seed} if self.seed else {})

    def recipe(self, **more: Any) -> "Recipe":
        """With more settings, where they are given."""
        from recipes import Recipe

        return Recipe.load(METHODS[self.method], **self.settings | more)

    @property
    def adapter(self) -> Path:
        """Its folder."""
        return ROOT / "build" / "benchmarks" / f"ad-copy-{_digest(self.recipe().to_dict())}"

    def texts(self, how: Mapping[str, Any]) -> Path:
        """The file of what it wrote in one of WAYS."""
        return Path(f"{self.adapter}-{_digest(how)}.json")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def splits() -> "Splits":
    """The development file's rows to train on and to choose by, and the test file's."""
    from recipes.data import load_splits

    folder = ROOT / DATA / "e2e_en"
    found = load_splits(
        Made("lora").recipe(), folder / "devel-fixed.no-ol.csv", test=folder / "test-fixed.csv"
    )
    return replace(found, validation=some(found.validation, VALIDATION))


def some(rows: "tuple[Example, ...]", most: int) -> "tuple[Example, ...]":
    """At most so many rows, always the same ones."""
    chosen = sorted(random.Random(0).sample(range(len(rows)), min(most, len(rows))))
    return tuple(rows[index] for index in chosen)


def train(made: Made, base: "Base", data: "Splits", until: float) -> bool:
    """Train, or go on with it; whether it is done. until: seconds of the processor."""
    from recipes import Order
    from recipes.runs.run import Run, Settings

    if (made.adapter / "adapter_model.safetensors").is_file():
        return True
    few = replace(data, test=some(data.test, 4))  # of the report; what is told here is measured by `write`
    order = Order(made.recipe(), few, out=made.adapter, name="e2e")
    run = Run([order], base, Settings(state=Path(f"{made.adapter}-state")), None, False)
    try:
        while process_time() < until and run.turn():
            for job in run.jobs.values():
                print(
                    f"step {job.step} of {job.steps}, {process_time():.0f} s", *job.history[-1:], flush=True
                )
        return not run.running and not run.waiting
    finally:
        run.close()


def write(
    made: Made, base: "Base", products: Mapping[str, Sequence[str]], until: float
) -> dict[str, dict[str, dict[str, Any]]]:
    """What is written in each way for its products: the drafts that were refused and the text that is given; null where
    none keeps the policy. Part by part, as long as there is time."""
    from hub import Hub, Registry, Write

    found: dict[str, dict[str, Any]] = {}
    hub = Hub(Path(f"{made.adapter}-hub"), create=True)
    hub.publish(made.adapter, NAME, publish_id="the benchmark's")
    registry = Registry(hub, base, follow=False)
    try:
        for name, how in WAYS.items():
            path = made.texts(how)
            own = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            found[name] = own
            left = [product for product in products[name] if product not in own]
            # The file is sorted by names, and its first part would not stand for all.
            random.Random(2).shuffle(left)
            for at in range(0, len(left), PART):
                if process_time() > until:
                    break
                part = left[at : at + PART]
                asked = [Write(NAME, product, **how) for product in part]
                for product, answer in zip(part, registry.map(asked), strict=True):
                    own[product] = _told(answer)
                path.write_text(json.dumps(own, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
                print(
                    f"{name}: {len(own)} of {len(products[name])} products, {process_time():.0f} s",
                    flush=True,
                )
    finally:
        registry.close()
    written = {
        name: {each: own[each] for each in products[name] if each in own} for name, own in found.items()
    }
    return {name: own for name, own in written.items() if own}


def _told(answer: Any) -> dict[str, Any]:
    from hub.registry.rules import NoneKept

    if isinstance(answer, Exception) and not isinstance(answer, NoneKept):
        raise answer
    refused = [each.text for each in answer.refused]
    given = None if isinstance(answer, Exception) else answer[0]
    return {"refused": refused, "given": given}


def measured(
    made: Made, data: "Splits", found: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Texts that are given in each way, the nearest copies and the references, all by the rule that facts are the
    product's. Texts are given for those products alone for which one keeps its policy."""
    from recipes.measure import Policy
    from recipes.tasks import ad_copy

    sayings = ad_copy.known(data)
    policy = Policy(facts=True).knowing(sayings)

    def figures(texts: Mapping[str, str]) -> dict[str, Any]:
        rows = [example for example in data.test if example.text in texts]
        written = ad_copy.Written([*texts.values()], products=[*texts], policy=policy, sayings=sayings)
        return {name: round(value, 4) for name, value in ad_copy.metrics(rows, written).items()}

    every = found["facts"]
    of_them = replace(data, test=tuple(example for example in data.test if example.text in every))
    recipe = made.recipe(**{"write.evaluated": len(every), "write.policy.facts": True})
    rows = ad_copy.baselines(of_them, recipe)
    names = {name: {key: round(value, 4) for key, value in row.items()} for name, row in rows.items()}
    given = {
        name: {product: each["given"] for product, each in own.items() if each["given"] is not None}
        for name, own in found.items()
    }
    texts = {name: figures(own) for name, own in given.items()}
    few = _of_every_way(found)
    for name, own in given.items():
        if len(few) < len(found[name]):
            told = {product: own[product] for product in few if product in own}
            texts[f"{name}, on the products of every way"] = figures(told)
    return texts | names


def _of_every_way(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The products that were written for in each way, in their order."""
    return [product for product in found["facts"] if all(product in own for own in found.values())]


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """The figures, and texts beside the nearest copy and a reference, as Markdown."""
    yield f"| of {result['of']} products | {' | '.join(SHOWN.values())} |"
    yield f"| --- {'| ---: ' * len(SHOWN)}|"
    for name, row in result["measured"].items():
        places = {"texts": 0, "bleu": 1, "chrf": 1}
        cells = (f"{row[key]:.{places.get(key, 3)}f}" if key in row else "–" for key in SHOWN)
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    shown = [key for key in result["samples"][0] if key != "product"]
    yield f"| product | {' | '.join(shown)} |"
    yield f"| --- {'| --- ' * len(shown)}|"
    for each in result["samples"]:
        yield f"| {' | '.join('; '.join(each[key].splitlines()) for key in ('product', *shown))} |"


def main(arguments: list[str]) -> int:
    """Train and write until the budget is spent; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=METHODS, default="lora")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--budget", type=float, default=30.0, help="minutes of the processor")
    parser.add_argument(
        "--products", type=int, default=PRODUCTS, help=f"of the first two ways; not below {PRODUCTS}"
    )
    parser.add_argument("--table", action="store_true", help="run nothing")
    given = parser.parse_args(arguments)
    path, made = ROOT / RESULT, Made(given.method, given.seed)
    if given.table:
        found = _results(path).get(made.name)
        print("\n".join(table(found)) if found else f"there is no result of {made.name} in {RESULT}")
        return 0
    missing = [path for path in (ROOT / BASE, ROOT / DATA / "e2e_en") if not path.is_dir()]
    if missing:
        print(f"skipped, there is no {missing[0]}")
        return 0
    from adapters import load_base
    from recipes.tasks import ad_copy

    until = 60 * given.budget
    base, data = load_base(str(ROOT / BASE), "nf4"), splits()
    if not train(made, base, data, until):
        print("the budget is spent in training; run it again to go on")
        return 0
    some = ad_copy.inputs(data.test, PRODUCTS)
    more = ad_copy.inputs(data.test, given.products)
    products = {way: more if at < 2 else some for at, way in enumerate(WAYS)}
    found = write(made, base, products, until)
    if not found:
        print("the budget is spent before anything was written; run it again to go on")
        return 0
    result = _result(made, data, found)
    results = _results(path) | {made.name: result}  # read now: another may have run beside
    path.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(result)))
    return 0


def _results(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _result(
    made: Made, data: "Splits", found: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    from adapters.format import read
    from recipes.measure.baselines import nearest_copies
    from recipes.tasks import ad_copy

    report = read(made.adapter).info["report"]
    every = _of_every_way(found)
    shown = sorted(random.Random(1).sample(every, min(SAMPLES, len(every))))
    reference = {example.text: example.copy for example in reversed(data.test)}
    return {
        "products": {name: len(own) for name, own in found.items()},
        "wanted": PRODUCTS,
        "of": len(ad_copy.inputs(data.test)),
        "training rows": STEPS * SETTINGS["train.batch_size"],
        "settings": made.settings,
        "training": {key: report[key] for key in ("steps", "seconds", "history")},
        "ways": WAYS,
        "measured": measured(made, data, found),
        "refused drafts": {
            name: sum(len(each["refused"]) for each in own.values()) for name, own in found.items()
        },
        "refused to the end": {
            name: sum(each["given"] is None for each in own.values()) for name, own in found.items()
        },
        "samples": [
            {"product": product}
            | {name: str(own.get(product, {}).get("given")) for name, own in found.items()}
            | {"nearest copy": nearest, "a reference": reference[product]}
            for product, nearest in zip(shown, nearest_copies(data.train, shown), strict=True)
        ],
        "date": now(),
        "machine": machine(),
        "versions": versions("torch", "transformers", "bitsandbytes", "sacrebleu"),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
