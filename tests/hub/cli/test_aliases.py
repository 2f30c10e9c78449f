"""repertoire alias, rollback, history: words for people, documents for programs, exit codes for scripts."""

import json

import pytest

from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def test_aliases_are_set_listed_rolled_back_and_removed(run: Run, campaigns: Hub) -> None:
    assert run("alias", "set", NAME, "production", 1, "--why", "first")[:2] == (
        0,
        f"{NAME}@production is version 1 now.\n",
    )
    assert json.loads(run("alias", "set", NAME, "canary", "latest", "--json")[1]) == {
        "name": NAME,
        "alias": "canary",
        "version": 3,
    }
    assert run("alias", "set", NAME, "production", "canary", "-m", "the test went well")[0] == 0
    listed = json.loads(run("alias", "ls", "--json")[1])
    assert [(each["alias"], each["version"], each["why"]) for each in listed] == [
        ("canary", 3, ""),
        ("production", 3, "the test went well"),
        ("latest", 3, ""),
    ]
    code, out, _ = run("alias", "ls", NAME)
    assert code == 0 and "the test went well" in out and "production" in out
    assert run("rollback", NAME, "--why", "complaints")[1] == f"{NAME}@production is version 1 now.\n"
    assert run("rollback", NAME, "production", "--to", 3)[1] == f"{NAME}@production is version 3 now.\n"
    assert run("alias", "rm", NAME, "canary")[1] == f"{NAME}@canary means nothing now.\n"
    assert campaigns.aliases(NAME) == {"production": 3, "latest": 3}
    code, out, _ = run("history", NAME, "production")
    assert code == 0 and "rolled back production" in out and "complaints" in out and "canary" not in out
    told = json.loads(run("history", NAME, "--json")[1])
    assert [entry["what"] for entry in told][-3:] == ["rolled back", "rolled back", "removed"]
    assert told[0]["why"] == "seed 0"


def test_an_alias_that_moved_meanwhile_has_an_exit_code_of_its_own(run: Run, campaigns: Hub) -> None:
    assert run("alias", "set", NAME, "production", 1, "--expect", 0)[0] == 0
    code, _, err = run("alias", "set", NAME, "production", 2, "--expect", 3)
    assert code == 6 and "means version 1 now, not version 3" in err and "--expect 1" in err
    code, out, _ = run("rollback", NAME, "--expect", 2, "--json")
    assert code == 6 and json.loads(out)["error"]["type"] == "Moved"
    assert campaigns.aliases(NAME)["production"] == 1


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (("alias", "set", NAME, "latest", 1), 2, "cannot be set"),
        (("alias", "set", NAME, "production", 9), 3, "has no version 9"),
        (("alias", "set", NAME, "production", "canary"), 3, "no alias 'canary'"),
        (("alias", "rm", NAME, "canary"), 3, "no alias 'canary' to remove"),
        (("rollback", NAME), 3, "no alias 'production'"),
        (("history", "acme/spring/nothing"), 3, f"did you mean {NAME}"),
    ],
)
def test_what_is_not_there_is_told(
    run: Run, campaigns: Hub, line: tuple[object, ...], code: int, says: str
) -> None:
    found = run(*line)
    assert found[0] == code and says in found[2]
