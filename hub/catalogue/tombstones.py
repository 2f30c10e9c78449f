"""Removed versions: a tombstone says who removed which version, when and why.

    adapters/<client>/<campaign>/<task>/.tombstones/000003.json      {"version": 3, "who": ..., "when": ..., "why": ...}

The record and the number stay, the version means nothing any more: no reference leads to it, `latest` passes it over,
its folder goes at once, its blobs with `gc` when nothing else needs them. A tombstone is never taken back; the same
adapter can be published again, as a new version. `removal.py` writes them.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from hub.errors import Damaged
from hub.storage.layout import numbered, tombstones
from hub.storage.store import Store


@dataclass(frozen=True)
class Tombstone:
    """Why a version is no more. when: UTC, ISO 8601."""

    version: int
    who: str
    when: str
    why: str

    @property
    def moment(self) -> float:
        """When, in unix seconds."""
        return datetime.fromisoformat(self.when).timestamp()

    def to_bytes(self) -> bytes:
        """JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode() + b"\n"

    def __str__(self) -> str:
        return f"removed by {self.who} on {self.when}{f' ({self.why})' if self.why else ''}"


def find(store: Store, name: str, version: int) -> Tombstone | None:
    """The tombstone of a version, None where it stands. Raises Damaged."""
    path = numbered(tombstones(name), version)
    try:
        told = json.loads(store.storage.read(path))
        tombstone = Tombstone(**{key: told[key] for key in ("version", "who", "when", "why")})
        if tombstone.version != version:
            raise ValueError(f"it says version {tombstone.version}")
        if not all(isinstance(text, str) for text in (tombstone.who, tombstone.when, tombstone.why)):
            raise ValueError("who, when and why are no texts")
        float(tombstone.moment)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise Damaged(
            f"tombstone {path} cannot be read ({error}); "
            f"take it away, and remove {name}@{version} again if it was to go"
        ) from error
    return tombstone
