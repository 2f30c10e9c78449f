"""Aliases such as `production`: an append-only log of who pointed which name at which version, when and why.

    adapters/<client>/<campaign>/<task>/.events/<alias>/000007.json      the highest number is current

`latest` is no event: it is always the newest version.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.errors import Damaged
from hub.names import is_part
from hub.store import Store


@dataclass(frozen=True)
class Event:
    """One change of an alias. when: UTC, ISO 8601."""

    alias: str
    version: int
    who: str
    when: str
    why: str


def set_alias(store: Store, folder: Path, event: Event) -> None:
    """Point an alias of the adapter in `folder` at a version, from the moment that this returns."""
    data = json.dumps(asdict(event), sort_keys=True, ensure_ascii=False).encode() + b"\n"
    store.append(folder / ".events" / event.alias, lambda number: data)


def current(store: Store, folder: Path) -> dict[str, int]:
    """Alias -> version, of all aliases of the adapter in `folder`."""
    events = folder / ".events"
    found = sorted(path for path in events.iterdir() if is_part(path.name)) if events.is_dir() else []
    last = {log.name: store.last(log) for log in found}
    return {alias: _read(events / alias, number).version for alias, number in last.items() if number}


def history(store: Store, folder: Path, alias: str) -> list[Event]:
    """Every change of one alias, oldest first."""
    log = folder / ".events" / alias
    return [_read(log, number) for number in store.numbers(log)]


def _read(log: Path, number: int) -> Event:
    path = log / f"{number:06d}.json"
    try:
        return Event(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise Damaged(f"alias event {path} cannot be read ({error}); set the alias again") from error
