"""Programs get the same of a version from every command, and more where more is known."""

import json
from pathlib import Path

from adapters.format import files
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def test_the_same_as_documents(run: Run, folder: Path) -> None:
    published = json.loads(run("publish", folder, NAME, "--publish-id", "job", "--json")[1])
    assert (published["reference"], published["base"]["id"]) == (f"{NAME}@1", "starter")
    assert json.loads(run("publish", folder, NAME, "--publish-id", "job", "--json")[1]) == published
    found = {"publisher", "data_digest", "metrics", "aliases", "removed"}
    (listed,) = json.loads(run("ls", "--json")[1])
    assert {key: value for key, value in listed.items() if key not in found} == published
    assert listed.keys() - published.keys() == found
    assert (listed["metrics"]["auc"], listed["aliases"], listed["data_digest"]) == (
        0.8125,
        ["latest"],
        "cd" * 32,
    )
    shown = json.loads(run("show", f"{NAME}@1", "--json")[1])
    assert shown["aliases"] == {"latest": 1}
    assert shown["record"]["metrics"]["after"] == {"auc": 0.8125, "log_loss": 0.5}
    assert Path(published["folder"], files.CONFIG).is_file()
