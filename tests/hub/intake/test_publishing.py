"""Stopped at any instant, beside any number of others, the hub holds whole versions and nothing else."""

import multiprocessing
import os
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from hub.errors import NotInHub
from hub.hub import Hub
from tests.hub.mortal import Killed, Mortal
from tests.hub.tiny import NAME, lora
from tests.killed import dies_at


def whole(path: Path) -> list[int]:
    """Version numbers; each is read and checked, and so is its folder once it was made again."""
    hub = Hub(path, create=False)
    try:
        versions = hub.versions(NAME)
    except NotInHub:
        assert hub.names() == ()
        return []
    for version in versions:
        assert hub.read(version).method == lora().method
        for file in version.record.files:
            assert (hub.project(version) / file.name).stat().st_size == file.size
    assert [found.reference for found in hub.search(all_versions=True)] == [v.reference for v in versions]
    return [version.number for version in versions]


def test_killed_at_every_call_a_publication_is_whole_or_was_not(tmp_path: Path) -> None:
    before = tmp_path / "before"
    Hub(before).publish(lora(0), NAME)
    outcomes = []
    for at in range(1, 300):
        path = tmp_path / "hub"
        shutil.copytree(before, path)
        with pytest.MonkeyPatch.context() as monkeypatch:
            mortal = Mortal(monkeypatch, at)
            try:
                Hub(path).publish(lora(1), NAME, publish_id="job")
                died = False
            except Killed:
                died = True
        survived = whole(path)
        assert survived in ([1], [1, 2])
        outcomes.append(len(survived))
        assert Hub(path).publish(lora(1), NAME, publish_id="job").number == 2
        assert whole(path) == [1, 2]
        shutil.rmtree(path)
        if not died:
            break
    assert not died and mortal.calls > 30
    assert outcomes == sorted(outcomes), "once the version is there, no later death takes it away"
    assert {1, 2} == set(outcomes)


def test_killed_at_every_call_a_new_hub_is_whole_or_can_be_made(tmp_path: Path) -> None:
    for at in range(1, 300):
        path = tmp_path / f"hub-{at}"
        with pytest.MonkeyPatch.context() as monkeypatch:
            Mortal(monkeypatch, at)
            try:
                Hub(path)
                died = False
            except Killed:
                died = True
        assert Hub(path).publish(lora(), NAME).number == 1
        if not died:
            return
    raise AssertionError("making a hub never came to its end")


def publish_many(path: str, worker: int, count: int) -> None:
    hub = Hub(path)
    for index in range(count):
        hub.publish(lora(worker), NAME, publish_id=f"{worker}-{index}")


def test_four_publishers_at_once_share_the_numbers(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=publish_many, args=(str(tmp_path / "hub"), worker, 10)) for worker in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert whole(tmp_path / "hub") == list(range(1, 41))
    ids = [version.record.publish_id for version in Hub(tmp_path / "hub").versions(NAME)]
    assert sorted(ids) == sorted(f"{worker}-{index}" for worker in range(4) for index in range(10))


def same_again(path: str) -> None:
    Hub(path).publish(lora(), NAME, publish_id="one")


def test_one_id_published_by_many_at_once_is_one_version(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=same_again, args=(str(tmp_path / "hub"),)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert whole(tmp_path / "hub") == [1]


def publish_and_tell(path: str, worker: int, told: int) -> None:
    hub = Hub(path)
    index = 0
    while True:
        hub.publish(lora(worker), NAME, publish_id=f"{worker}-{index}")
        os.write(told, f"{worker}-{index}\n".encode())
        index += 1


def test_killed_for_real_no_acknowledged_version_is_lost(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    told = os.open(tmp_path / "acknowledged", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    path = str(tmp_path / "hub")
    Hub(tmp_path / "other").publish(lora(), NAME)  # imports what the processes would each import
    for kill in range(12):
        works = [partial(publish_and_tell, path, 2 * kill + n, told) for n in range(2)]
        lives = (30 + 37 * kill, 47 + 29 * kill)  # calls into the operating system
        workers = [fork.Process(target=dies_at, args=each) for each in zip(lives, works, strict=True)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [-signal.SIGKILL] * 2
    os.close(told)
    numbers = whole(tmp_path / "hub")
    assert numbers == list(range(1, len(numbers) + 1))
    ids = [version.record.publish_id for version in Hub(path).versions(NAME)]
    assert len(ids) == len(set(ids)), "no version twice"
    acknowledged = (tmp_path / "acknowledged").read_text().splitlines()
    assert acknowledged and set(acknowledged) <= set(ids), "no version lost"
