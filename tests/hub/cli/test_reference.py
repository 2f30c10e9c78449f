"""The reference of the command line names what there is, and nothing else."""

import subprocess
import sys

from hub.cli import app
from hub.cli.failing import EXIT_CODES
from hub.cli.reference import reference
from tests.hub.cli.test_cli import called


def test_every_command_is_listed_once_with_its_options_and_examples() -> None:
    page = reference()
    for command in called():
        heading = f"\n### repertoire {command}\n"
        assert page.count(heading) == 1, command
        section = page.split(heading)[1].split("\n##")[0]
        assert f"Usage: `repertoire {command} " in section
        assert f"Example: `repertoire {command}" in section
        assert "\n- `--json`: Print one JSON document" in section
    assert page.count("\n### repertoire ") == len(called()) + len(app.registered_groups)


def test_defaults_environment_and_exit_codes_are_told() -> None:
    page = reference()
    assert "[env var: REPERTOIRE_HUB; default: campaigns]" in page
    assert "- `--quantization <nf4|int8|none>`: How to hold the base. [default: nf4]" in page
    assert all(f"- `{code}`: {meaning}" in page for code, meaning in EXIT_CODES.items())


def test_it_is_printed_without_torch() -> None:
    code = (
        "import runpy, sys; runpy.run_module('hub.cli.reference', run_name='__main__'); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, reference()), done.stderr
