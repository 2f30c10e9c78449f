"""More training rows out of the client's own: words left out, words replaced, texts put in other words by a hook, and
for ad copy values of other products in both product and copy (`swapped_values`).

    row       User: likes trail shoes     Ad: buy 2 pairs     clicked    weight 3
    becomes   User: likes trail shoes     Ad: buy 2 pairs     clicked    weight 1.5
              User: likes shoes           Ad: purchase 2      clicked    weight 1.5

A row and its copies together count as the row did, so that shares of labels, and with them probabilities, stay what
they were. Validation and test rows, the baselines' training rows and labels are never touched.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.data.swapped_values import Values
from recipes.errors import RecipeError, TrainingError
from recipes.examples import Example
from recipes.measure.claims import CJK
from recipes.options.data import AugmentOptions
from recipes.tasks.task import task_for

if TYPE_CHECKING:
    from recipes.recipe import Recipe

Augmenter = Callable[[str], str]
"""A text in other words, for example translated there and back."""

_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['’-][^\W_{CJK}]+)*")
_MASK = re.compile(r"<\w+>")  # <email>, as `pii` writes it
_KEY = re.compile(
    r"[^\[\],*#:：\n]++[\[#:：]"
)  # of a product's attribute: name[Alpine], name: Alpine, 类型#裙
_COMMA = re.compile("[,，、]")


@dataclass(frozen=True)
class Synonyms:
    """others: a term in casefold -> the other terms of its group. longest: words of the longest term."""

    others: Mapping[str, tuple[str, ...]]
    longest: int

    @classmethod
    def read(cls, path: str) -> "Synonyms":
        """Read a UTF-8 file with a group a line: `buy, purchase, get`. Raises RecipeError with every fault."""
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"data.augment.synonyms: {path} cannot be read ({error}); give the path of a UTF-8 text file"
            ) from None
        others: dict[str, tuple[str, ...]] = {}
        problems = []
        for number, line in enumerate(lines, 1):
            terms = [term.strip() for term in _COMMA.split(line) if term.strip()]
            if len(terms) == 1:
                problems.append(f"line {number}: {terms[0]!r} stands alone; write its synonyms behind commas")
            for term in terms:
                if _has_number(term):
                    problems.append(
                        f"line {number}: {term!r} holds a number, which is never replaced; take it out"
                    )
                elif term.casefold() in others:
                    problems.append(f"line {number}: {term!r} stands in the file twice; keep one")
                others[term.casefold()] = tuple(other for other in terms if other != term)
        if not others:
            problems.append("holds no synonyms; write a group a line, such as: buy, purchase, get")
        if problems:
            raise RecipeError([f"data.augment.synonyms: {path}: {problem}" for problem in problems])
        return cls(others, max(len(_WORD.findall(term)) for term in others))


def augment(
    examples: Sequence[Example], recipe: "Recipe", augmenter: Augmenter | None = None
) -> tuple[Example, ...]:
    """The training rows in their order, then the copies of each; without `data.augment` the rows alone.

    What a copy says follows from the recipe's `data.seed` and the row's own text, with `swap_values` also from the
    values of all rows. A copy that would equal its row, or another copy, is not made. Raises RecipeError for synonyms
    that cannot be used and for a hook that the recipe does not ask for (or lacks), TrainingError where the hook fails.
    """
    options = recipe.data.augment
    if options is None:
        if augmenter is not None:
            raise RecipeError(
                "an augmenter is given, but the recipe has no data.augment; write augment: {copies: 1}"
            )
        return tuple(examples)
    if augmenter is None and not (options.dropout or options.synonyms or options.swap_values):
        raise RecipeError(
            "data.augment: changes nothing; give dropout, synonyms or swap_values, or train with an augmenter"
        )
    synonyms = None if options.synonyms is None else Synonyms.read(options.synonyms)
    task = task_for(recipe.task)
    reword = lru_cache(maxsize=None)(lambda text: _reworded(text, augmenter))
    values = Values.read(example.text for example in examples) if options.swap_values else None
    rows, copies = [], []
    for example in examples:
        texts: dict[str, tuple[Mapping[str, str], str | None]] = {
            example.text: (example.fields, example.copy)
        }
        for number in range(options.copies):
            given, copy = example.fields, example.copy
            if values is not None and copy is not None:
                draw = random.Random(f"{recipe.data.seed}/{number}/{example.text}/{copy}")
                given, copy = values.swapped(example.text, given, copy, draw)
            fields = {
                name: _changed(reword(text), options, synonyms, recipe, f"{number}/{name}/{text}")
                if task.REWORDED is None or name in task.REWORDED
                else text
                for name, text in given.items()
            }
            texts.setdefault(task.render(fields, recipe), (fields, copy))
        own, *more = (
            replace(example, text=text, fields=fields, copy=copy, weight=example.weight / len(texts))
            for text, (fields, copy) in texts.items()
        )
        rows.append(own)
        copies += more
    return (*rows, *copies)


def _reworded(text: str, augmenter: Augmenter | None) -> str:
    if augmenter is None:
        return text
    try:
        found = augmenter(text)
    except Exception as error:
        raise TrainingError(
            f"the augmenter failed on {text[:80]!r}: {error!r}; mend it, or leave it out"
        ) from error
    if not isinstance(found, str) or not found.strip():
        raise TrainingError(f"the augmenter made {found!r} of {text[:80]!r}; it must give back a text")
    return found


def _changed(
    text: str, options: AugmentOptions, synonyms: Synonyms | None, recipe: "Recipe", key: str
) -> str:
    """One text with its synonyms, then its words left out. key: with the seed, all that the choice follows from."""
    draw = random.Random(f"{recipe.data.seed}/{key}")
    keys = task_for(recipe.task).REWORDED is None
    if synonyms is not None:
        text = _with_synonyms(text, synonyms, options.share, keys, draw)
    return _without_words(text, options.dropout, keys, draw) if options.dropout else text


def _with_synonyms(text: str, synonyms: Synonyms, share: float, keys: bool, draw: random.Random) -> str:
    words = _words(text, keys)
    found: list[tuple[int, int]] = []
    for first, (start, _) in enumerate(words):
        if found and start < found[-1][1]:
            continue
        stops = [stop for _, stop in words[first : first + synonyms.longest]]
        known = [stop for stop in stops if text[start:stop].casefold() in synonyms.others]
        if known:
            found.append((start, known[-1]))
    for start, stop in sorted(draw.sample(found, min(len(found), _count(share, words))), reverse=True):
        old = text[start:stop]
        new = draw.choice(synonyms.others[old.casefold()])
        text = text[:start] + (new[:1].upper() + new[1:] if old[:1].isupper() else new) + text[stop:]
    return text


def _without_words(text: str, share: float, keys: bool, draw: random.Random) -> str:
    words = _words(text, keys)
    for start, stop in sorted(
        draw.sample(words, max(0, min(len(words) - 1, _count(share, words)))), reverse=True
    ):
        text = text[:start] + text[stop:].lstrip(" ")
    return text.strip()


def _count(share: float, words: Sequence[object]) -> int:
    """How many of the words change: at least one, as in "EDA" (Wei and Zou, 2019), so that short texts change too."""
    return max(1, round(share * len(words)))


def _words(text: str, keys: bool) -> list[tuple[int, int]]:
    """Where the words stand that may change, a Chinese character each its own: no numbers, no masks of private data,
    and with `keys` no keys of a product's attributes."""
    kept = [
        match.span() for pattern in (_MASK, *([_KEY] if keys else [])) for match in pattern.finditer(text)
    ]
    return [
        (start, stop)
        for start, stop in (match.span() for match in _WORD.finditer(text))
        if not _has_number(text[start:stop]) and not any(a <= start < b for a, b in kept)
    ]


def _has_number(text: str) -> bool:
    """Whether a digit or a Chinese numeral stands in it."""
    return any(character.isnumeric() for character in text)
