"""What `benchmarks.soak` does to a hub beside its requests: publications, aliases, removals, collections, purges, harm
and mending, each followed by a look whether the hub kept its promises."""

import os
import random
from collections import Counter
from dataclasses import dataclass, field

from adapters import Base
from adapters.errors import AdapterError, RequestError
from adapters.format import WEIGHTS
from benchmarks.soak_requests import MOVING, TASKS, Shop, adapter
from hub import Hub, Registry
from hub.errors import Damaged, NotInHub
from hub.storage.layout import blob

_KEPT = 30
"""Versions of a name that stand at the same time."""


@dataclass
class Churn:
    """One thread's operations on a hub.

    Attributes:
        hub, registry, base, shop: as in the soak.
        stream: chance.
        done: operation -> how often it was done.
        wrong: promises that were broken.
    """

    hub: Hub
    registry: Registry
    base: Base
    shop: Shop
    stream: random.Random
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def step(self) -> None:
        """One operation, by chance."""
        operation = self.stream.choice(
            [self._publish] * 4
            + [self._alias] * 4
            + [self._rollback, self._remove, self._collect, self._purge, self._damage, self._move_about]
        )
        operation()
        self.done[operation.__name__.removeprefix("_")] += 1

    def mend(self) -> None:
        """Leave the hub as it should be, and see that it is."""
        for task in TASKS:
            self._heal(task)
        found = [str(each) for each in self.hub.verify().findings if each.level == "damage"]
        self.wrong += [f"damaged at the end: {each}" for each in found]

    def _publish(self) -> None:
        task = self.stream.choice(TASKS)
        name = f"moving/a0/{task}"
        seed = self.stream.choice(self.shop.contents[name])
        version = self.hub.publish(
            adapter(self.base, seed), name, publish_id=str(self.stream.getrandbits(64)), message="soak"
        )
        if self.hub.resolve(version.reference).digest != version.digest:
            self.wrong.append(f"{version.reference} was acknowledged and is another one")

    def _alias(self) -> None:
        name = f"moving/a0/{self.stream.choice(TASKS)}"
        version = self.stream.choice(self.hub.versions(name))
        self.hub.set_alias(name, "production", version.number, why="soak")
        if self.hub.resolve(f"{name}@production").number != version.number:
            self.wrong.append(f"{name}@production was set to {version.number} and means another one")

    def _rollback(self) -> None:
        name = f"moving/a0/{self.stream.choice(TASKS)}"
        try:
            self.hub.rollback(name)
        except NotInHub:
            return

    def _remove(self) -> None:
        name = f"moving/a0/{self.stream.choice(TASKS)}"
        aliased = self.hub.aliases(name).values()
        standing = [version for version in self.hub.versions(name) if version.number not in aliased]
        for version in standing[: max(1, len(standing) - _KEPT)] if len(standing) > MOVING else ():
            self.hub.remove(version.reference, why="soak")

    def _collect(self) -> None:
        self.hub.collect(grace=0.0)

    def _purge(self) -> None:
        """A client comes and is purged; the next one of this name begins at 1 again, with the same content."""
        for task in TASKS:
            (seed,) = self.shop.contents[f"gone/a0/{task}@1"]
            self.hub.publish(adapter(self.base, seed), f"gone/a0/{task}")
        self.hub.purge("gone")
        left = [name for name in self.hub.names() if name.startswith("gone/")]
        self.wrong += [f"{name} is left after its purge" for name in left]

    def _damage(self) -> None:
        """A flipped bit in a blob must be found, and be gone when it is published again and the hub is repaired."""
        task = self.stream.choice(TASKS)
        name = f"spoiled/a0/{task}"
        version = self.hub.resolve(f"{name}@1")
        folder = self.hub.storage.folder("")
        assert folder is not None
        path = folder / blob(version.record.file(WEIGHTS).sha256)
        data = bytearray(path.read_bytes())
        data[self.stream.randrange(len(data))] ^= 1 << self.stream.randrange(8)
        os.chmod(path, 0o644)
        path.write_bytes(data)
        os.chmod(path, 0o444)
        if self.hub.verify(name).sound:
            self.wrong.append(f"{name} was damaged, and verify says that it is sound")
        self.hub.repair()
        self._heal(task)
        if not self.hub.verify(name).sound:
            self.wrong.append(f"{name} was published again, and verify says that it is damaged")

    def _heal(self, task: str) -> None:
        (seed,) = self.shop.contents[f"spoiled/a0/{task}@1"]
        version = self.hub.publish(adapter(self.base, seed), f"spoiled/a0/{task}")
        if version.number > 1:
            self.hub.remove(version.reference)
        # The folder of @1 is of links to the damaged file still.
        self.hub.repair()
        try:
            self.hub.read(f"spoiled/a0/{task}@1")
        except Damaged as error:
            self.wrong.append(f"spoiled/a0/{task}@1 was published again and is still damaged: {error}")

    def _move_about(self) -> None:
        """Bring adapters in, pin them for a moment, and send them away."""
        one = self.stream.choice(self.shop.of("fixed", self.stream.choice(TASKS)))
        try:
            self.registry.load(one, pin=self.stream.random() < 0.5)
            self.registry.unpin(one)
            self.registry.unload(one)
        except (AdapterError, RequestError) as error:
            self.wrong.append(f"{one} could not be moved about: {error}")
