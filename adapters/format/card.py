"""The model card (README.md) of an adapter by itself: its base, its labels and how stock PEFT loads it.

Who made the adapter knows more of it and may give a card of their own to `write`.
"""

import json
import re
from typing import Any

import yaml

from adapters.format.config import STARTER, Adapter
from adapters.format.names import head_names
from adapters.unseen import visible

_ACTS = re.compile(r"[\\*\[\]|]|`{3,}")
_ENTITY = re.compile(r"&(?=#?\w+;)")


def model_card(adapter: Adapter) -> str:
    """Markdown with Hugging Face front matter: what it is, and how to load it."""
    method = adapter.method.name
    front: dict[str, Any] = {
        "library_name": "peft",
        "base_model": adapter.base.id,
        "tags": ["repertoire", method, *([adapter.task] if adapter.task else [])],
    }
    parts = [
        f"---\n{visible(yaml.safe_dump(front, sort_keys=False, allow_unicode=True))}---",
        one_line(f"# {adapter.task or 'Adapter'} ({method}) for `{adapter.base.id}`"),
        _facts(adapter),
        f"## Load with stock PEFT\n\n{peft_loading(adapter)}",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(adapter: Adapter) -> str:
    rows = {
        "base": adapter.base.id,
        "base revision": adapter.base.revision,
        "base fingerprint": adapter.base.fingerprint,
        "parameters": f"{sum(t.numel() for t in adapter.tensors.values()):,}",
    }
    if adapter.head:
        rows["labels"] = ", ".join(adapter.head.labels[:20]) + (" …" if len(adapter.head.labels) > 20 else "")
        rows["pooling"] = adapter.head.pooling
    return "\n".join(f"- {key}: {one_line(value)}" for key, value in rows.items() if value is not None)


def peft_loading(adapter: Adapter) -> str:
    """How stock PEFT loads an adapter, and where its answers are others."""
    head = adapter.head
    text = stock_loading(adapter.base.id, None if head is None else len(head.labels))
    if head and not pools_as_transformers(adapter):
        text += (
            f"\n\n**The head pools by `{head.pooling}`, which transformers' own class for this base does not: "
            "stock PEFT loads these weights but will not give the same answers. Use Repertoire for them.**"
        )
    return text


def stock_loading(base: str | None, labels: int | None) -> str:
    """How stock PEFT loads an adapter, as a block of Python. labels: of its head, None without one."""
    auto = "AutoModelForCausalLM" if labels is None else "AutoModelForSequenceClassification"
    count = "" if labels is None else f", num_labels={labels}"
    source = str(base)
    if source == STARTER:
        source = "adapters/starter/weights"  # where the package is installed
    elif source.startswith("local/"):
        source = source.replace("local/", "path/to/")
    return (
        f"```python\nfrom peft import PeftModel\nfrom transformers import {auto}\n\n"
        f"base = {auto}.from_pretrained({in_quotes(source)}{count})\n"
        'model = PeftModel.from_pretrained(base, "path/to/this/folder")\n```'
    )


def in_quotes(text: str) -> str:
    """A string of Python in a block of code, which nothing in the text ends."""
    return visible(json.dumps(text, ensure_ascii=False)).replace("```", "\\x60" * 3)


def one_line(text: object) -> str:
    """Text of strangers on one line of Markdown: it is read as it stands, and makes no HTML, no link, no picture, no
    block and no cell of a table. Code between single backticks stays."""
    plain = _ENTITY.sub("&amp;", visible(" ".join(str(text).split())))
    plain = _ACTS.sub(lambda found: "".join(f"\\{each}" for each in found[0]), plain)
    return plain.replace("<", "&lt;").replace(">", "&gt;")


def pools_as_transformers(adapter: Adapter) -> bool:
    """Whether an adapter's head reads the hidden states as transformers' own class does: of an encoder, whose heads
    have a bias, through the pooler, or where there are two layers at the first token; of a decoder at the last."""
    head, names = adapter.head, head_names(adapter.tensors)
    if head is None:
        return True
    if names is not None and names.dense is not None:
        return head.pooling == "first"
    return head.pooling == ("pooler" if head.bias else "last")


def is_public_id(base: Any) -> bool:
    """Whether others can know a base by this name: not the embedded one, not a folder of somebody's machine."""
    return isinstance(base, str) and base != STARTER and not base.startswith(("local/", "/", ".", "~"))
