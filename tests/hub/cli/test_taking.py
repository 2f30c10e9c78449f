"""What is refused leaves no hub behind; what lies beside an adapter is named; nothing is read where there is no hub."""

from pathlib import Path

import pytest

from adapters.format import CONFIG, write
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return write(lora(), tmp_path / "made")


@pytest.mark.parametrize("command", ["publish", "import"])
def test_a_refused_adapter_leaves_no_hub_behind(command: str, run: Run, made: Path) -> None:
    (made / "head.pkl").write_bytes(b"")
    before = sorted(Path().rglob("*"))
    assert run(command, made, NAME)[0] == 4
    assert run(command, made, "no name")[0] == 2
    assert run(command, made, NAME, "--base", "owner/nothing")[0] == 3
    assert run(command, made / "nowhere", NAME)[0] == 4
    assert sorted(Path().rglob("*")) == before
    (made / "head.pkl").unlink()
    assert run(command, made, NAME)[0] == 0 and Path("campaigns/hub.json").is_file()


def test_what_failed_its_gates_leaves_no_hub_behind(run: Run, tmp_path: Path) -> None:
    failed = write(lora(gates={"passed": False, "verdicts": []}), tmp_path / "failed")
    assert run("publish", failed, NAME)[0] == 4 and not Path("campaigns").exists()
    assert run("publish", failed, NAME, "--force", "--reason", "a test")[0] == 0


def test_what_a_training_left_beside_it_is_named(run: Run, made: Path) -> None:
    (made / "optimizer.pt").write_bytes(b"")
    assert "Passed over, and not read: optimizer.pt." in run("publish", made, NAME)[1]
    code, out, _ = run("import", made, NAME, "--json")
    assert code == 0 and '"passed_over": [\n    "optimizer.pt"\n  ]' in out


def test_the_folder_above_is_enough(run: Run, made: Path) -> None:
    assert run("publish", made.parent, NAME)[0] == 0
    write(lora(1), made.parent / "other")
    code, _, err = run("publish", made.parent, NAME)
    assert code == 4 and "holds 2 adapters: made, other" in err


READING = "ls; search; versions NAME; show NAME; history NAME; alias ls NAME; verify; repair; gc --yes; rm NAME@1 --yes"
READING += "; card NAME; analyze NAME x; export NAME out --to peft"


@pytest.mark.parametrize("command", READING.replace("NAME", NAME).split("; "))
def test_no_command_reads_what_is_no_hub(command: str, run: Run) -> None:
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full", CONFIG).write_text("{}")
    for where, told in (("empty", "makes one"), ("full", "where other files lie"), ("absent", "makes one")):
        code, out, err = run(*command.split(), "--hub", where)
        assert (code, out) == (3, "") and "no hub at" in err and told in err
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "full"]
