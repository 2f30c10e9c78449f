"""What can befall a hub, as scenarios that count what came of it: tests run them short, `benchmarks/faults.py` long.

lost          an acknowledged version that is not there afterwards
torn          a version that is there, and cannot be read, or not by a plain listing of its folder once it is mended
duplicated    a publication that is there twice
stuck         a hub in which the publication that was cut short cannot be done again
"""

import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from adapters.errors import RepertoireError
from hub.catalogue.version import Version
from hub.errors import NoHub, NotInHub
from hub.hub import Hub
from tests.hub.power import Disk, PowerCut
from tests.hub.tiny import NAME, lora
from tests.killed import dies_at, killed_at


@dataclass
class Counts:
    """cases: how often the fault struck; survived: versions there afterwards, over all cases."""

    cases: int = 0
    survived: int = 0
    lost: int = 0
    torn: int = 0
    duplicated: int = 0
    stuck: int = 0

    def faults(self) -> dict[str, int]:
        """All that must be 0."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("cases", "survived")}

    def take(self, path: Path, acknowledged: Iterable[str], again: str | None = None) -> None:
        """Look at the hub that a fault left; `acknowledged` are publish ids that must be there, `again` one that is
        published once more."""
        self.cases += 1
        ids = self._look(path)
        self.lost += len(set(acknowledged) - set(ids))
        self.duplicated += len(ids) - len(set(ids))
        self.survived += len(ids)
        if again is not None:
            try:
                Hub(path).publish(lora(7), NAME, publish_id=again)
            except (RepertoireError, OSError):
                self.stuck += 1
            else:
                after = self._look(path)
                self.stuck += after.count(again) != 1 or len(after) != len(set(ids) | {again})

    def _look(self, path: Path) -> list[str]:
        try:
            hub = Hub(path, create=False)
            versions = hub.versions(NAME)
        except (NoHub, NotInHub):
            return []
        except (RepertoireError, OSError):
            self.torn += 1
            return []
        for version in versions:
            try:
                hub.read(version)
                folder = hub.project(version)
                assert folder is not None
                sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder)}
                self.torn += sizes != {file.name: file.size for file in version.record.files}
            except (RepertoireError, OSError):
                self.torn += 1
        return [version.record.publish_id for version in versions]


def killed_publications(root: Path, stops: Iterable[int]) -> Counts:
    """A publication beside an earlier one, killed at these stops of its system calls; ends where it was not reached."""
    before, counts = root / "before", Counts()
    Hub(before).publish(lora(0), NAME, publish_id="first")
    for stop in stops:
        path = root / "hub"
        shutil.copytree(before, path)
        killed = killed_at(stop, lambda: Hub(path).publish(lora(7), NAME, publish_id="second"))  # noqa: B023
        counts.take(path, ["first"] if killed else ["first", "second"], again="second")
        shutil.rmtree(path)
        if not killed:
            break
    return counts


def power_cuts(root: Path, seeds: Iterable[int], every: int = 1) -> Counts:
    """Power fails at each `every`-th call of two publications, the second into what the first left; `seeds`: what of
    the unsynced is kept."""
    counts, seeds = Counts(), list(seeds)
    at = 1
    while True:
        live = root / "live"
        live.mkdir()
        acknowledged = []
        with pytest.MonkeyPatch.context() as monkeypatch:
            disk = Disk(live, monkeypatch, at)
            try:
                for seed, publish_id in [(0, "first"), (7, "second")]:
                    Hub(live).publish(lora(seed), NAME, publish_id=publish_id)
                    acknowledged.append(publish_id)
                cut = False
            except PowerCut:
                cut = True
        for seed in seeds:
            found = root / "found"
            disk.after(found, seed)
            counts.take(found, acknowledged, again="second")
            shutil.rmtree(found)
        shutil.rmtree(live)
        if not cut:
            return counts
        at += every


def killed_publishers(root: Path, publishers: int, versions: int, seed: int, calls: int = 400) -> Counts:
    """Publishers at once, each of so many versions; each is killed after about so many calls into the operating system
    (a publication makes 70 to 100), and begins again where it does not know whether it was heard. cases: kills."""
    counts, chance = Counts(), random.Random(seed)
    path = root / "hub"
    Hub(root / "other").publish(lora(0), NAME)  # imports what the processes would each import
    Hub(path)
    works = [
        partial(_publish_all, path, worker, versions, root / f"told-{worker}") for worker in range(publishers)
    ]
    kills = _under_fire(works, [], chance, calls)
    told = _lines(root, "told")
    counts.take(path, told)
    assert len(set(told)) == publishers * versions
    counts.stuck += counts.survived != publishers * versions
    counts.cases = kills
    return counts


def killed_collectors(
    root: Path, publishers: int, versions: int, collectors: int = 2, seed: int = 0, calls: int = 600
) -> Counts:
    """Publishers of one name who publish equal bytes again and again and remove some versions, beside collectors that
    leave no grace and a client who shares those bytes and is purged again and again; each is killed after about so many
    calls into the operating system and started anew, for as long as versions are missing. cases: kills. What `verify`
    calls damage is torn; a blob that no collector takes is stuck."""
    counts, chance, path = Counts(), random.Random(seed), root / "hub"
    Hub(path).publish(
        lora(0), "globex/launch/recommendation"
    )  # imports, too, what the processes would each import
    works = [partial(_publish_and_remove, path, worker, versions, root) for worker in range(publishers)]
    beside = [*[partial(_collect_always, path)] * collectors, partial(_purge_always, path)]
    kills = _under_fire(works, beside, chance, calls)
    told, removed = set(_lines(root, "told")), set(_lines(root, "removing"))
    assert len(told) == publishers * versions
    after = Counts()
    for seen in (counts, after):  # as they left it, and when all that waited to be collected is gone
        seen.take(path, told - removed)
        seen.torn += sum(found.level == "damage" for found in Hub(path).verify().findings)
        Hub(path).purge("globex")
        Hub(path).collect(0)
    counts.lost, counts.torn = counts.lost + after.lost, counts.torn + after.torn
    counts.stuck += bool(Hub(path).verify().unneeded)
    counts.cases = kills
    return counts


def _under_fire(
    works: Sequence[Callable[[], None]],
    beside: Sequence[Callable[[], None]],
    chance: random.Random,
    calls: int,
) -> int:
    """Run all at once, each in a process that is killed after about so many calls and started again, until `works` are
    done. Returns how many were killed."""
    fork = multiprocessing.get_context("fork")

    def begin(work: Callable[[], None]) -> multiprocessing.process.BaseProcess:
        process = fork.Process(target=dies_at, args=(chance.randint(1, 2 * calls), work), daemon=True)
        process.start()
        return process

    kinds = dict(enumerate([*works, *beside]))
    running = {number: begin(work) for number, work in kinds.items()}
    kills = 0
    while any(number < len(works) for number in running):
        wait([process.sentinel for process in running.values()])
        for number, process in list(running.items()):
            ended = process.exitcode
            assert ended in (None, 0, -signal.SIGKILL), "a process failed by itself"
            if ended == 0:
                del running[number]
            elif ended is not None:
                kills += 1
                running[number] = begin(kinds[number])
    for process in running.values():
        process.kill()
        process.join()
    return kills


def _publish_and_remove(path: Path, worker: int, versions: int, root: Path) -> None:
    hub, chance = Hub(path), random.Random(worker)
    told, removing = root / f"told-{worker}", root / f"removing-{worker}"
    known = len(told.read_text().split()) if told.exists() else 0
    standing: list[Version] = []
    for index in range(known, versions):
        publish_id = f"{worker}-{index}"
        version = hub.publish(lora(index % 2), NAME, publish_id=publish_id)
        standing.append(version)
        for each in standing:
            hub.read(each)
        with open(told, "a") as file:
            file.write(publish_id + "\n")
        if chance.random() < 0.7:
            with open(removing, "a") as file:
                file.write(publish_id + "\n")
            hub.remove(standing.pop().reference)


def _collect_always(path: Path) -> None:
    while True:
        Hub(path).collect(0)


def _purge_always(path: Path) -> None:
    hub = Hub(path)
    while True:
        for seed in range(2):
            hub.read(hub.publish(lora(seed), "globex/launch/recommendation"))
        hub.purge("globex")


def _lines(root: Path, kind: str) -> list[str]:
    return [line for file in root.glob(f"{kind}-*") for line in file.read_text().split()]


def _publish_all(path: Path, worker: int, versions: int, told: Path) -> None:
    hub = Hub(path)
    known = len(told.read_text().split()) if told.exists() else 0
    for index in range(known, versions):
        publish_id = f"{worker}-{index}"
        hub.publish(lora(worker), NAME, publish_id=publish_id)
        with open(told, "a") as file:
            file.write(publish_id + "\n")
