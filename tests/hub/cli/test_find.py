"""repertoire ls, search and versions."""

import json
from pathlib import Path

from adapters.format import files
from hub.hub import Hub
from tests.hub.cli.clicks import REPORT
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora, prefix


def test_search_and_versions_tell_a_person_and_a_program(run: Run, folder: Path, tmp_path: Path) -> None:
    run("publish", folder, NAME, "--tag", "spring", "-m", "first season")
    better = REPORT | {"after": {"auc": 0.9, "log_loss": 0.4}}
    run("publish", files.write(lora(1, report=better), tmp_path / "two"), NAME, "-m", "second season")
    run("publish", files.write(prefix(), tmp_path / "three"), "globex/launch/ad-copy")
    Hub("campaigns").set_alias(NAME, "production", 1)

    def references(*arguments: object) -> list[str]:
        return [found["reference"] for found in json.loads(run(*arguments, "--json")[1])]

    every = ("search", "--all-versions", "--metric", "auc>=0.8")
    assert references(*every, "--sort", "auc") == [f"{NAME}@2", f"{NAME}@1"]
    assert references(*every, "--metric", "log_loss<0.5") == [f"{NAME}@2"]
    assert references("search", "season", "--limit", 1) == [f"{NAME}@2"]
    assert references("search", "FIRST season", "--all-versions") == [f"{NAME}@1"]
    assert references("search", "--tag", "spring", "--all-versions", "--data", "cdcd") == [f"{NAME}@1"]
    assert references("search", "--alias", "production", "--rebuild") == [f"{NAME}@1"]
    assert references("versions", NAME) == [f"{NAME}@1", f"{NAME}@2"]
    out = run(*every, "--sort", "auc")[1]
    assert out.index("0.9 ") < out.index("0.8125") and "production" in out and "first season" in out
    assert "log_loss" not in out and "log_loss" in run("versions", NAME)[1]
    assert run("search", "winter")[1] == "Nothing in campaigns fits.\n"
    assert run("search", "--rebuild", "--client", "globex")[1].count("globex/launch/ad-copy@1") == 1
