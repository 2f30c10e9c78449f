"""Lists the benchmarks and runs the short ones: `make bench`, or `python -m benchmarks`. `--list` runs nothing."""

import sys

from benchmarks import real_data
from benchmarks.runs import RUNS

_SHORT = 4  # minutes


def main(arguments: list[str]) -> int:
    """Print what there is; then, unless `--list` is given, run what takes at most a few minutes each."""
    print("python -m benchmarks.real_data NAME ...: `repertoire train` on ../shared/data")
    for run in RUNS:
        reason = real_data.skipped(run)
        print(
            f"  {run.name:22} {run.minutes:3} min  {run.recipe} on {run.base}{f'; {reason}' if reason else ''}"
        )
    if "--list" in arguments:
        return 0
    short = [run.name for run in RUNS if run.minutes <= _SHORT]
    print(f"Running those of at most {_SHORT} minutes; the others by their names.", flush=True)
    return real_data.main(short)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
