"""What there is instead of a name that is missing, found with a bounded number of looks.

    acme/sprig/behavior     acme/ first, in it spring/ before autumn/, then the clients that begin most like acme

In a hub of a thousand names all of them are compared with the one that was asked for, in a larger one the first that
are reached so. What is not reached is not offered; nothing is offered that does not stand.
"""

import difflib
from collections.abc import Callable
from functools import partial
from itertools import islice, takewhile

from hub.storage.layout import home, is_part
from hub.storage.storage import Storage

_NAMES = 1000
_LOOKS = 2000
_REQUESTS = 20  # looks into a storage where each is a request


def near_names(storage: Storage, name: str, standing: Callable[[str], object]) -> list[str] | None:
    """At most five names that have a version and read like this one, the most alike first. None where the hub has no
    name with a version at all. standing: the versions of a name that stand."""
    names, everything = _reached(storage, name)
    alike = difflib.get_close_matches(name, names, n=20, cutoff=0.5)
    offered = list(islice((each for each in alike if standing(each)), 5))
    if offered or not everything or any(standing(each) for each in names):
        return offered
    return None


def _reached(storage: Storage, name: str) -> tuple[list[str], bool]:
    """Names with a folder, the nearest first, and whether these are all."""
    looks, asked = _LOOKS if storage.is_local else _REQUESTS, name.split("/")
    found: list[str] = []
    waiting = [""]  # `acme/`, `acme/spring/` ...; the last is looked at next
    while waiting and looks and len(found) < _NAMES:
        above = waiting.pop()
        level = above.count("/")
        if level == len(asked):
            found.append(above.removesuffix("/"))
            continue
        inside = filter(is_part, storage.folders(home(above).removesuffix("/")))
        waiting += [f"{above}{part}/" for part in sorted(inside, key=partial(_alike, asked[level]))]
        looks -= 1
    return found, not waiting


def _alike(part: str, other: str) -> tuple[bool, int]:
    """Whether two parts of names are equal, and how many letters their beginnings share."""
    return part == other, sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(part, other, strict=False))
    )
