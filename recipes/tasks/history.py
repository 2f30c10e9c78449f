"""What is read out of a user's history: `data.history` finds liked and disliked items inside the row's own text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from adapters.patterns import BadPattern, bounded
from recipes.errors import RecipeError

if TYPE_CHECKING:
    from recipes.options.data import History

_PATIENCE = 1.0  # seconds for one pattern in one row

LIKED_SHARE: Final = "liked_share"
LIKED_TALLY: Final = "liked_tally"


def derived(fields: Mapping[str, str], history: "History | None") -> dict[str, str]:
    """What `data.history` finds in a row: `liked_share` as a percentage, `liked_tally` in ten words, each "liked" or
    "disliked", and the target item as `ad`.

    Both are (k + 1) / (n + 2) of k liked ones among n. To a small model numerals are words like others, of which it
    knows nothing where the training rows lack them; of words it reads how many there are.
    """
    if history is None:
        return {}
    text = "\n".join(fields.values())
    liked, disliked = (
        len(_items(text, pattern, history.item)) for pattern in (history.liked, history.disliked)
    )
    share = (liked + 1) / (liked + disliked + 2)
    tenths = round(10 * share)
    found = {
        LIKED_SHARE: f"{round(100 * share)}%",
        LIKED_TALLY: " ".join(["liked"] * tenths + ["disliked"] * (10 - tenths)),
    }
    target = finds(history.target, text) if history.target and "ad" not in fields else []
    return found | ({"ad": target[0]} if target else {})


def _items(text: str, where: str, item: str) -> list[str]:
    found = finds(where, text)
    return finds(item, found[0], every=True) if found else []


def finds(pattern: str, text: str, every: bool = False) -> list[str]:
    """The group of a pattern in a row's text, at the first place or at every one; [] where it matches nowhere.

    Recipes come with adapters from anywhere: a pattern that takes for ever is told, and stops nobody.
    Raises RecipeError.
    """
    try:
        found = bounded(pattern, text, _PATIENCE, "finditer" if every else "search")
    except BadPattern as error:
        raise RecipeError(
            f"data.history: the pattern {pattern[:80]!r} cannot be used: {error}; mend it"
        ) from None
    return [each[1] or "" for each in found]
