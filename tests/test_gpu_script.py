"""`benchmarks/gpu.sh` runs from its first line to its last where there is no GPU, at a tiny size."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("gpu") / "told.json"
    done = subprocess.run(
        [ROOT / "benchmarks" / "gpu.sh", "--dry-run", "--out", out],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())


def test_every_part_is_measured_on_every_kind_of_base(told: dict) -> None:
    kinds = [name.removesuffix(" decode") for name in told if name.endswith(" decode")]
    assert len(kinds) == 2 and kinds[1] == "nf4"
    for kind in kinds:
        for part in ("decode", "training", "prefill", "cold", "peft"):
            assert not {"failed", "not measured"} & told[f"{kind} {part}"].keys(), told[f"{kind} {part}"]


def test_each_figure_stands_beside_its_bound(told: dict) -> None:
    for name in ("float32", "nf4"):
        steps = [own for own in told[f"{name} decode"].values() if isinstance(own, dict)]
        assert steps
        for own in steps:
            assert (
                own["milliseconds"].keys() == own["bound, milliseconds"].keys() == own["of the bound"].keys()
            )
            assert all(0 < share < 1 for share in own["of the bound"].values())


def test_a_gpu_run_without_a_gpu_says_so(tmp_path: Path) -> None:
    nothing = tmp_path / "nvidia-smi"
    nothing.write_text("#!/bin/sh\nexit 9\n")
    nothing.chmod(0o755)
    done = subprocess.run(
        [ROOT / "benchmarks" / "gpu.sh"],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "--dry-run" in done.stderr
