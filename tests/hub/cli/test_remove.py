"""rm, gc and purge as they are typed."""

import json
import sys

import pytest

from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora


def test_nothing_is_destroyed_without_a_word(run: Run, live: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["rm", f"{NAME}@2"], ["gc"], ["purge", "--client", "acme"]):
        code, _, error = run(*command)
        assert code == 2 and "--yes" in error
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    for answer, code, left in (("n\n", 0, 3), ("", 130, 3), ("y\n", 0, 2)):
        answers = iter(answer)
        monkeypatch.setattr(sys.stdin, "readline", lambda answers=answers: "".join(answers))
        assert run("rm", f"{NAME}@2")[0] == code
        assert len(live.versions(NAME)) == left


def test_a_version_is_removed_and_collected(run: Run, live: Hub) -> None:
    assert run("rm", f"{NAME}@1", "--yes")[0] == 4, "an alias points at it"
    assert run("rm", NAME, "--yes")[0] == 2
    assert run("rm", f"{NAME}@9", "--yes")[0] == 3
    code, out, _ = run("rm", f"{NAME}@3", "--dry-run")
    assert code == 0 and "would be removed" in out and len(live.versions(NAME)) == 3
    code, out, _ = run("rm", f"{NAME}@3", "--why", "bad", "--yes", "--json")
    assert code == 0 and json.loads(out)["tombstone"]["why"] == "bad"
    assert "1 blobs would be moved to the trash; 0 would be deleted" in run("gc", "--dry-run")[1]
    code, out, _ = run("gc", "--yes")
    assert "1 blobs moved to the trash; 0 deleted, 0 bytes freed." in out
    assert "1 stay in the trash" in out and "UTC" in out
    told = json.loads(run("gc", "--grace", "0", "--yes", "--json")[1])
    assert len(told["deleted"]) == 1 and told["freed"] > 500 and told["waiting"] == []
    for wrong in ("7", "-1d", "1w", "soon"):
        assert run("gc", f"--grace={wrong}", "--yes")[0] == 2


def test_a_client_is_purged_and_what_is_left_is_told(run: Run, live: Hub) -> None:
    live.publish(lora(0), "globex/launch/recommendation")
    code, out, _ = run("purge", "--client", "acme", "--dry-run")
    assert code == 0 and "would be erased" in out and len(live.versions(NAME)) == 3
    code, out, _ = run("purge", "--client", "acme", "--yes")
    assert code == 0 and "3 versions under 1 names and 2 blobs erased" in out
    assert "nothing under acme/ and none of its own blobs is left" in out
    assert out.count("which globex/launch/recommendation@1 needs too") == 3
    assert "Mirrors" in out and "backups" in out
    told = json.loads(run("purge", "--client", "acme", "--yes", "--json")[1])
    assert (told["versions"], told["erased"], told["shared"]) == (0, [], {})
    assert run("purge", "--client", "a/b", "--yes")[0] == 2
