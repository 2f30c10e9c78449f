"""`benchmarks/gpu.sh` runs from its first line to its last where there is no GPU, at a tiny size."""

import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from benchmarks import gpu_rig

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("gpu")
    out = folder / "told.json"
    with ZipFile(folder / "carried-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried.py", "")
        wheel.writestr("carried-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: carried\nVersion: 1\n")
        wheel.writestr(
            "carried-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("carried-1.dist-info/RECORD", "")
    done = subprocess.run(
        [ROOT / "benchmarks" / "gpu.sh", "--dry-run", "--out", out, "--budget", "60", "--wheels", folder],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ROOT / "build" / "gpu" / "wheels" / "carried.py").exists()
    return json.loads(out.read_text())


def test_every_part_is_measured_on_every_kind_of_base(told: dict) -> None:
    kinds = [name.removesuffix(" decode") for name in told if name.endswith(" decode")]
    assert len(kinds) == 2 and kinds[1] == "nf4"
    assert len(told["nf4 products"]) > 7 * 2
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


def test_the_large_size_is_a_base_of_8_billion_weights() -> None:
    model = gpu_rig.model(gpu_rig.LARGE, torch.device("meta"), torch.bfloat16)
    assert sum(weight.numel() for weight in model.parameters()) == 8_030_261_248
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
