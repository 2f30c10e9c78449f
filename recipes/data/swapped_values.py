"""Training rows of ad copy with a value of another product in both the product and its copy.

    name: Alpine, category: pub            Alpine is a pub by the river.
    name: Alpine, category: coffee shop    Alpine is a coffee shop by the river.

A client's rows seldom hold each value as often as its next products will, and a small base writes what it has read
most. Values are drawn as if each were as frequent as any other of its key, which is what delexicalisation gives (Wen et
al., 2015, "Semantically Conditioned LSTM-based NLG"), and the model still reads real words.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recipes.measure.claims import CJK, answer, attributes, plain

_LETTER = rf"[^\W_{CJK}]"
_MASK = re.compile(r"<\w+>")  # <email>, as `pii` writes it
_SHARE = 0.5  # of the values that can be swapped, at least one
_LONGEST = 60  # characters of a value; longer ones are sentences
_TRIES = 8  # draws of another value that the row does not hold yet

_ENGLISH = re.compile(r"\b(?:the|is|and|of|with|for)\b", re.IGNORECASE)
_ARTICLE = re.compile(r"(\ba|(?:^|[.!?]\s+)A)n?(\s+)$")
_VOWEL = re.compile(r"(?!uni|use|eu|one\b|once)[aeiou]|8|11\b|18\b|hour|honest|heir", re.IGNORECASE)
_SPELLED = re.compile(r"[A-Z]{2,4}\b")  # LED
_AS_VOWELS = frozenset("AEFHILMNORSX")


@dataclass(frozen=True)
class Values:
    """key -> the different values that the training rows' products have for it, sorted; those that can be swapped."""

    of: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, products: Iterable[str]) -> "Values":
        """Those of products' texts, see `claims.attributes`."""
        found: dict[str, set[str]] = {}
        for product in dict.fromkeys(products):
            for key, value in attributes(product):
                if _is_able(value):
                    found.setdefault(key, set()).add(value)
        return cls({key: tuple(sorted(values)) for key, values in found.items() if len(values) > 1})

    def swapped(
        self, product: str, fields: Mapping[str, str], copy: str, draw: random.Random
    ) -> tuple[dict[str, str], str]:
        """A row's fields and its copy with some values swapped; as they are where none can be.

        A value can be swapped that stands once in the product's fields and once in the copy, there as whole words and
        whatever the case: what the copy says in its own words cannot follow.
        """
        fields = dict(fields)
        able = [
            (key, value)
            for key, value in dict.fromkeys(attributes(product))
            if key in self.of and _is_able(value) and _place(value, fields, copy)
        ]
        for key, value in draw.sample(able, min(len(able), max(1, round(_SHARE * len(able))))):
            found, said = _place(value, fields, copy), plain("\n".join((*fields.values(), copy)))
            drawn = (draw.choice(self.of[key]) for _ in range(_TRIES))
            other = next((each for each in drawn if plain(each) not in said), None)
            if found is not None and other is not None:
                name, place = found
                fields[name] = fields[name].replace(value, other)
                copy = _replaced(copy, place, value, other)
        return fields, copy


def _is_able(value: str) -> bool:
    """Not an answer, a sentence, a mask of private data, nor one Chinese character, which is part of many words."""
    single = len(value) == 1 and re.match(f"[{CJK}]", value)
    return answer(plain(value)) is None and len(value) <= _LONGEST and not (single or _MASK.search(value))


def _place(value: str, fields: Mapping[str, str], copy: str) -> tuple[str, re.Match[str]] | None:
    """The field that holds a value and where the copy names it, if each does so once, whatever the case: not in a
    longer word, number, range, share or mask."""
    folded = plain(value)
    if plain(copy).count(folded) != 1 or sum(plain(field).count(folded) for field in fields.values()) != 1:
        return None
    name = next((name for name, field in fields.items() if value in field), None)
    before, behind = rf"(?<!{_LETTER})(?<![<-])(?<!\d[.,])", rf"(?!{_LETTER})(?![>%])(?![-–.,]\w)"
    place = re.search(f"{before}{re.escape(value)}{behind}", copy, re.IGNORECASE)
    return None if name is None or place is None else (name, place)


def _replaced(copy: str, place: re.Match[str], value: str, other: str) -> str:
    """With another value there, written in capitals or not as the old one was, behind its own form of "a"."""
    said, before = place[0], copy[: place.start()]
    begins = re.search(r"(^|[.!?]\s+)$", before) is not None
    if other[1:] == other[1:].lower():  # else it is a name that is written its own way
        if said != value and said == value.lower():
            other = other.lower()
        elif said[:1].isupper() and (begins or said != value):
            other = other[:1].upper() + other[1:]
    if _ENGLISH.search(copy):
        before = _ARTICLE.sub(rf"\g<1>{_n(other)}\g<2>", before)
    return before + other + copy[place.end() :]


def _n(word: str) -> str:
    """What "a" needs before a word, by its sound in English."""
    vowel = word[0] in _AS_VOWELS if _SPELLED.match(word) else _VOWEL.match(word)
    return "n" if vowel else ""
