"""The thread team of a Python thread that has computed."""

import subprocess
import sys

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
