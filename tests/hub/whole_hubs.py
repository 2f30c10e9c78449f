"""Whole hubs, drawn and then damaged: what must hold whatever lies in one. Tests run it short, benchmarks long.

A hub is drawn as a few steps (publish, alias, rollback, remove, sign, search, collect), then damaged in a few places:
files cut short, overwritten, swapped, lost, copied elsewhere, links, pipes and folders in their places, JSON that lies,
numbers without end, an index of another kind. Then everything that reads a hub is called. What must hold:

1. No error but one of ours, or of the operating system for a folder on the way that is none.
2. No more than a few looks for each file that lies there, so that nothing hangs.
3. What was acknowledged and not touched can be had, before and after a collection and a repair.
4. What is loaded has its recorded hash, and where the reader asks for a signature its very record was signed.
5. What is acknowledged after the damage is there, and a second repair finds nothing more to mend.
"""

import errno
import json
import os
import random
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from adapters.errors import RepertoireError
from adapters.format import WEIGHTS
from hub.catalogue import tables
from hub.catalogue.signing import PrivateKey, make_keys
from hub.catalogue.trust import Trust
from hub.hub import Hub
from hub.storage.layout import blob, log, numbered, signatures, tombstones
from tests.hub.counting import Counted
from tests.hub.tiny import lora

NAMES = ("acme/spring/recommendation", "acme/spring/behavior", "globex/launch/recommendation")
ALIASES = ("production", "canary")
STEPS = ("publish", "publish", "publish", "alias", "alias", "rollback", "remove", "search", "collect")
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
_IN_THE_WAY = {errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EEXIST}
"""What the operating system may say: a link, or a file, lies where a folder of the hub has to be."""
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


@dataclass(frozen=True)
class Plan:
    """What is done, and what is damaged: a kind and a seed each. signed: whether all is signed, and the reader asks."""

    steps: tuple[tuple[str, int], ...]
    damages: tuple[tuple[str, int], ...]
    signed: bool


def plans(steps: int = 9, damages: int = 4) -> st.SearchStrategy[Plan]:
    """Hubs of a few versions, damaged in a few places."""
    seeds = st.integers(0, 2**32 - 1)
    return st.builds(
        Plan,
        st.lists(st.tuples(st.sampled_from(STEPS), seeds), min_size=2, max_size=steps).map(tuple),
        st.lists(st.tuples(st.sampled_from(DAMAGES), seeds), min_size=1, max_size=damages).map(tuple),
        st.booleans(),
    )


@cache
def key() -> PrivateKey:
    """Made once: it takes longer than a hub."""
    stem = Path(tempfile.mkdtemp(), "acme")
    make_keys(stem)
    return PrivateKey(stem.with_suffix(".pem"))


@dataclass
class _Told:
    """What the hub acknowledged. versions: reference -> record and blobs, path -> content. removed: references."""

    versions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    weights: set[str] = field(default_factory=set)


def examine(root: Path, plan: Plan) -> str:
    """Draw, damage and look. Returns what was damaged; raises AssertionError where something does not hold."""
    told = _build(root, plan)
    random_ = random.Random(repr(plan))
    done = "; ".join(_damage(root, kind, random.Random(seed)) for kind, seed in plan.damages)
    trust = Trust("test", {"*": (key().public,)}) if plan.signed else None
    try:
        hub = Hub(root, create=False, trust=trust)
    except RepertoireError:
        return f"{done}; no hub"
    intact = [
        one for one, files in told.versions.items() if one not in told.removed and _intact(root, one, files)
    ]
    look = _Look(hub, told, done)
    look.all()
    look.had(intact, "as it lies")
    for name in NAMES:
        look.publishes(name, random_.randrange(6))
    look.had(intact, "after publishing")
    look.call("gc", lambda: hub.collect(0))
    look.had(intact, "after gc")
    look.call("repair, dry", lambda: hub.repair(dry_run=True))
    look.call("repair", hub.repair)
    again = look.call("repair again", hub.repair)
    assert again is None or not [path for path in again.mended if path != "index.sqlite"], (
        f"{done}: {again.mended}"
    )
    look.all()
    look.had(intact, "after repair")
    return done


def _build(root: Path, plan: Plan) -> _Told:
    hub, told = Hub(root), _Told()
    standing: list[str] = []
    for kind, seed in plan.steps:
        draw = random.Random(seed)
        name = draw.choice(NAMES)
        of_name = [one for one in standing if one.startswith(f"{name}@")]
        number = int(draw.choice(of_name).split("@")[1]) if of_name else 0
        if kind == "publish" or not of_name:
            id = f"id {seed}" if draw.random() < 0.5 else None
            made = hub.publish(
                lora(draw.randrange(4)), name, publish_id=id, key=key() if plan.signed else None
            )
            if made.reference not in standing:
                standing.append(made.reference)
            told.weights.add(made.record.file(WEIGHTS).sha256)
            paths = [numbered(log(name), made.number), *(blob(file.sha256) for file in made.record.files)]
            paths += [f"{signatures(name, made.number)}/{key().public.id}.json"] if plan.signed else []
            told.versions[made.reference] = {path: (root / path).read_bytes() for path in paths}
        elif kind == "alias":
            hub.set_alias(name, draw.choice(ALIASES), number)
        elif kind == "search":
            hub.search()
        elif kind == "collect":
            hub.collect(0)
        else:
            try:
                if kind == "rollback":
                    hub.rollback(name, draw.choice(ALIASES))
                else:
                    hub.remove(f"{name}@{number}")
                    standing.remove(f"{name}@{number}")
                    told.removed.add(f"{name}@{number}")
            except RepertoireError:  # nothing to go back to, or an alias means it
                continue
    return told


def _damage(root: Path, kind: str, draw: random.Random) -> str:
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
        case "index":
            where = root / "index.sqlite"
            _put(where, _index(root, draw))
        case "plant":
            where = root / draw.choice(PLANTED)
            if _reachable(root, where):
                _put(where, draw.choice([*HOSTILE, _lie(data, draw)]))
    return f"{kind} {where.relative_to(root)}"


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


def _intact(root: Path, reference: str, files: dict[str, bytes]) -> bool:
    """Whether nothing that makes this version was touched, nor the ways to it."""
    name, number = reference.split("@")
    grave = root / numbered(tombstones(name), int(number))
    if os.path.lexists(grave):
        return False
    for path, data in files.items():
        file = root / path
        if any(parent.is_symlink() for parent in file.parents if parent.is_relative_to(root)):
            return False
        try:
            status = file.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_size != len(data) or file.read_bytes() != data:
                return False
        except OSError:
            return False
    return not any(parent.is_symlink() for parent in grave.parents)


@dataclass
class _Look:
    """Everything that reads a hub, held to the promises above."""

    hub: Hub
    told: _Told
    done: str

    def call(self, what: str, call: Callable[[], Any]) -> Any:
        """Its answer; None where it refused."""
        root = Path(self.hub.address)
        there = sum(1 for _ in root.rglob("*"))
        with Counted() as counted:
            try:
                answer = call()
            except RepertoireError:
                answer = None
            except OSError as error:
                assert error.errno in _IN_THE_WAY, f"{self.done}: {what}: {error!r}"
                answer = None
            except Exception as error:
                raise AssertionError(f"{self.done}: {what}: {error!r}") from error
        looks = len(counted.read) + len(counted.listed)
        assert looks <= 60 * (there + 20), f"{self.done}: {what} looked {looks} times at {there} files"
        return answer

    def all(self) -> None:
        """What a person or a registry asks."""
        hub = self.hub
        self.call("verify", hub.verify)
        self.call("names", hub.names)
        self.call("search", lambda: hub.search(all_versions=True, removed=True))
        self.call("list", hub.list)
        for name in NAMES:
            self.call("versions", lambda name=name: hub.versions(name))
            self.call("page", lambda name=name: hub.versions(name, 2, before=3))
            self.call("history", lambda name=name: hub.history(name))
            self.call("aliases", lambda name=name: hub.aliases(name))
            for reference in (
                name,
                *(f"{name}@{alias}" for alias in ALIASES),
                *(f"{name}@{n}" for n in (1, 2, 50)),
            ):
                version = self.call("resolve", lambda reference=reference: hub.resolve(reference))
                if version is None:
                    continue
                self.call("signatures", lambda version=version: hub.signatures(version))
                adapter = self.call("read", lambda version=version: hub.read(version))
                if adapter is not None:
                    found = version.record.file(WEIGHTS).sha256
                    assert found in self.told.weights, f"{self.done}: loaded what nobody published"
                    record = (Path(hub.address) / numbered(log(version.name), version.number)).read_bytes()
                    known = self.told.versions.get(version.reference, {}).get(
                        numbered(log(version.name), version.number)
                    )
                    assert hub.trust is None or record == known, f"{self.done}: loaded a record nobody signed"

    def had(self, references: list[str], when: str) -> None:
        """What was acknowledged and is intact can be read."""
        for reference in references:
            adapter = self.call("read what is intact", lambda reference=reference: self.hub.read(reference))
            assert adapter is not None, (
                f"{self.done}: {reference} is lost {when}: {_why(self.hub, reference)}"
            )

    def publishes(self, name: str, seed: int) -> None:
        """What is acknowledged is there."""
        signs = key() if self.hub.trust is not None else None
        made = self.call(
            "publish", lambda: self.hub.publish(lora(seed % 4), name, publish_id=f"after {seed}", key=signs)
        )
        if made is not None:
            self.told.weights.add(made.record.file(WEIGHTS).sha256)
            record = numbered(log(name), made.number)
            self.told.versions.setdefault(made.reference, {})[record] = (
                Path(self.hub.address) / record
            ).read_bytes()
            self.had([made.reference], "after it was published")
            newest = self.call("resolve", lambda: self.hub.resolve(name))
            assert newest is not None and newest.number >= made.number, (
                f"{self.done}: {made.reference} is not latest"
            )


def _why(hub: Hub, reference: str) -> str:
    try:
        hub.read(reference)
    except Exception as error:
        return repr(error)
    return "it can be read now"
