"""What is read out of a user's history: `data.history` finds liked and disliked items inside the row's own text."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recipes.options.data import History

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
    target = re.search(history.target, text) if history.target and "ad" not in fields else None
    return found | ({"ad": target[1]} if target else {})


def _items(text: str, where: str, item: str) -> list[str]:
    found = re.search(where, text)
    return re.findall(item, found[1]) if found else []
