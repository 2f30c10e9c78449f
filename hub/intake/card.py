"""The model card of a version: what a recipe says of the adapter, and what a hub says of the version.

Two cards, with the same sections: a version's README.md speaks of the adapter alone, so that equal adapters stay equal
bytes under whatever name and number; `repertoire card`, and what is exported to Hugging Face, also say which version it
is, when, by whom and from where it was published.

A README.md that the adapter's maker wrote is kept. One that Repertoire made, here or while training, is made again.
"""

from collections.abc import Mapping
from typing import Any, get_args

from adapters import Adapter, BaseId
from adapters.format import Bytes, Quantization, in_quotes, stock_loading
from hub.catalogue.records import Record
from hub.intake.servable import lines
from recipes.judge import OURS, AdapterInfo, Subject, bullets, model_card, section, subject
from recipes.options import BadYaml, read_yaml
from recipes.tasks import task_for, task_names, usual_task


def adapter_card(adapter: Adapter, servable_by: Mapping[str, Any]) -> str:
    """A version's README.md.

    Args:
        adapter: what is published.
        servable_by: what a record says of it, see `servable.py`.
    """
    about = subject(adapter)
    return model_card(
        about, about.title, _loading(about, "client/campaign/task"), served_by=_served(servable_by)
    )


def version_card(record: Record) -> str:
    """The whole card of a version."""
    about = _recorded(record)
    loading, served = _loading(about, record.reference), _served(record.servable_by or {})
    return model_card(about, record.reference, loading, first=_version(record), served_by=served)


def is_ours(readme: Bytes) -> bool:
    """Whether Repertoire made this card."""
    text = readme.decode("utf-8", errors="replace")
    if not text.startswith("---\n"):
        return False
    try:
        front = read_yaml(text[4:].partition("\n---")[0])
    except BadYaml:
        return False
    tags = front.get("tags") if isinstance(front, dict) else None
    return isinstance(tags, list) and OURS in tags


def _recorded(record: Record) -> Subject:
    """What a card says of an adapter of which only the record is at hand."""
    return Subject(
        base=BaseId(record.base.id, record.base.revision, record.base.fingerprint),
        method=record.method,
        size=record.length if record.method == "prefix" else record.rank,
        task=record.task,
        labels=record.labels,
        pooling=record.pooling,
        parameters=record.parameters,
        info=AdapterInfo.of(
            {
                "recipe": record.recipe,
                "data": {"digest": record.data_digest, "profile": record.profile},
                "quantization": record.quantization,
                "report": record.metrics,
                "gates": record.gates,
                "calibration": record.calibration,
            }
        ),
        blended=record.blended,
        forced=bool(record.forced),
    )


def _version(record: Record) -> str:
    facts = {
        "version": f"{record.version}, published {record.created[:16].replace('T', ' ')} UTC by {record.publisher}",
        "message": record.message,
        "tags": ", ".join(record.tags),
        "imported from": ", commit ".join(filter(None, map((record.origin or {}).get, ("source", "commit")))),
        "published by force": record.forced,
        "sha256 of the weights": next(
            (f.sha256 for f in record.files if f.name.endswith(".safetensors")), ""
        ),
    }
    return section("Version", bullets(f"{key}: {value}" for key, value in facts.items() if value))


def _served(servable_by: Mapping[str, Any]) -> str:
    return section("Served by", bullets(lines(servable_by)))


def _loading(about: Subject, reference: str) -> str:
    """How Repertoire and stock PEFT load it."""
    base, labels, quantization = about.base.id, about.labels, about.info.quantization
    known = about.task if about.task in task_names() else None
    call = task_for(known or usual_task(writes=labels is None)).EXAMPLE
    sound = quantization in get_args(Quantization)  # what people copy holds no words of a stranger
    options = f', quantization="{quantization}"' if sound else ""
    ours = (
        "```python\nfrom hub import Registry\n\n"
        f'registry = Registry("campaigns", base={in_quotes(str(base))}{options})\n'
        f"print({call.format(name=reference)})\n```"
    )
    stock = stock_loading(base, None if labels is None else len(labels))
    text = f"With Repertoire, which calibrates and checks the base:\n\n{ours}\n\nWith stock PEFT:\n\n{stock}"
    return section("Load it", text)
