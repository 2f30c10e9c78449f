"""Aliases such as `production`: an append-only log of who pointed which name at which version, when and why.

    adapters/<client>/<campaign>/<task>/.events/<alias>/000007.json      the highest number is current

`latest` is no event: it is always the newest version.
"""

import json
from dataclasses import asdict, dataclass

from hub.errors import Damaged
from hub.names import is_part
from hub.store import Store, numbered


@dataclass(frozen=True)
class Event:
    """One change of an alias. when: UTC, ISO 8601."""

    alias: str
    version: int
    who: str
    when: str
    why: str


def set_alias(store: Store, folder: str, event: Event) -> None:
    """Point an alias of the adapter in `folder` at a version, from the moment that this returns."""
    data = json.dumps(asdict(event), sort_keys=True, ensure_ascii=False).encode() + b"\n"
    store.append(f"{folder}/.events/{event.alias}", lambda number: data)


def current(store: Store, folder: str) -> dict[str, int]:
    """Alias -> version, of all aliases of the adapter in `folder`."""
    events = f"{folder}/.events"
    found = sorted(alias for alias in store.place.folders(events) if is_part(alias))
    last = {alias: store.last(f"{events}/{alias}") for alias in found}
    return {
        alias: _read(store, f"{events}/{alias}", number).version for alias, number in last.items() if number
    }


def history(store: Store, folder: str, alias: str) -> list[Event]:
    """Every change of one alias, oldest first."""
    log = f"{folder}/.events/{alias}"
    return [_read(store, log, number) for number in store.numbers(log)]


def _read(store: Store, log: str, number: int) -> Event:
    path = numbered(log, number)
    try:
        return Event(**json.loads(store.place.read(path)))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise Damaged(f"alias event {path} cannot be read ({error}); set the alias again") from error
