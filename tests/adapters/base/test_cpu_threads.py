"""The thread team of a Python thread that has computed, how many threads there are, and how idle ones wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.base import cpu_threads
from adapters.base.cpu_threads import RESTFUL, allowed_cpus, thread_settings
from tests.clock import LIMIT

_COUNT = """
import os, threading, time
import torch
from adapters.base.cpu_threads import hand_back_threads

def threads():
    return len(os.listdir("/proc/self/task"))

torch.set_num_threads(4)
counts = []

def compute():
    alone = threads()
    for hand_back in (False, True):
        x = torch.ones(1 << 20).exp()  # large enough for a team
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


def test_a_thread_hands_its_team_back_and_gets_another_when_it_computes() -> None:
    # A process of its own: pytest's has teams of other threads already.
    told = subprocess.run(
        [sys.executable, "-c", _COUNT], capture_output=True, text=True, check=True, timeout=LIMIT
    )
    held, left = map(int, told.stdout.split())
    assert (held, left) == (3, 0)


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


def test_what_a_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_threads, "usable_cpus", lambda: 8)
    monkeypatch.setattr(cpu_threads, "allowed_cpus", lambda: 2)
    assert thread_settings({}) == {**RESTFUL, "OMP_NUM_THREADS": "2"}
    assert thread_settings({"OMP_NUM_THREADS": "5"}) == RESTFUL
    for name in (*RESTFUL, "OMP_WAIT_POLICY"):
        assert thread_settings({name: "whatever", "OMP_NUM_THREADS": "1"}) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="what OpenMP has read is told by GNU's")
@pytest.mark.parametrize(("own", "read"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
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
