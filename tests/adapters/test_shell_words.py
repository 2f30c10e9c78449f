"""Whatever a file is called, a command that is advised reaches it, and nothing else happens."""

import subprocess
from pathlib import Path

import pytest

from adapters.shell_words import in_shell

NAMES = [
    "a b.csv",
    "it's.csv",
    "-x.csv",
    "--help",
    "$(touch made).csv",
    "`touch made`.csv",
    "two\nlines.csv",
    "a;b&c|d",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_hands_over_the_file_that_was_meant(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("nice")
    command = f"cat {in_shell(Path(name))} > {in_shell(f'{name}.out')}"
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {name, f"{name}.out"}
    assert (tmp_path / f"{name}.out").read_text() == "nice"
