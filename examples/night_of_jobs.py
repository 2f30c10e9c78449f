"""A night of jobs: many clients' trainings in one file, on one base, published where they pass their gates.

    python examples/night_of_jobs.py

One job's file is broken, and one job's gate is out of reach. Neither stops the others, and one page tells it all.
"""

import argparse
import csv
import shutil
from pathlib import Path

from adapters.starter import client_data
from hub import Hub
from hub.cli import main

JOBS = """\
defaults:                                     # laid under every job's recipe
  train: {{epochs: 3, max_steps: {steps}, learning_rate: 4e-3}}
  data: {{repeats: drop}}
jobs:
  - name: acme/spring/recommendation          # its folder, and its name in a hub
    recipe: {{task: recommendation, head: {{pooling: mean}}, gates: {{min_gain: {{over: before, by: {gain}}}}}}}
    data: acme-clicks.csv
  - name: globex/launch/recommendation
    recipe: {{task: recommendation, gates: {{min_gain: {{over: best_baseline, by: 0.3}}}}}}
    data: globex-clicks.csv
  - name: globex/launch/behavior
    recipe: behavior-prefix
    data: globex-behavior.csv
  - name: initech/summer/recommendation       # half of this file was lost on the way
    recipe: recommendation
    data: initech-clicks.csv
"""

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", type=Path, default=Path("build/examples/night_of_jobs"))
parser.add_argument("--quick", action="store_true", help="few rows and two steps, to see it run")
options = parser.parse_args()
rows, steps, gain = (80, "2", "0.0") if options.quick else (400, "null", "0.1")

shutil.rmtree(options.folder, ignore_errors=True)
options.folder.mkdir(parents=True)
acme, globex = client_data("acme", 1, rows), client_data("globex", 1, rows)
files = {
    "acme-clicks.csv": acme.recommendation,
    "globex-clicks.csv": globex.recommendation,
    "globex-behavior.csv": globex.behavior,
    "initech-clicks.csv": [{**row, "clicked": ""} for row in acme.recommendation[: rows // 2]],
}
for name, content in files.items():
    with (options.folder / name).open("w", newline="", encoding="utf-8") as file:
        columns = [key for key in content[0] if key != "probability"]
        table = csv.DictWriter(file, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows(content)
jobs = options.folder / "jobs.yaml"
jobs.write_text(JOBS.format(steps=steps, gain=gain), encoding="utf-8")

# As `repertoire train jobs.yaml --out night --publish hub` in a shell. Exit code 4: some job failed.
try:
    main(
        ["train", str(jobs), "--out", str(options.folder / "night"), "--publish", str(options.folder / "hub")]
    )
except SystemExit as left:
    print(f"exit code {left.code}")

print("\nin the hub:", Hub(options.folder / "hub").names())
print(f"The page of the night: {options.folder / 'night-report' / 'report.html'}")
