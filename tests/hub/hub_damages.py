"""Ways to damage a whole hub: a kind and a seed each. `whole_hubs.py` draws them, and says what must hold then."""

import json
import os
import random
import shutil
import stat
from pathlib import Path
from typing import Any

from hub.catalogue import tables
from hub.storage.layout import BLOBS, alias_logs, home, log, signatures, tombstones

NAMES = ("acme/spring/recommendation", "acme/spring/behavior", "globex/launch/recommendation")
ALIASES = ("production", "canary")
DAMAGES = (
    "cut",
    "garbage",
    "empty",
    "swap",
    "lose",
    "copy",
    "beyond",
    "lie",
    "lie",
    "hostile",
    "link",
    "loop",
    "pipe",
    "folder",
    "large",
    "in place",
    "lose folder",
    "link folder",
    "file for folder",
    "index",
    "plant",
    "bring back",
    "bring back",
    "bring back over",
)
HOSTILE: tuple[bytes, ...] = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"\xff\xfe\x00",
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b"9" * 5000,
    b'{"version": 1e999}',
    b'{"format": 1, "id": {}, "origin": 5}',
    b'{"log": 5, "digests": 5}',
    b'{"log": "adapters/acme/spring/behavior/.records", "digests": ["../../hub.json", 7, null]}',
    b'{"digests": [["x"], 5]}',
    json.dumps({"version": 1, "who": [], "when": "now", "why": {}}).encode(),
    json.dumps({"version": 1, "who": "a", "when": "9999-12-31T23:59:59-23:59", "why": ""}).encode(),
    json.dumps({"version": 1, "who": "a", "when": "0001-01-01T00:00:00+23:59", "why": ""}).encode(),
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "\ud800",
    "x" * 10_000,
    "../../../hub.json",
    "a\x00b",
    [],
    {},
    [[]],
    {"": {}},
    [{"name": "adapter_config.json"}],
    "9999-12-31T23:59:59-23:59",
    "1-01-01",
)
PLANTED = (
    ".pins/1790000000.25-5f3a9c01.json",
    ".pins/x.json",
    ".pins/nan-1.json",
    ".trash/1790000000.25-5f3a9c01-" + "ab" * 32,
    ".trash/nan-5f3a9c01-" + "ab" * 32,
    ".trash/thrown by hand",
    ".purge/acme.json",
    ".purge/NO CLIENT.json",
    ".aside/adapters/acme/x",
    ".tmp/half",
    "hub.json.bak",
    f"{log(NAMES[0])}/000050.json",
    f"{log(NAMES[0])}/999999999.json",
    f"{log(NAMES[1])}/000002.json",
    f"{tombstones(NAMES[0])}/000001.json",
    f"{tombstones(NAMES[0])}/000007.json",
    f"adapters/{NAMES[0]}/.events/production/000040.json",
    f"adapters/{NAMES[0]}/.events/odd alias/000001.json",
    f"adapters/{NAMES[0]}/.ids",
    f"adapters/{NAMES[0]}/v000009/adapter_config.json",
    f"{signatures(NAMES[0], 1)}/{'ab' * 32}.json",
    "adapters/acme/spring/new/.records/000001.json",
    "adapters/stray",
    "blobs/sha256/00/" + "00" * 32,
)


def damage(root: Path, older: Path, kind: str, draw: random.Random) -> str:
    """Damage a hub. older: a copy of it from before, from which parts are brought back. Returns what was done."""
    files = sorted(path for path in root.rglob("*") if not path.is_dir() and ".tmp" not in path.parts)
    folders = sorted(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())
    if not files or not folders:
        return f"{kind}: nothing left"
    # Small files decide what a hub is; of the many others one in three.
    small = [path for path in files if path.suffix == ".json" or path.name == ".ids"]
    path = draw.choice(small if small and draw.random() < 0.7 else files)
    folder = draw.choice(folders)
    data = _bytes(path)
    where = path
    match kind:
        case "cut":
            _put(path, data[: draw.randrange(len(data) + 1)])
        case "garbage":
            _put(path, draw.randbytes(draw.choice([1, 100, len(data)])))
        case "empty":
            _put(path, b"")
        case "swap":
            other = draw.choice(files)
            theirs = _bytes(other)
            _put(path, theirs)
            _put(other, data)
        case "lose":
            path.unlink()
        case "copy" | "beyond":
            number = draw.choice([1, 2, 3, 4, 7, 50, 999_999_999]) if kind == "beyond" else None
            where = path.with_name(f"{number:06d}.json") if number else draw.choice(folders) / path.name
            _put(where, data)
        case "lie":
            _put(path, _lie(data, draw))
        case "hostile":
            _put(path, draw.choice(HOSTILE))
        case "link":
            _clear(path)
            path.symlink_to(draw.choice(["/etc/hostname", "/dev/zero", "nowhere", str(draw.choice(files))]))
        case "loop":
            _clear(path)
            path.symlink_to(path.name)
        case "pipe":
            _clear(path)
            os.mkfifo(path)
        case "folder":
            _clear(path)
            path.mkdir()
            (path / "inside").write_bytes(data)
        case "large":
            _put(path, data)
            path.chmod(0o644)
            os.truncate(path, 17 << 20 if ".trash" in path.parts else draw.choice([17 << 20, 1 << 36]))
        case "in place":
            if data:
                path.chmod(0o644)
                path.write_bytes(draw.randbytes(len(data)))
        case "lose folder":
            shutil.rmtree(where := folder)
        case "link folder":
            shutil.rmtree(where := folder)
            folder.symlink_to(draw.choice(folders))
        case "file for folder":
            shutil.rmtree(where := folder)
            folder.write_bytes(data)
        case "bring back" | "bring back over":
            where = root / draw.choice(_parts())
            if _reachable(root, where / "inside"):
                bring_back(root, older, where.relative_to(root), over=kind.endswith("over"))
        case "index":
            where = root / "index.sqlite"
            _put(where, _index(root, draw))
        case "plant":
            where = root / draw.choice(PLANTED)
            if _reachable(root, where):
                _put(where, draw.choice([*HOSTILE, _lie(data, draw)]))
    return f"{kind} {where.relative_to(root)}"


def _parts() -> list[str]:
    """What a backup is brought back in part by."""
    logs = [each(name) for name in NAMES for each in (home, log, tombstones, alias_logs, _signatures)]
    return [*logs, *logs, BLOBS, "blobs", "adapters", ".trash", "index.sqlite", "hub.json", "."]


def _signatures(name: str) -> str:
    return f"{home(name)}/.signatures"


def bring_back(root: Path, older: Path, part: Path, over: bool) -> None:
    """Let a part of a hub be what it was in an older copy. over: what is newer stays beside it."""
    source, target = older / part, root / part
    if not over:
        _clear(target)
    if source.is_dir():
        files = sorted(path for path in source.rglob("*") if path.is_file())
    else:
        files = [source] if source.is_file() else []
    for path in files:
        there = root / path.relative_to(older)
        if _reachable(root, there):
            _put(there, path.read_bytes())


def _bytes(path: Path) -> bytes:
    """Of a regular file; a sparse one is not read to its end."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return b""
    with path.open("rb") as file:
        return file.read(1 << 20)


def _put(path: Path, data: bytes) -> None:
    """Other bytes in this place; a file that shared them keeps its own."""
    _clear(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _reachable(root: Path, path: Path) -> bool:
    """Whether what is planted there lands in the hub: no file and no link stands in the way."""
    above = [parent for parent in path.parents if parent.is_relative_to(root)]
    return all(not parent.is_symlink() and (parent.is_dir() or not parent.exists()) for parent in above)


def _lie(data: bytes, draw: random.Random) -> bytes:
    """The same JSON with another value somewhere in it, or without it."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return draw.choice(HOSTILE)
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key_, inner in items:
            places.append((value, key_))
            walk(inner)

    walk(told)
    if not places:
        return draw.choice(HOSTILE)
    holder, at = draw.choice(places)
    if draw.random() < 0.2:
        del holder[at]
    elif isinstance(holder[at], int) and draw.random() < 0.5:
        holder[at] += draw.choice([-2, -1, 1, 2, 10**9])
    else:
        holder[at] = draw.choice(VALUES)
    return json.dumps(told).encode("utf-8", "surrogatepass")


def _index(root: Path, draw: random.Random) -> bytes:
    """An index that is none, of another hub, from the future, held by somebody, or made to be run."""
    kind = draw.randrange(6)
    if kind == 0:
        return draw.choice(HOSTILE)
    if kind == 1:
        return bytes(tables.image_of(tables.make("another")))
    id = "none"
    try:
        id = str(json.loads((root / "hub.json").read_bytes())["id"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        kind = 5
    db = tables.make(id)
    if kind == 2:
        db.execute("UPDATE about SET format = 99")
    elif kind == 3:
        db.executescript("DROP TABLE name; CREATE VIEW name AS SELECT 1 AS id, load_extension('x') AS name")
    elif kind == 4:
        found = (
            tables.opened(_bytes(root / "index.sqlite"), id) if (root / "index.sqlite").is_file() else None
        )
        db = found or db
        lies = (
            "name SET tombstones = '{'",
            "name SET events = '[5]'",
            "name SET last = 'x'",
            "base SET base = '{'",
        )
        db.execute(f"UPDATE {draw.choice(lies)}")
        db.execute("UPDATE folder SET stamp = stamp || ?", (draw.choice(["", "x"]),))
    else:
        db.execute("CREATE TRIGGER t AFTER INSERT ON folder BEGIN DELETE FROM about; END")
    image = bytes(tables.image_of(db))
    return image if kind != 5 else image[: len(image) // 2] + image[: len(image) // 2]
