"""The thread team of a Python thread that has computed, how many threads there are, and how idle ones wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.base import cpu_threads
from adapters.base.core_watch import Waiting
from adapters.base.cpu_threads import _WAITING, RESTFUL, allowed_cpus, pressure, thread_settings, usable_cpus
from tests.clock import LIMIT

_COUNT = """
import os, threading, time
{first}
import torch
from adapters.base.cpu_threads import crowd_threads, hand_back_threads, usable_cpus

def threads():
    return len(os.listdir("/proc/self/task"))

torch.set_num_threads({own})
counts = []

def compute():
    alone = threads()
    for hand_back in (False, True):
        x = torch.ones(1 << 20).exp()  # large enough for a team
        if {crowds}:
            crowd_threads()
        if hand_back:
            hand_back_threads()
            while threads() > alone:  # the kernel lists a thread for a moment after it has ended
                time.sleep(0.001)
        counts.append(threads() - alone)
    assert torch.ones(1 << 20).exp().sum() == x.sum()  # computing goes on with a new team

worker = threading.Thread(target=compute)
worker.start()
worker.join()
print(*counts)
"""


def counted(first: str = "", own: int = 4, crowds: bool = False) -> tuple[int, int]:
    """Threads that a thread that computes has beside itself, and those that are left when it has handed them back. In a
    process of its own: pytest's has teams of other threads already."""
    code = _COUNT.replace("{first}", first).replace("{own}", str(own)).replace("{crowds}", str(crowds))
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT
    )
    held, left = map(int, told.stdout.split())
    return held, left


def test_a_thread_hands_its_team_back_and_gets_another_when_it_computes() -> None:
    assert counted() == (3, 0)


def test_the_team_is_found_also_where_another_package_brings_an_openmp_of_its_own() -> None:
    pytest.importorskip("sklearn")
    assert counted(first="import sklearn.metrics") == (3, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other OpenMP libraries")
def test_a_thread_that_crowds_the_others_has_a_team_as_large_as_the_machine() -> None:
    assert counted(own=1, crowds=True) == (usable_cpus() - 1, 0)


def test_idle_threads_rest_as_soon_as_cores_are_wanted_and_spin_when_they_are_free_for_a_while() -> None:
    waiting = Waiting()
    assert not any(waiting.saw(share) for share in (0.0, 0.02, 0.1, 0.2))
    assert waiting.saw(0.5) and waiting.saw(0.33)
    assert [waiting.saw(share) for share in (0.04, 0.04, 0.04, 0.2)] == [True] * 4, "not free for long enough"
    assert [waiting.saw(0.04) for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("told", "microseconds"),
    [
        ("some avg10=1.46 avg60=0.5 avg300=0.24 total=857961171\nfull avg10=0 total=7\n", 857961171),
        ("some avg10=0.00\n", None),
        ("", None),
    ],
)
def test_what_linux_says_of_pressure(told: str, microseconds: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text(told)
    assert pressure(tmp_path / "cpu") == microseconds
    assert pressure(tmp_path / "absent") is None


_WATCH = """
import logging, os, sys, threading
from adapters.base import core_watch, settle_threads
if {settles}:
    settle_threads()
import torch
torch.set_num_threads(2)
turns = iter([0, 250_000, 500_000, *[500_000] * 8])
ended = threading.Event()
seen = []
core_watch.time.sleep = lambda seconds: None
clock = iter(range(0, 10**6))
core_watch.time.monotonic = lambda: next(clock) / 4
def pressure():
    found = next(turns, None)
    if found is None:
        ended.set()
        threading.Event().wait()
    return found
core_watch.pressure = pressure
core_watch.crowd_threads = lambda: seen.append("rest")
core_watch.hand_back_threads = lambda: seen.append("spin")
core_watch.watch_cores()
began = any(each.name == "core-watch" for each in threading.enumerate())
{waits}
print(began, *seen)
"""


@pytest.mark.skipif(not cpu_threads._can_watch(), reason="this system does not tell who waits for our cores")
@pytest.mark.parametrize(
    ("settles", "own", "found"),
    [
        (True, {}, "True rest spin"),
        (False, {}, "False"),
        (True, {"GOMP_SPINCOUNT": "7"}, "False"),
        (True, {"KMP_BLOCKTIME": "1", "REPERTOIRE_THREADS": "1"}, "True rest spin"),  # of a parent of ours
    ],
)
def test_cores_are_watched_where_that_was_asked_for_and_nothing_else_was_set(
    settles: bool, own: dict[str, str], found: str
) -> None:
    waits = f"ended.wait({LIMIT})" if "rest" in found else ""
    code = _WATCH.replace("{settles}", str(settles)).replace("{waits}", waits)
    plain = {name: value for name, value in os.environ.items() if name not in _WAITING}
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=plain | own,
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    assert told.stdout.strip() == found


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/docker/of-the-host\n", {"cpu.max": "50000 100000\n"}, 1),
        ("5:cpuset:/\n4:cpu,cpuacct:/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
         "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 4),
        ("1:cpu:/a\n0::/\n", {"cpu/a/cpu.cfs_quota_us": "250000", "cpu/a/cpu.cfs_period_us": "100000"}, 3),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "9900000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("0::/\n", {"cpu.max": "nonsense"}, 8),
        ("", {}, 8),
    ],
)  # fmt: skip
def test_a_containers_quota_says_how_many_cores_there_are(
    groups: str, files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_threads, "usable_cpus", lambda: 8)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        (tmp_path / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / name).write_text(text)
    assert allowed_cpus(tmp_path) == cores


@pytest.mark.parametrize(
    ("told", "cores", "allowed", "watched"),
    [(None, 8, 8, False), (12345, 8, 8, True), (12345, 8, 2, False), (12345, 64, 64, False)],
)
def test_what_a_user_has_set_stays(
    told: int | None, cores: int, allowed: int, watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_threads.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(cpu_threads, "usable_cpus", lambda: cores)
    monkeypatch.setattr(cpu_threads, "allowed_cpus", lambda: allowed)
    monkeypatch.setattr(cpu_threads, "pressure", lambda: told)
    own = {name: value for name, value in RESTFUL.items() if not (watched and name == "GOMP_SPINCOUNT")}
    number = {"OMP_NUM_THREADS": str(allowed)} if allowed < cores else {}
    assert thread_settings({}) == own | number
    assert thread_settings({"OMP_NUM_THREADS": "5"}) == own
    for name in (*RESTFUL, "OMP_WAIT_POLICY"):
        assert thread_settings({name: "whatever", "OMP_NUM_THREADS": "1"}) == {}
    assert thread_settings({**RESTFUL, "REPERTOIRE_THREADS": "1"}) == own | number, "a parent's, not a user's"


def test_before_torch_there_is_nothing_to_hand_back() -> None:
    code = "from adapters.base import hand_back_threads; hand_back_threads()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT)


@pytest.mark.skipif(sys.platform != "linux", reason="what OpenMP has read is told by GNU's")
@pytest.mark.parametrize(
    ("own", "read"),
    [({}, "300000" if cpu_threads._can_watch() else "1000"), ({"GOMP_SPINCOUNT": "7"}, "7")],
)
def test_the_command_line_sets_it_before_openmp_reads_it(own: dict[str, str], read: str) -> None:
    """GNU's OpenMP says what it works with when it is loaded."""
    told = {name: value for name, value in os.environ.items() if name not in RESTFUL} | own
    done = subprocess.run(
        [sys.executable, "-c", "from hub.cli import main; main(['doctor', '--json'])"],
        env=told | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert f"GOMP_SPINCOUNT = '{read}'" in done.stderr
