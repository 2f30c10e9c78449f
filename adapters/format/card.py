"""The model card (README.md) of an adapter, made from what the adapter itself records."""

from collections.abc import Mapping
from typing import Any

import yaml

from adapters.format.config import Adapter


def model_card(adapter: Adapter) -> str:
    """Markdown with Hugging Face front matter: what it does, base, data, metrics, how to load it."""
    method = adapter.method.name
    front: dict[str, Any] = {
        "library_name": "peft",
        "base_model": adapter.base.id,
        "tags": ["repertoire", method, *([adapter.task] if adapter.task else [])],
    }
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
        f"# {adapter.task or 'Adapter'} ({method}) for `{adapter.base.id}`",
        _facts(adapter),
        _metrics(adapter.info.get("report")),
        _loading(adapter),
    ]
    if recipe := adapter.info.get("recipe"):
        parts.append(
            f"## Recipe\n\n```yaml\n{yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)}```"
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(adapter: Adapter) -> str:
    rows = {
        "base": adapter.base.id,
        "base revision": adapter.base.revision,
        "base fingerprint": adapter.base.fingerprint,
        "data sha256": adapter.info.get("data", {}).get("digest"),
        "parameters": f"{sum(t.numel() for t in adapter.tensors.values()):,}",
    }
    if ranks := adapter.info.get("report", {}).get("ranks"):
        rows["ranks"] = ranks_told(ranks)
    if adapter.head:
        rows["labels"] = ", ".join(adapter.head.labels[:20]) + (" …" if len(adapter.head.labels) > 20 else "")
        rows["pooling"] = adapter.head.pooling
    return "\n".join(f"- {key}: {value}" for key, value in rows.items() if value is not None)


def ranks_told(ranks: Mapping[str, int]) -> str:
    """What AdaLoRA left of each layer, in a line."""
    least, most, mean = min(ranks.values()), max(ranks.values()), sum(ranks.values()) / len(ranks)
    none = sum(rank == 0 for rank in ranks.values())
    left_out = f"; {none} with none are left out" if none else ""
    return (
        f"{least} to {most}, {mean:.3g} on average, shared out among {len(ranks)} layers by AdaLoRA{left_out}"
    )


def _metrics(report: Mapping[str, Any] | None) -> str:
    """Before, after and baselines, one row each, over the metrics that are single numbers."""
    if not report:
        return ""
    rows: dict[str, Mapping[str, Any]] = {
        "before": report["before"],
        **report.get("baselines", {}),
        "after": report["after"],
    }
    if blended := report.get("blended"):
        rows["blended, as Repertoire answers"] = blended["after"]
    names = [name for name, value in report["after"].items() if isinstance(value, int | float)]
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for row, values in rows.items():
        cells = [_number(values.get(name)) for name in names]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "## Held-out results\n\n" + "\n".join(lines)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""


def _loading(adapter: Adapter) -> str:
    head = adapter.head
    text = "## Load with stock PEFT\n\n" + stock_loading(
        adapter.base.id, None if head is None else len(head.labels)
    )
    if head and not pools_as_transformers(head.pooling, head.bias):
        text += (
            f"\n\n**The head pools by `{head.pooling}`, which transformers' own class for this base does not: "
            "stock PEFT loads these weights but will not give the same answers. Use Repertoire for them.**"
        )
    if adapter.info.get("blend"):
        text += (
            "\n\n**Repertoire blends these answers with a linear baseline, whose numbers travel in the metadata of the "
            "weights (`blend`). Stock PEFT does not know it and gives the adapter's own logits.**"
        )
    return text


def stock_loading(base: str | None, labels: int | None) -> str:
    """How stock PEFT loads an adapter, as a block of Python. labels: of its head, None without one."""
    auto = "AutoModelForCausalLM" if labels is None else "AutoModelForSequenceClassification"
    count = "" if labels is None else f", num_labels={labels}"
    place = str(base)
    if place == "starter":
        place = "adapters/starter/weights"  # where the package is installed
    elif place.startswith("local/"):
        place = place.replace("local/", "path/to/")
    return (
        f"```python\nfrom peft import PeftModel\nfrom transformers import {auto}\n\n"
        f'base = {auto}.from_pretrained("{place}"{count})\n'
        'model = PeftModel.from_pretrained(base, "path/to/this/folder")\n```'
    )


def pools_as_transformers(pooling: str, bias: bool) -> bool:
    """Whether a head reads the hidden states as transformers' own class does: of an encoder, whose heads have a bias,
    through the pooler, of a decoder at the last token."""
    return pooling == ("pooler" if bias else "last")
