"""The command `repertoire` as a whole: its help, its version, and what it imports before it answers."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from hub.cli import app
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def called() -> list[str]:
    """Every command as it is typed, those of groups too."""
    group = typer.main.get_command(app)
    found = []
    for name, command in group.commands.items():
        below = getattr(command, "commands", {})
        found += [f"{name} {each}" for each in below] if below else [name]
    return found


@pytest.mark.parametrize("command", called())
def test_every_command_has_help_with_an_example_and_json(run: Run, command: str) -> None:
    code, out, _ = run(*command.split(), "--help")
    assert code == 0 and "--json" in out
    assert f"repertoire {command}" in out.split("Example:")[1]


def test_the_help_groups_the_commands(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    headings = ("Start here", "Train", "Publish and find", "Ask", "Operate a hub", "Share")
    places = [out.index(f"─ {heading} ─") for heading in headings]
    assert places == sorted(places) and "─ Commands ─" not in out
    assert places[2] < out.index("│ publish ") < places[3] < out.index("│ recommend ") < places[4]


@pytest.mark.parametrize("group", [(), ("alias",)])
def test_a_group_without_a_command_shows_its_help(run: Run, group: tuple[str, ...]) -> None:
    assert run(*group) == run(*group, "--help")
    assert run(*group)[::2] == (0, "")


def test_the_version_is_told(run: Run) -> None:
    assert run("--version") == (0, f"repertoire {version('adapter-repertoire')}\n", "")


TENSORLESS = """
--help
ls
ls --json
search season --metric auc>=0.5 --sort auc --all-versions
versions acme/spring/recommendation
show acme/spring/recommendation@1
card acme/spring/recommendation@1
alias set acme/spring/recommendation production 1
alias ls
history acme/spring/recommendation
rm acme/spring/recommendation@2 --yes
gc --dry-run
show acme/spring/recomendation
"""


def test_what_needs_no_tensor_does_not_wait_for_torch(run: Run, folder: Path, tmp_path: Path) -> None:
    for name in (NAME, NAME):
        run("publish", folder, name, "-m", "season")
    code = """
import sys
from hub.cli import main

for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit:
        pass
    waited = {"torch", "transformers", "peft", "bitsandbytes", "sklearn"} & sys.modules.keys()
    if waited:
        sys.exit(f"{line} imports {waited}")
"""
    lines = TENSORLESS.strip().splitlines()
    done = subprocess.run(
        [sys.executable, "-c", code, *lines],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "did you mean" in done.stderr and done.stderr.count("repertoire: ") == 1, done.stderr
