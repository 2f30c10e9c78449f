"""Stock PEFT beside us, and training, for `benchmarks.gpu`: both need more than the runtime does."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import peft
import torch
import transformers as tf

from adapters import Base
from adapters.slots import Slots, pad
from benchmarks import gpu_rig as rig
from benchmarks.measure import interleaved, medians


def wrapped(base: Base, count: int, dtype: torch.dtype) -> Any:
    """The base's own model with so many adapters by stock PEFT, all of them random; `unload` gives it back."""
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=rig.RANK, lora_alpha=2 * rig.RANK, target_modules="all-linear"
    )
    model = peft.get_peft_model(base.model, config, adapter_name="a0", autocast_adapter_dtype=False)
    for number in range(1, count):
        model.add_adapter(f"a{number}", config, autocast_adapter_dtype=False)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, device=base.device, dtype=dtype) * 0.02
    return model


def peft_steps(base: Base, size: rig.Size, ours: dict[str, Any]) -> dict[str, Any]:
    """Stock PEFT's mixed batch: a step of writing at each number of rows that it is given, a distinct adapter each.
    ours: what `decode` found."""
    model, found = wrapped(base, size.peft, base.dtype).eval(), {}
    try:
        with torch.inference_mode():
            for rows in (each for each in size.counts if each <= size.peft):
                run = rig.settled(peft_step(base, model, rows, size.past), base.device)
                own = medians(interleaved({"PEFT": run}, max(2, size.rounds // 2)))["PEFT"]
                theirs = ours.get(f"{rows} rows", {}).get("milliseconds", {})
                found[f"{rows} rows"] = {
                    "milliseconds": own,
                    "PEFT / ours": {
                        name: round(own / each, 2) for name, each in theirs.items() if "distinct" in name
                    },
                }
    finally:
        model.unload()
    return found


def peft_step(base: Base, model: Any, rows: int, past: int) -> Callable[[], Any]:
    """One token of each row by transformers' own cache, behind as many columns each."""
    names = [f"a{row}" for row in range(rows)]
    cache = tf.DynamicCache(config=base.config)
    for index, layer in enumerate(base.attention):
        empty = torch.zeros(rows, layer.kv_heads, past, layer.head_dim, device=base.device, dtype=base.dtype)
        cache.update(empty, empty, index)
    ids = torch.randint(3, base.vocabulary, (rows, 1), device=base.device)

    def run() -> Any:
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True, adapter_names=names).logits
        cache.crop(-1)
        return logits

    return run


def training(base: Base, size: rig.Size, limits: dict[str, float]) -> dict[str, Any]:
    """A step of each of so many jobs: fused, and by stock PEFT one job after the other, with the same rows."""
    from benchmarks.training import clicks
    from recipes import Order, Recipe
    from recipes.learn.fused import Fused
    from recipes.runs.order import prepare
    from recipes.runs.run import PASS_TOKENS

    rows, letters = size.train
    recipe = Recipe.load(
        "recommendation",
        **{
            "train.batch_size": rows, "train.evaluate_every": 10**6, "train.patience": None,
            "data.max_tokens": 128, "lora.rank": rig.RANK,
        },
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = clicks(Path(folder) / "clicks.csv", 200, (letters, letters), 0)
        first = prepare(Order(recipe, file), base)
    batch = [list(row.ids) for row in first.train[:rows]]
    tokens = max(map(len, batch))
    numbers = sum(linear.in_features * linear.out_features for linear in base.linears.values())
    found: dict[str, Any] = {"rows": rows, "tokens a row": tokens}
    for count in size.jobs:
        slots = Slots(base, count, dtype=torch.float32, trains=True)
        try:
            jobs = [replace(first, name=str(n), history=[], best={}, ranks={}) for n in range(count)]
            for slot, job in enumerate(jobs):
                slots.load(slot, job.adapter)
                job.begin(slots, slot)
            fused = Fused(base, slots, PASS_TOKENS[base.device.type])
            run = rig.settled(partial(fused.turn, jobs), base.device)
            own = medians(interleaved({"fused": run}, max(2, size.rounds // 2)))["fused"]
            # Forward, and backward through activations: the weights are frozen.
            least = 4 * numbers * count * rows * tokens / (limits["TFLOP a second"] * 1e12)
            found[f"{count} jobs"] = {
                "milliseconds": own,
                "bound, milliseconds": round(1000 * least, 3),
                "of the bound": round(1000 * least / own, 3),
                "jobs that failed": sum(job.failure is not None for job in jobs),
            }
        except torch.cuda.OutOfMemoryError as error:
            found[f"{count} jobs"] = {"out of memory": str(error).splitlines()[0]}
        finally:
            slots.close()
    theirs = peft_training(base, size, batch)
    for count in size.jobs:
        if own := found[f"{count} jobs"].get("milliseconds"):
            found[f"{count} jobs"]["PEFT in turn / fused"] = round(count * theirs / own, 2)
    return found | {"PEFT, one job, milliseconds": theirs}


def peft_training(base: Base, size: rig.Size, batch: Sequence[Sequence[int]]) -> float:
    """Median milliseconds of one step of one job: forward, backward, clip, step. Jobs in turn take as many times it."""
    model = wrapped(base, 1, torch.float32).train()
    head = torch.nn.Linear(base.width, 2, device=base.device, dtype=base.dtype)
    parameters = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    ids = pad(base, batch).ids
    labels = torch.arange(len(ids), device=base.device) % 2

    def run() -> None:
        states = model.get_base_model().base_model(input_ids=ids, use_cache=False).last_hidden_state
        torch.nn.functional.cross_entropy(head(states[:, -1]).float(), labels).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    try:
        return medians(interleaved({"PEFT": rig.settled(run, base.device)}, max(2, size.rounds // 2)))["PEFT"]
    finally:
        model.unload()
