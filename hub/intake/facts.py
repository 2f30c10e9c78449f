"""What a record says of an adapter, taken from the adapter itself."""

from collections.abc import Mapping
from typing import Any

from adapters.format import Adapter, Lora
from hub.catalogue.records import finite
from hub.intake.residence import residence
from hub.intake.servable import servable_by


def describe(adapter: Adapter, config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record that come from the adapter itself. config: its `adapter_config.json`."""
    data = _object(adapter.info.get("data")) or {}
    here = residence(adapter)
    return {
        "base": {
            "id": adapter.base.id,
            "revision": adapter.base.revision,
            "fingerprint": adapter.base.fingerprint,
        },
        "method": adapter.method.name,
        "rank": adapter.method.rank if isinstance(adapter.method, Lora) else None,
        "length": None if isinstance(adapter.method, Lora) else adapter.method.length,
        "task": adapter.task,
        "labels": adapter.head.labels if adapter.head else None,
        "quantization": _text(adapter.info.get("quantization")),
        "recipe": _object(adapter.info.get("recipe")),
        "data_digest": _text(data.get("digest")),
        "metrics": _object(adapter.info.get("report")),
        "gates": _object(adapter.info.get("gates")),
        "servable_by": ({"repertoire": here} if here else {}) | servable_by(config, adapter),
        "parameters": sum(tensor.numel() for tensor in adapter.tensors.values()),
        "profile": _object(data.get("profile")),
        "pooling": adapter.head.pooling if adapter.head else None,
        "calibration": _object(adapter.info.get("calibration")),
        "blended": bool(adapter.info.get("blend")),
        "roles": _texts(data.get("roles")),
    }


def _text(value: Any) -> str | None:
    """A text; None for anything else."""
    return value if isinstance(value, str) else None


def _texts(value: Any) -> list[str] | None:
    """A list of texts; None for anything else."""
    return value if isinstance(value, list) and all(isinstance(each, str) for each in value) else None


def _object(value: Any) -> Any:
    """A JSON object; None for anything else."""
    return finite(value) if isinstance(value, Mapping) else None
