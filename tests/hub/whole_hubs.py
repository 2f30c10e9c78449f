"""Whole hubs, drawn and then damaged: what must hold whatever lies in one. Tests run it short, benchmarks long.

A hub is drawn as a few steps (publish, alias, rollback, remove, sign, search, collect), then damaged in a few places:
files cut short, overwritten, swapped, lost, copied elsewhere, links, pipes and folders in their places, JSON that lies,
numbers without end, an index of another kind, parts of an older backup. Then everything that reads a hub is called, and
so is the watch of a registry that has seen it before. What must hold:

1. No error but one of ours, or of the operating system for a folder on the way that is none.
2. No more than a few looks for each file that lies there, so that nothing hangs.
3. What was acknowledged and not touched can be had, before and after a collection and a repair.
4. What is loaded has its recorded hash, and where the reader asks for a signature its very record was signed.
5. What is acknowledged after the damage is there, and a second repair finds nothing more to mend.
6. No number is given a second time while anything of an earlier version lies there, and no alias comes to mean another
   version by a publication.
7. What `verify` calls sound can be read, every version of it.
8. A registry that saw the hub before answers by what it means now, or says why not.
"""

import errno
import os
import random
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

from adapters.errors import RepertoireError
from adapters.format import WEIGHTS
from hub.catalogue.signing import PrivateKey, make_keys
from hub.catalogue.trust import Trust
from hub.hub import Hub
from hub.registry.following import Following
from hub.registry.held import Held
from hub.storage.layout import blob, log, numbered, projection, signatures, tombstones
from tests.hub.counting import Counted
from tests.hub.hub_damages import DAMAGES, NAMES, damage
from tests.hub.tiny import lora

ALIASES = ("production", "canary")
STEPS = ("publish", "publish", "publish", "alias", "alias", "rollback", "remove", "search", "collect")
_IN_THE_WAY = {errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EEXIST}
"""What the operating system may say: a link, or a file, lies where a folder of the hub has to be."""


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
    older = root.with_name("older")
    told = _build(root, older, plan)
    random_ = random.Random(repr(plan))
    seen = _following(Hub(root, create=False))
    done = "; ".join(damage(root, older, kind, random.Random(seed)) for kind, seed in plan.damages)
    trust = Trust("test", {"*": (key().public,)}) if plan.signed else None
    try:
        hub = Hub(root, create=False, trust=trust)
    except RepertoireError:
        return f"{done}; no hub"
    intact = [
        one for one, files in told.versions.items() if one not in told.removed and _intact(root, one, files)
    ]
    look = _Look(hub, told, done, seen)
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


def _following(hub: Hub) -> Following:
    """The watch of a registry that was asked for every name and alias; it looks only when it is told to."""
    following = Following(hub, lambda version: cast(None, hub.read(version)), cast(Held, _NothingHeld()))
    following.close()
    for reference in (
        f"{name}{alias}" for name in NAMES for alias in ("", *(f"@{each}" for each in ALIASES))
    ):
        try:
            following.version(reference)
        except RepertoireError:
            continue
    return following


class _NothingHeld:
    def move(self, reference: str, key: str | None) -> None:
        """Nothing moves along."""


def _build(root: Path, older: Path, plan: Plan) -> _Told:
    """older: becomes a copy of the hub from the middle of its steps."""
    hub, told = Hub(root), _Told()
    standing: list[str] = []
    for at, (kind, seed) in enumerate(plan.steps):
        draw = random.Random(seed)
        if at == len(plan.steps) // 2:
            shutil.copytree(root, older)
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
    seen: Following

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
        verified = self.call("verify", hub.verify)
        if verified is not None and verified.sound and hub.trust is None:
            self.had([each.reference for name in hub.names() for each in hub.versions(name)], "though sound")
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
        root = Path(self.hub.address)
        signs = key() if self.hub.trust is not None else None
        left = {
            number
            for number in range(1, 60)
            if any(os.path.lexists(root / each(name, number)) for each in (projection, signatures))
        }
        meant = {alias: self._meant(f"{name}@{alias}") for alias in ALIASES}
        made = self.call(
            "publish", lambda: self.hub.publish(lora(seed % 4), name, publish_id=f"after {seed}", key=signs)
        )
        after = {alias: self._meant(f"{name}@{alias}") for alias in ALIASES}
        assert meant == after, f"{self.done}: {made} changed what aliases mean: {meant} {after}"
        self.follows(name)
        if made is not None:
            assert made.number not in left, f"{self.done}: {made.reference} was given a second time"
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

    def follows(self, name: str) -> None:
        """What a registry answers by that saw the hub before the damage."""
        self.call("follow", lambda: self.seen.look(name))
        for text, entry in self.seen._all():
            if entry.reference.name == name and entry.behind is None:
                now, own = self._meant(text), entry.version
                known = None if own is None else own.record
                assert known == now, f"{self.done}: {text} is answered by {own} and means {now}"

    def _meant(self, reference: str) -> Any:
        version = self.call("resolve", lambda: self.hub.resolve(reference))
        return None if version is None else version.record


def _why(hub: Hub, reference: str) -> str:
    try:
        hub.read(reference)
    except Exception as error:
        return repr(error)
    return "it can be read now"
