"""repertoire init and publish; gates that refuse are in tests/hub/intake."""

import json
from pathlib import Path

from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def test_publish_ls_and_show_tell_a_person(run: Run, folder: Path) -> None:
    code, out, _ = run("publish", folder, NAME, "--tag", "spring", "-m", "first season")
    assert code == 0
    assert f"Published {NAME}@1 to campaigns" in out
    assert str(Path("campaigns/adapters") / NAME / "v000001") in out
    code, out, _ = run("ls")
    assert code == 0
    assert NAME in out and "lora, rank 2" in out and "first season" in out
    code, out, _ = run("show", NAME)
    assert code == 0
    assert "1 of 1 (latest)" in out and "cd" * 32 in out and "spring" in out
    assert "with the adapter" in out and "0.812" in out


def test_init_makes_a_hub_once(run: Run) -> None:
    made = json.loads(run("init", "--hub", "one", "--json")[1])
    assert (made["made"], made["id"]) == (True, Hub("one", create=False).id)
    assert json.loads(run("init", "--hub", "one", "--json")[1]) == made | {"made": False}
    assert run("init", "--hub", "two")[1] == "Made a hub in two.\n"
    Path("full").mkdir()
    Path("full", "thesis.tex").touch()
    assert run("init", "--hub", "full")[0] == 4
