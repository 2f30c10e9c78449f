"""Training rows of ad copy with a value of another product in both the product and its copy.

    name: Alpine, category: pub            Alpine is a pub by the river.
    name: Alpine, category: coffee shop    Alpine is a coffee shop by the river.

A client's rows seldom hold each value as often as its next products will, and a small base writes what it has read
most. Values are drawn as if each were as frequent as any other of its key, which is what delexicalisation gives (Wen et
al., 2015, "Semantically Conditioned LSTM-based NLG"), and the model still reads real words.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recipes.measure.claims import CJK, NO, YES, attributes, plain

_LETTER = rf"[^\W_{CJK}]"
_ARTICLE = re.compile(r"\b([Aa])n?(\s+)$")
_VOWEL = re.compile("[aeiou8]", re.IGNORECASE)
_SHARE = 0.5  # of the values that can be swapped, at least one
_LONGEST = 60  # characters of a value; longer ones are sentences


@dataclass(frozen=True)
class Values:
    """key -> the different values that the training rows' products have for it, sorted."""

    of: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, products: Iterable[str]) -> "Values":
        """Those of products' texts, see `claims.attributes`."""
        found: dict[str, set[str]] = {}
        for product in dict.fromkeys(products):
            for key, value in attributes(product):
                if plain(value) not in YES | NO and len(value) <= _LONGEST:
                    found.setdefault(key, set()).add(value)
        return cls({key: tuple(sorted(values)) for key, values in found.items()})

    def swapped(
        self, product: str, fields: Mapping[str, str], copy: str, draw: random.Random
    ) -> tuple[dict[str, str], str]:
        """A row's fields and its copy with some values swapped; as they are where none can be.

        A value can be swapped that stands once in the product's fields and once in the copy, word for word, whatever
        the case: what the copy says in its own words cannot follow.
        """
        fields, whole = dict(fields), plain(product)
        pairs = attributes(product)
        times = Counter(value for _, value in pairs)
        able = [
            (key, value, name)
            for key, value in pairs
            if times[value] == 1 and len(self.of.get(key, ())) > 1 and len(_places(value, copy)) == 1
            for name in fields
            if sum(field.count(value) for field in fields.values()) == 1 and value in fields[name]
        ]
        for key, value, name in draw.sample(able, min(len(able), max(1, round(_SHARE * len(able))))):
            others = [other for other in self.of[key] if plain(other) not in whole]
            places = _places(value, copy)
            if others and len(places) == 1 and fields[name].count(value) == 1:
                other = draw.choice(others)
                fields[name] = fields[name].replace(value, other)
                copy = _replaced(copy, places[0], value, other)
        return fields, copy


def _places(value: str, copy: str) -> list[re.Match[str]]:
    """Where a copy names a value as whole words."""
    pattern = rf"(?<!{_LETTER}){re.escape(value)}(?!{_LETTER})"
    return list(re.finditer(pattern, copy, re.IGNORECASE))


def _replaced(copy: str, place: re.Match[str], value: str, other: str) -> str:
    """With another value there, written in capitals or not as the old one was, behind its own form of "a"."""
    said, before = place[0], copy[: place.start()]
    if said != value:
        other = other.lower() if said == value.lower() else other[:1].upper() + other[1:]
    elif said[:1].isupper() and re.search(r"(^|[.!?]\s+)$", before):
        other = other[:1].upper() + other[1:]
    before = _ARTICLE.sub(rf"\g<1>{'n' if _VOWEL.match(other) else ''}\g<2>", before)
    return before + other + copy[place.end() :]
