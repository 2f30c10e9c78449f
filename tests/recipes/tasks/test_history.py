"""Patterns of `data.history` from a recipe that anybody wrote."""

import pytest
from pydantic import ValidationError

from recipes.errors import RecipeError
from recipes.options.data import History
from recipes.tasks import history
from recipes.tasks.history import derived

ROW = {"text": 'Liked: "a", "b". Disliked: "c". Next: "d"?'}
PLAIN = {"liked": r"Liked: (.*?)\.", "disliked": r"Disliked: (.*?)\."}


def test_items_are_found() -> None:
    found = derived(ROW, History(**PLAIN, target=r'Next: "(.*?)"'))
    assert found["liked_share"] == "60%" and found["ad"] == "d"


@pytest.mark.parametrize("which", ["liked", "item", "target"])
def test_one_that_takes_for_ever_is_told(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_PATIENCE", 0.05)
    bomb = History(**{**PLAIN, which: "((?:a|aa|a.|.)+)$^"})
    row = {"text": "Liked: " + "a" * 5000 + ". Disliked: c."}
    with pytest.raises(RecipeError, match=r"data.history: the pattern .* takes too long"):
        derived(row, bomb)


@pytest.mark.parametrize("pattern", ["((a{999}){999}){999}", "(a" + "|b" * 3000 + ")", "(", "(?aL)(x)"])
def test_one_that_cannot_be_used_is_refused_with_the_recipe(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"regular expression|groups"):
        History(liked=pattern, disliked="(x)")
