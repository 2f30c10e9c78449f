"""What a command imports is what it starts with: each module of a heavy library is time before the answer."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.serving import Resident
from hub.hub import Hub
from hub.server.peers import Peer
from tests.clock import LIMIT

# Not one of these where no tensor is read or made.
HEAVY = {
    "torch", "transformers", "bitsandbytes", "accelerate", "datasets", "matplotlib", "optuna", "pandas", "peft",
    "scipy", "sklearn", "fairlearn", "sacrebleu", "tensorboard", "fastapi", "sqlalchemy", "river", "ray",
}  # fmt: skip
# A base that answers needs no training, no pages, no reports and no compiler.
FOR_TRAINING = {
    "datasets",
    "matplotlib",
    "optuna",
    "peft",
    "fairlearn",
    "sacrebleu",
    "tensorboard",
    "sklearn",
    "pandas",
}
COMPILER = {"torch._inductor.compile_fx", "torch._dynamo.repro.after_dynamo"}


def imported(program: str, folder: Path) -> set[str]:
    """Modules that a program has imported at its end."""
    lines = f"import atexit, json, sys\natexit.register(lambda: print(json.dumps(sorted(sys.modules))))\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, cwd=folder, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "command",
    [
        ["ls"],
        ["show", "acme/spring/recommendation"],
        ["versions", "acme/spring/recommendation"],
        ["search", "seed"],
        ["history", "acme/spring/recommendation"],
    ],
    ids=lambda command: command[0],
)
def test_what_reads_a_hub_imports_nothing_that_computes(command: list[str], campaigns: Hub) -> None:
    line = [*command, "--hub", "campaigns", "--json"]
    found = imported(f"from hub.cli import main\nmain({line!r})", Path.cwd())
    assert found & HEAVY == set()
    assert len(found) < 1500


def test_a_base_that_answers_imports_no_compiler_and_nothing_of_training(tmp_path: Path) -> None:
    program = """
from adapters import load_base
import gc, torch
from hub.registry.registry import Registry
assert gc.isenabled() and gc.get_freeze_count() == 0  # what lives in this process is not ours alone
base = load_base("starter", "nf4", device="cpu")
with torch.inference_mode():
    base.model(input_ids=torch.arange(5)[None])
"""
    found = imported(program, tmp_path)
    assert found & FOR_TRAINING == set()
    assert found & COMPILER == set()


def test_what_trains_on_one_machine_imports_no_ray(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("text,label\n" + "love it,good\nhate it,bad\n" * 2)
    (tmp_path / "jobs.yaml").write_text("jobs: [{name: a/b/behavior, recipe: behavior, data: few.csv}]\n")
    line = ["train", "jobs.yaml", "--out", "night", "--json"]
    program = f"""
from hub.cli import main
import hub.cli.refresh, hub.cli.tune, hub.feedback.refreshing
try:
    main({line!r})
except SystemExit:
    pass
"""
    found = imported(program, tmp_path)
    assert "recipes.runs.training" in found and "hub.cli.night" in found
    assert {name for name in found if name.startswith(("ray", "hub.fleet"))} == set()


def test_what_only_forwards_or_counts_imports_nothing_that_computes(tmp_path: Path) -> None:
    """The ingress of a fleet and the actor that counts, also when a replica has told them what it has."""
    pytest.importorskip("ray.serve")
    told = Peer("r0", "node", 16, 0, 0, [Resident("acme/c0/behavior@1", "slot", 0, 1, False, 100)], 0.0)
    program = f"""
import pickle
import hub.fleet.building, hub.fleet.router
from hub.fleet import Setting
from hub.fleet.counting import Counts
Counts(8).sync(pickle.loads({pickle.dumps(told)!r}), {{}}, {{}}, False)
hub.fleet.building.Front(Setting(hub="hub").model_dump(), type("Handle", (), {{"options": lambda *_, **__: None}})())
"""
    found = imported(program, tmp_path)
    assert found & (HEAVY - {"fastapi", "ray", "pandas"}) == set()  # which Ray Serve imports by itself
