"""A night of 24 small jobs on one machine, and by two workers on a Ray cluster: `python -m benchmarks.nights`.

    one machine      the command, one thread
    two workers      the command with --ray and --workers 2, a thread each, on two nodes
    killed           the same; workers are killed by SIGKILL three times, and the command itself once and resumed

Both nodes are processes of this machine, so that the two workers have what cores it has left; the seconds say little
where others use them. Each way publishes to a hub of its own; its adapters are compared bit by bit with those of one
machine, and counted in the hub.

    python -m benchmarks.nights --budget 20     begins nothing after 20 minutes; the same command goes on
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter, sleep
from typing import Any

import torch
import yaml

from adapters import read
from benchmarks.measure import all_parts, machine, now, versions
from hub import Hub

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "nights.json"
FOLDER = ROOT / "build" / "benchmarks" / "nights"
JOBS, ROWS, ROUNDS, KILLS = 24, (40, 90), 1, 3
WAYS = ("one machine", "two workers", "killed")


def main() -> int:
    """Run what is left of all rounds, and write the result when all are there; 1 where something was lost."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--budget", type=float, default=30.0, metavar="MINUTES")
    until = monotonic() + 60 * options.parse_args().budget
    about = machine()
    wanted = {f"{way}, {at}": partial(night, way, at) for at in range(ROUNDS) for way in WAYS}
    made = all_parts(wanted, FOLDER / "parts.json", until)
    if made is None:
        return 0
    for at in range(ROUNDS):
        for way in WAYS:
            made[f"{way}, {at}"] |= counted(way, at)
    result = {
        "benchmark": "nights",
        "command": "python -m benchmarks.nights",
        "shape": {"jobs": JOBS, "rows": ROWS, "base": "starter, fp32", "workers": 2, "rounds": ROUNDS},
        "adapters with the bits of one machine": {
            way: f"{sum(made[f'{way}, {at}']['equal'] for at in range(ROUNDS))} of {JOBS * ROUNDS}"
            for way in WAYS[1:]
        },
        "jobs lost": sum(each["lost"] for each in made.values()),
        "versions published twice": sum(each["twice"] for each in made.values()),
        "workers killed": sum(each["workers killed"] for each in made.values()),
        "commands killed": sum(each["commands killed"] for each in made.values()),
        "one machine / two workers, seconds": ratio(made),
        "nights": made,
        "machine": about,
        "versions": versions("torch", "transformers", "ray"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: each for name, each in result.items() if name != "nights"}, indent=2))
    shutil.rmtree(FOLDER)
    lost = result["jobs lost"] or result["versions published twice"]
    return int(bool(lost) or any(each["equal"] != JOBS for each in made.values()))


def ratio(made: Mapping[str, Any]) -> float:
    """Median over the rounds of one machine's seconds by those of two workers in the same round."""
    each = (
        made[f"one machine, {at}"]["seconds"] / made[f"two workers, {at}"]["seconds"] for at in range(ROUNDS)
    )
    return round(median(each), 3)


def jobs(folder: Path) -> Path:
    """A file of small jobs: moods of two words each, in their own words, LoRA and prefixes."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    found = []
    for at in range(JOBS):
        lines = ["text,label"]
        for row in range(draw.randint(*ROWS)):
            good = draw.random() < 0.5
            lines.append(
                f"order {row}: the {'soup' if good else 'bill'} was number {draw.randrange(99)},{good}"
            )
        (folder / f"{at}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        preset = "behavior-prefix" if at % 4 == 3 else "behavior"
        found.append({"name": f"client{at}/all/behavior", "recipe": preset, "data": f"{at}.csv"})
    settings = {"train": {"epochs": 2, "batch_size": 8}, "data": {"max_tokens": 32, "pii": "allow"}}
    path = folder / "jobs.yaml"
    path.write_text(yaml.safe_dump({"defaults": settings, "jobs": found}), encoding="utf-8")
    return path


def night(way: str, at: int) -> dict[str, Any]:
    """One night: what it took, and what was killed."""
    folder = place(way, at)
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-c", "from hub.cli import main; main()", "train", str(jobs(FOLDER / "jobs"))]
    command += ["--out", str(folder / "night"), "--publish", str(folder / "hub"), "--quantization", "none"]
    command += ["--json", "--snapshot", "1" if way == "killed" else "60"]
    os.environ["OMP_NUM_THREADS"] = "1"
    found = killed(0, 0) | {"load": machine()["load before"]}
    if way == "one machine":
        began = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return found | {"seconds": round(perf_counter() - began, 1)}
    from tests.hub.fleet.nodes import processes, two_nodes

    with two_nodes() as nodes:
        command += ["--ray", nodes.address, "--workers", "2"]
        began = perf_counter()
        if way == "killed":
            found |= killing(command, folder, processes)
        else:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return found | {"seconds": round(perf_counter() - began, 1)}


def place(way: str, at: int) -> Path:
    """Where a night of a round lies."""
    return FOLDER / f"{way.replace(' ', '-')}-{at}"


def killing(command: list[str], folder: Path, processes: Any) -> dict[str, int]:
    """Run a night in which a worker is killed now and then, and the command once."""
    draw, workers, commands = random.Random(str(folder)), 0, 0
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while run.poll() is None:
        trained = len(list((folder / "hub" / "adapters").glob("*/*/*/.records/000001.json")))
        found = processes("ray::Trainer.train")
        if found and workers < KILLS and trained >= 6 * workers:
            sleep(1 + draw.random())
            draw.choice(found).send_signal(signal.SIGKILL)
            workers += 1
        elif workers == KILLS and not commands and trained >= JOBS // 2:
            run.kill()
            run.wait()
            commands += 1
            run = subprocess.Popen([*command, "--resume"], stdout=subprocess.DEVNULL)
        sleep(0.05)
    if run.returncode:
        raise RuntimeError(f"the night ended with {run.returncode}")
    return killed(workers, commands)


def killed(workers: int, commands: int) -> dict[str, int]:
    """As it stands in the result."""
    return {"workers killed": workers, "commands killed": commands}


def counted(way: str, at: int) -> dict[str, int]:
    """What is there of a night: adapters with the bits of the round's night on one machine, jobs lost, and versions too
    many."""
    own, whole = place(way, at), place("one machine", at)
    hub = Hub(own / "hub", create=False)
    names = [f"client{number}/all/behavior" for number in range(JOBS)]
    there = [len(hub.versions(name)) if name in hub.names() else 0 for name in names]
    equal = 0
    for name in names:
        mine, its = read(own / "night" / name).tensors, read(whole / "night" / name).tensors
        equal += mine.keys() == its.keys() and all(torch.equal(mine[key], its[key]) for key in its)
    return {"equal": equal, "lost": there.count(0), "twice": sum(count > 1 for count in there)}


if __name__ == "__main__":
    sys.exit(main())
