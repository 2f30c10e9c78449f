"""Where everything lies in a hub: paths, and what each of them means. Nothing here looks at a file.

hub.json                                     format version, id, and of a mirror its origin
blobs/sha256/ab/<64 hex>                     content, read-only
adapters/<client>/<campaign>/<task>/
  .records/000003.json                       the commit point of version 3
  .events/<alias>/000007.json                alias log; the highest is current
  .tombstones/000003.json                    version 3 was removed
  .signatures/000003/<key id>.json           who vouches for version 3
  .ids                                       publish ids of the versions, can be made again; see publish_ids.py
  v000003/                                   plain PEFT directory: links to the blobs, can be made again
index.sqlite                                 what searches read, can be made again
.pins/   .trash/   .purge/   .tmp/           work under way; see pins.py, trash.py, purge.py, local.py
.aside/                                      what lay in a log and was no entry of it, under its path; see repair.py

Every part of a name becomes a folder, on any file system, so that the grammar of a part is narrow: at most 64 lowercase
ASCII letters, digits, `-`, `_` and `.`; it begins with a letter or a digit, does not end with a dot, and is no device
name of Windows. One spelling only: nothing is trimmed, folded or decoded.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from adapters.bounds import INDEX_BYTES, PART_CHARACTERS, RECORD_BYTES, WEIGHTS_BYTES

ADAPTERS = "adapters"
BLOBS = "blobs/sha256"
INDEX = "index.sqlite"
MARKER = "hub.json"
LAST_NUMBER = 999_999_999
"""Of an entry of a log."""
LARGEST = RECORD_BYTES.most
"""Bytes of a marker, a record, an event, a tombstone, a signature, a pin, `.ids` or what was set aside; what is larger
is none."""
PART = ".part"
"""A file in a log that was brought here in part only: it may have gaps."""
PINS, TRASH, PURGES = ".pins", ".trash", ".purge"
ASIDE = ".aside"
FiledKind = Literal["record", "event", "tombstone", "signature"]
Kind = Literal[
    "marker", "index", "work", "blob", "record", "event", "tombstone", "signature", "folder", "stranger"
]
_PART = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{PART_CHARACTERS.most - 1}}}")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"(?!0{6})[0-9]{6}|[1-9][0-9]{6,8}")
_ENTRY = re.compile(rf"({_NUMBER.pattern})\.json")
_ENTRIES = re.compile(rf"(?<![^\0])({_NUMBER.pattern})\.json(?![^\0])")
_SIGNATURE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.json")


class Filed(NamedTuple):
    """What a file says of a name: a record, an alias event, a tombstone or a signature. number: of the version, of an
    event its own."""

    kind: FiledKind
    name: str
    number: int
    alias: str | None


def is_part(text: str) -> bool:
    """Whether the grammar allows this as one part of a name, which is a folder."""
    return bool(_PART.fullmatch(text)) and not text.endswith(".") and not is_device(text)


def is_device(text: str) -> bool:
    """Whether Windows would take a folder of this name for a device."""
    return text.split(".")[0] in _DEVICES


def home(name: str) -> str:
    """The folder of a name in the hub; of a client or a campaign too."""
    return f"{ADAPTERS}/{name}"


def log(name: str) -> str:
    """The log of a name's records."""
    return f"{home(name)}/.records"


def tombstones(name: str) -> str:
    """Where the tombstones of a name's versions lie."""
    return f"{home(name)}/.tombstones"


def ids(name: str) -> str:
    """What tells the publish ids of a name's versions."""
    return f"{home(name)}/.ids"


def alias_logs(name: str) -> str:
    """Where the logs of a name's aliases lie."""
    return f"{home(name)}/.events"


def alias_log(name: str, alias: str) -> str:
    """The log of one alias."""
    return f"{alias_logs(name)}/{alias}"


def signatures(name: str, number: int) -> str:
    """Where the signatures of a version lie."""
    return f"{home(name)}/.signatures/{number:06d}"


def signature(name: str, number: int, key: str) -> str:
    """The signature of a version by the key with this id."""
    return f"{signatures(name, number)}/{key}.json"


def projection(name: str, number: int) -> str:
    """The PEFT directory of a version."""
    return f"{home(name)}/v{number:06d}"


def blob(digest: str) -> str:
    """Where content with this hash lies."""
    return f"{BLOBS}/{digest[:2]}/{digest}"


def numbered(log: str, number: int) -> str:
    """Where an entry of a log lies."""
    return f"{log}/{number:06d}.json"


def entry_numbers(names: Iterable[str]) -> list[int]:
    """The numbers of those of these names that are entries of a log, in order: 3 for `000003.json`."""
    return sorted(map(int, _ENTRIES.findall("\0".join(names))))


def is_digest(text: str) -> bool:
    """Whether this is a sha256 in lowercase hex."""
    return bool(_DIGEST.fullmatch(text))


def purge_note(client: str) -> str:
    """What says that the purge of a client was begun."""
    return f"{PURGES}/{client}.json"


def most_bytes(path: str) -> int:
    """The bytes that a file with this path may have, whatever a record says of it."""
    found = kind(path)
    if found == "index":
        return INDEX_BYTES.most
    small = found in ("marker", "record", "event", "tombstone", "signature") or (
        found == "work" and not path.startswith((TRASH, ".tmp"))
    )
    return LARGEST if small else WEIGHTS_BYTES.most


def filed(path: str) -> Filed | None:
    """What an entry of a log, or a signature, is and whose, by its path; None of all else."""
    found, parts = kind(path), path.split("/")
    if found == "signature":
        return Filed(found, "/".join(parts[1:4]), int(parts[5]), None)
    if found == "record" or found == "event" or found == "tombstone":
        number = int(parts[-1].removesuffix(".json"))
        return Filed(found, "/".join(parts[1:4]), number, parts[5] if found == "event" else None)
    return None


def version_of(path: str) -> tuple[str, int] | None:
    """Name and number of the version whose folder this is, or in whose folder it lies."""
    parts = path.split("/")
    if len(parts) < 5 or kind("/".join([*parts[:5], "file"])) != "folder":
        return None
    return "/".join(parts[1:4]), int(parts[4][1:])


def kind(path: str) -> Kind:
    """What a file in the hub is, by its path; a stranger where no file of the hub lies there."""
    match path.split("/"):
        case [file] if file == MARKER:
            return "marker"
        case [name] if name.startswith(INDEX):
            return "index"
        case [".tmp", *_]:
            return "work"
        case [folder, *_] if folder == ASIDE:
            return "work"
        case [folder, _] if folder in (PINS, TRASH, PURGES):
            return "work"
        case ["blobs", "sha256", folder, digest] if is_digest(digest) and digest[:2] == folder:
            return "blob"
        case [folder, client, campaign, task, *rest] if folder == ADAPTERS and all(
            map(is_part, (client, campaign, task))
        ):
            return _kind_at_home(rest)
    return "stranger"


def _kind_at_home(rest: list[str]) -> Kind:
    match rest:
        case [".records", file] if file == PART:
            return "work"
        case [".ids"]:
            return "work"
        case [".records", file] if _is_entry(file):
            return "record"
        case [".events", alias, file] if is_part(alias) and _is_entry(file):
            return "event"
        case [".tombstones", file] if _is_entry(file):
            return "tombstone"
        case [".signatures", number, file] if _NUMBER.fullmatch(number) and _SIGNATURE.fullmatch(file):
            return "signature"
        case [folder, *_] if folder[:1] == "v" and _NUMBER.fullmatch(folder[1:]):
            return "folder"
    return "stranger"


def _is_entry(file: str) -> bool:
    return bool(_ENTRY.fullmatch(file))
