"""What goes wrong has an exit code for scripts, a message for people and a document for programs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli.failing import EXIT_CODES
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def missing_name(run: Run, folder: Path) -> tuple[Any, ...]:
    run("publish", folder, NAME)
    return ("show", "acme/spring/recomendation")


def missing_versions(run: Run, folder: Path) -> tuple[Any, ...]:
    return ("versions", *missing_name(run, folder)[1:])


def bad_condition(run: Run, folder: Path) -> tuple[Any, ...]:
    run("publish", folder, NAME)
    return ("search", "--metric", "auc")


def stranger(run: Run, folder: Path) -> tuple[Any, ...]:
    (folder / "evil.py").write_text("")
    return ("publish", folder, NAME)


def broken(run: Run, folder: Path) -> tuple[Any, ...]:
    run("publish", folder, NAME)
    record = Path("campaigns/adapters", NAME, ".records/000001.json")
    record.chmod(0o644)
    record.write_text("{}")
    return ("show", NAME)


FAILURES: list[tuple[Callable[[Run, Path], tuple[Any, ...]], int, str, str]] = [
    (lambda run, folder: ("publish", folder, "Acme/spring"), 2, "BadName", "expected client/campaign/task"),
    (
        lambda run, folder: ("publish", folder),
        2,
        "MissingParameter",
        "Missing argument 'NAME'. (repertoire publish --help",
    ),
    (lambda run, folder: ("ls", "--colour"), 2, "NoSuchOption", "--colour"),
    (lambda run, folder: ("recommend", NAME, "--user", "u"), 2, "BadParameter", "no ads to rank"),
    (
        lambda run, folder: ("train", "recomendation", "x.csv", "--out", "o"),
        2,
        "RecipeError",
        "recommendation",
    ),
    (
        lambda run, folder: ("train", "behavior", "x.csv", "--out", folder),
        2,
        "BadParameter",
        "holds files already",
    ),
    (lambda run, folder: ("train", "behavior", "x.csv", "--out", "o"), 4, "DataError", "x.csv"),
    (lambda run, folder: ("ls",), 3, "NoHub", "no hub at"),
    (lambda run, folder: ("search",), 3, "NoHub", "no hub at"),
    (bad_condition, 2, "BadSearch", "write it as auc>=0.8"),
    (missing_versions, 3, "NotInHub", f"did you mean {NAME}?"),
    (missing_name, 3, "NotInHub", f"did you mean {NAME}?"),
    (stranger, 4, "Refused", "evil.py does not belong"),
    (broken, 5, "Damaged", "cannot be read"),
]


@pytest.mark.parametrize(("make", "code", "kind", "says"), FAILURES)
def test_failures_have_a_code_a_message_and_a_document(
    run: Run, folder: Path, make: Callable[[Run, Path], tuple[Any, ...]], code: int, kind: str, says: str
) -> None:
    arguments = make(run, folder)
    got, out, err = run(*arguments)
    assert (got, out) == (code, "") and code in EXIT_CODES
    assert "\nrepertoire: " in f"\n{err}" and says in err, "after what a log is told of the work"
    assert "Traceback" not in err
    got, out, _ = run(*arguments, "--json")
    error = json.loads(out)["error"]
    assert (got, error["type"], error["exit_code"]) == (code, kind, code)
    assert says in error["message"]
