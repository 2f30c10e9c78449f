"""Workers on a real cluster who do light work: each piece of it is done once, whoever dies."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipes.errors import TrainingError
from tests.hub.fleet.nodes import Nodes

pytest.importorskip("ray")
import ray

from hub.fleet.connecting import NoCluster
from hub.fleet.crew import Crew, Died, NoWorker, OnRay, crew


class Clerk:
    """A worker that counts, fails and dies. starts: what happens when it is called first."""

    def __init__(self, starts: str = "") -> None:
        self._starts, self._told = starts, 0

    def ready(self) -> Iterator[None]:
        if self._starts == "dies":
            os._exit(1)
        if self._starts:
            raise TrainingError(self._starts)
        yield None

    def count(self, most: int) -> Iterator[int]:
        yield from (at for at in range(most))  # Ray sends to what it goes through

    def die_once(self, mark: Path) -> Iterator[str]:
        if not mark.exists():
            mark.touch()
            yield "begun"
            os._exit(1)
        yield "gone on"

    def die(self) -> Iterator[None]:
        os._exit(1)
        yield None

    def progress(self, kept: Path, deaths: int) -> Iterator[str]:
        """Keeps something before it dies."""
        if len(kept.read_text()) < deaths:
            kept.write_text(kept.read_text() + ".")
            os._exit(1)
        yield "done"

    def fail(self) -> Iterator[int]:
        yield 1
        raise TrainingError("it cannot be done")

    def who(self) -> Iterator[int]:
        yield os.getpid()


def all_told(hired: Crew) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for key, item in hired.told():
        found.setdefault(key, []).append(item)
    return found


def test_what_dies_is_replaced_and_its_work_is_done_by_another(
    nodes: Nodes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("")
    with crew(OnRay(nodes.address), Clerk) as hired:
        for at in range(4):
            hired.give(at, "count", at)
        hired.give("once", "die_once", tmp_path / "mark")
        hired.give("fails", "fail")
        found = all_told(hired)
        problem = found["fails"].pop()
        assert type(problem) is TrainingError and str(problem) == "it cannot be done"
        assert found == {1: [0], 2: [0, 1], 3: [0, 1, 2], "once": ["begun", "gone on"], "fails": [1]}
        assert "a worker has died" in capfd.readouterr().err
        hired.give("progress", "progress", kept, 4, mark=kept.read_text)
        hired.give("poison", "die")
        found = all_told(hired)
        assert found["progress"] == ["done"], "what goes on between its deaths is not given up"
        (problem,) = found["poison"]
        assert isinstance(problem, Died) and "3 workers have died over it" in str(problem)
        for at in range(6):
            hired.give(at, "who", near=at % 2)
        found = all_told(hired)
        assert found[0] == found[2] == found[4] and found[1] == found[3] == found[5], "what it has at hand"


def test_workers_that_cannot_start_end_it(nodes: Nodes) -> None:
    with crew(OnRay(nodes.address), Clerk, "no such base") as hired:
        hired.give(0, "who")
        with pytest.raises(TrainingError, match="no such base"):
            list(hired.told())
    with crew(OnRay(nodes.address), Clerk, "dies") as hired:
        hired.give(0, "who")
        with pytest.raises(NoWorker, match="3 workers have died one after another"):
            list(hired.told())


def test_where_no_cluster_is_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def no(**_: Any) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", no)
    with pytest.raises(NoCluster, match="nobody there; start one"), crew(OnRay("auto"), Clerk):
        pass
