"""Lists the benchmarks and runs them: `make bench`, or `python -m benchmarks`. `--list` runs nothing.

Speed first, each in a process of its own, then of the real data what takes at most a few minutes each.
"""

import subprocess
import sys

from benchmarks import real_data
from benchmarks.runs import RUNS

_SPEED = {
    "kernels": "the two ways of computing low-rank terms, by shape; 1 minute",
    "four_bits": "the ways of 4-bit products on this CPU beside fp32; 5 minutes",
    "mixed_batch": "forward, generation and loading, beside the base alone and PEFT; 8 minutes",
    "data": "a log of a million rows, checked, split and profiled; 2 minutes",
    "hub_speed": "publishing and loading 20 MB beside the least that any tool must do; half a minute",
    "hub_scale": "three hubs of 100,000 versions: open, resolve, list, search, rebuild; 5 minutes",
    "training": "8 and 32 small trainings on one 4-bit base, beside PEFT; 15 minutes",
    "mirror": "bytes that a mirror of a thousand adapters moves, over S3; 3 minutes",
    "following": "aliases that move under a running registry, and the watch's idle cost; 2 minutes",
    "traffic": "requests that come and go: 64 adapters over 16 slots, Poisson arrivals; 12 minutes",
}
_APART = {
    "claims": "false claims of ad copy that are found, in two languages; a few seconds",
    "ad_copy": "SmolLM2 in nf4 learns restaurant copy and writes it; 70 minutes a method, or --budget",
    "techniques": "augmentation, adversarial steps, probes and ensembles on banking77; 40 minutes",
    "faults": "kills, power cuts and lies by the thousand, and what a hub holds afterwards; 30 minutes",
    "training_faults": "trainings ended at random and resumed, full disks, odd jobs, 500 jobs; an hour, or --budget",
    "soak": "16 threads of requests beside a hub that changes: wrong, lost, stuck, leaked; half an hour, or --budget",
    "serve": "a server of 50 adapters over 16 slots beside its registry, 64 connections; --budget MINUTES",
    "whole_files": "100,000 texts beside a loop by hand, a million rows in flat memory; an hour or two",
    "busy_loop": "steps alone and beside a busy loop, by how idle threads wait; 5 minutes, or --budget",
    "peers": "vLLM, llama.cpp and PEFT beside ours, in environments of their own; --install, --budget MINUTES",
    "job_groups": "how many small jobs should share passes in training; 5 minutes, or --budget",
    "gpu": "many adapters on 8 billion weights, by benchmarks/gpu.sh on a machine with a GPU; 9 minutes",
    "presets": "settings for a recipe that says none, on seven small sets; --budget MINUTES",
    "fleet_cost": "requests a second of a fleet of one replica beside a server's; --budget MINUTES",
    "fleet_faults": "parts of a fleet killed while clients ask; an hour, or --budget",
    "fleet": "routing by adapter over up to 100 replicas, simulated; --budget MINUTES",
    "market": "a market whose truth is known: the loop, its parts and four other ways; an hour, or --budget",
    "market_placement": "what placement gains in it without an adapter, three worlds of four sizes; a minute or two",
    "feedback_log": "events a second, what an answer costs with the log, canaries with known rates; --budget MINUTES",
    "upworthy_placement": "headlines of real A/B tests, placed four ways; 20 minutes, or --budget",
    "open_bandit": "policies from a real log, beside one whose truth is known; a few seconds",
    "agency": "the real sets as clients: two nights, killed and resumed; 20 minutes",
}
_SHORT = 4  # minutes


def main(arguments: list[str]) -> int:
    """Print what there is; then, unless `--list` is given, run it."""
    for name, measures in _SPEED.items():
        print(f"python -m benchmarks.{name}: {measures}")
    print("benchmarks/adapterhub.py: AdapterHub's library, in an environment of its own (see the file)")
    for name, measures in _APART.items():
        print(f"python -m benchmarks.{name}: {measures}, not run by `make bench`")
    print("python -m benchmarks.real_data NAME ...: `repertoire train` on ../shared/data")
    for run in RUNS:
        reason = real_data.skipped(run)
        print(
            f"  {run.name:26} {run.minutes:3} min  {run.recipe} on {run.base}{f'; {reason}' if reason else ''}"
        )
    if "--list" in arguments:
        return 0
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        for name in _SPEED
    ]
    short = [run.name for run in RUNS if run.minutes <= _SHORT]
    print(f"Real data: running those of at most {_SHORT} minutes; the others by their names.", flush=True)
    return max(*codes, real_data.main(short))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
