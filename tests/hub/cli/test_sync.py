"""repertoire push, pull and sync, as a person sees them; what moves is in tests/hub/exchange."""

from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora


def test_a_long_list_of_what_moves_is_cut(run: Run) -> None:
    hub = Hub("campaigns")
    for number in range(22):
        hub.publish(lora(number), NAME)
    code, out, _ = run("push", "mirror", "--dry-run")
    assert code == 0 and out.startswith("Would move 22 versions from ")
    assert f"  {NAME}@20\n  and 2 more\n" in out and not Hub("mirror").names()


def test_what_is_there_already_does_not_move(run: Run) -> None:
    Hub("campaigns").publish(lora(), NAME)
    assert "Moved 1 version from" in run("push", "mirror")[1]
    code, out, _ = run("sync", "mirror")
    assert code == 0 and out.count("Nothing to move from") == 2


def test_a_hub_without_an_origin_asks_with_which_hub(run: Run) -> None:
    Hub("campaigns").publish(lora(), NAME)
    code, _, err = run("pull")
    assert code == 2 and "say with which hub" in err
