"""repertoire recommend, analyze and write; answers of a trained adapter are in test_train.py."""

import json
from typing import Any

import pytest

from hub.registry.requests import RefusedText, Texts
from recipes.measure.policy import Violation
from recipes.options import MOST_DRAFTS
from tests.hub.conftest import Run


def test_write_shows_what_was_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Fake:
        def write(self, reference: str, product: Any, n: int, **options: Any) -> Texts:
            asked.update(options)
            return Texts(["A mug"], [RefusedText("The best mug", (Violation("banned", "best", (4, 8)),))])

    monkeypatch.setattr("hub.cli.ask.open_registry", lambda *_: Fake())
    line = ("write", "acme/spring/ad-copy", "--product", "mug", "--banned", "best", "--required", "mug")
    code, out, err = run(*line)
    assert (code, out) == (0, "A mug\n")
    assert err == "refused: The best mug ('best' is banned)\n"
    assert asked["policy"] == {"banned": ["best"], "required": ["mug"]}
    assert json.loads(run(*line, "--json")[1]) == {
        "texts": ["A mug"],
        "refused": [{"text": "The best mug", "reasons": ["'best' is banned"]}],
    }
    for named, policy in (["name", "price"], ["name", "price"]), (["name", "all"], "all"):
        assert run(*line, *(part for name in named for part in ("--named", name)))[0] == 0
        assert asked["policy"]["named"] == policy
    assert "min_p" not in asked and run(*line, "--min-p", 0.1)[0] == 0 and asked["min_p"] == 0.1
    assert "drafts" not in asked and run(*line, "--drafts", MOST_DRAFTS)[0] == 0
    assert asked["drafts"] == MOST_DRAFTS and run(*line, "--drafts", MOST_DRAFTS + 1)[0] == 2
    code, _, err = run(*line, "--min-p", 1.5)
    assert code == 2 and "--min-p" in err
