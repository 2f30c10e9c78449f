"""Regular expressions that come with an adapter or a recipe, from anywhere: bounded in length, memory and time, so that
one that takes for ever stops nobody who loads it."""

import math
import re

import regex

__all__ = ["LONGEST", "MOST_REPEATED", "BadPattern", "bounded"]

LONGEST = 4_000
"""Characters."""
MOST_REPEATED = 10_000
"""By counts such as {2}{3}, which take 6 times the memory."""


class BadPattern(ValueError):
    """A regular expression that cannot be used; the message says why."""


def bounded(pattern: str, text: str, seconds: float, way: str = "search") -> "list[regex.Match[str]]":
    """Where a regular expression fits a text.

    Args:
        pattern: the expression.
        text: to look at.
        seconds: that it may take.
        way: "search" for the first place, "fullmatch" for the whole text, "finditer" for all places.

    Returns:
        What was found; [] where nothing was.

    Raises:
        BadPattern: it is none, or takes too long or too much.
    """
    counts = (
        int(count) for count in re.findall(r"\d+", "".join(re.findall(r"\{.*?\}", pattern))) if int(count)
    )
    if len(pattern) > LONGEST:
        raise BadPattern(f"it has {len(pattern):,} characters; at most {LONGEST:,} are taken")
    if (repeats := math.prod(counts)) > MOST_REPEATED:
        raise BadPattern(f"it has {repeats:,} repeats; at most {MOST_REPEATED:,} are taken")
    try:
        if way == "finditer":
            return list(regex.finditer(pattern, text, timeout=seconds))
        found = (regex.fullmatch if way == "fullmatch" else regex.search)(pattern, text, timeout=seconds)
    except TimeoutError:
        raise BadPattern("it takes too long to match") from None
    # A ValueError where its flags contradict each other.
    except (regex.error, ValueError, RecursionError, OverflowError, MemoryError) as error:
        raise BadPattern(str(error) or type(error).__name__) from None
    return [] if found is None else [found]
