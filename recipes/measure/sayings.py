"""What the copy of a client's products says of them, learned from the training rows: which words belong to which value,
so that a text which states another product's value is found, in any language and without a list of words.

    area: riverside    "by the river", "riverside"    ->  not for  area: city centre, nor where no area is told
    rating: low        "poorly rated"                 ->  not for  rating: high
    pets: no           "not pet friendly"             ->  not for  pets: yes
    near: Blue Gate    "located near Blue Gate"       ->  not as   "not located near Blue Gate"
    name: Kettle K2    "kettle k2"                    ->  not for  name: Kettle K3
"""

import base64
import binascii
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from adapters.errors import BadAdapter
from recipes.measure.claims import (
    LONGEST_VALUE,
    Claims,
    attributes,
    plain,
    said_as_is,
    spots,
    tokens,
    unsupported,
)
from recipes.measure.denials import Copies, Pairs, answers, denials, leads, otherwise
from recipes.part import Part

_LONGEST = 3  # words of a phrase
_EXPECTED = 10  # products that would have said a phrase by chance, of which at most a tenth did
_FEW = 0.1  # share of what is expected, or of what is said, that counts as an error of the data
_ONE_WORD = 7  # characters, with spaces between Chinese ones, of which a value of two words may be one
_SELDOM = 0.002  # share of products that one word may be said for although it is not theirs
_TELLING = 20.0  # how much more likely, in nats twice over, an attribute must make where a phrase stands
_MOST_PRODUCTS, _MOST_KEYS, _MOST_EACH, _MOST_PHRASES, _MOST_VALUES = 20_000, 20, 50, 3_000, 20_000
_RARE = "\0"  # in no text
_BYTES = 6  # of a value's hash


class _Told(Part):
    """As it stands in an adapter's `info["sayings"]`. phrases: a phrase -> its key and the values that it contradicts,
    "" for a product without the key; answers: keys of yes and no that can be read from a text; values: hashes of the
    values that copy writes as they are; leads: words that lead to a value, and hardly ever behind a "not"."""

    phrases: dict[str, tuple[str, tuple[str, ...]]]
    answers: tuple[str, ...]
    values: str
    leads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sayings:
    """What was learned of how copy speaks; one of nothing finds nothing.

    phrases: words -> the key that they speak of, and the values of that key that they contradict ("" is none).
    answers: keys of yes and no whose denial can be read from a text. values: hashes of values that copy writes as they
    are, and only for products that have them. leads: words that lead to a product's own value, "" for none, and hardly
    ever stand behind a "not": one that does denies the value.
    """

    phrases: Mapping[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    answers: frozenset[str] = frozenset()
    values: frozenset[bytes] = frozenset()
    leads: frozenset[str] = frozenset()

    @classmethod
    def learn(cls, rows: Iterable[tuple[str, str]]) -> "Sayings":
        """What rows of (product, copy) say, a product counted once whatever its copies."""
        copies: dict[str, list[list[str]]] = {}
        for product, copy in rows:
            if product in copies or len(copies) < _MOST_PRODUCTS:
                copies.setdefault(product, []).append(tokens(copy))
        known = {product: attributes(product) for product in copies}
        copies = {product: each for product, each in copies.items() if known[product]}
        pairs = [known[product] for product in copies]
        said = [list(each) for each in copies.values()]
        values = _values([*copies], pairs, said)
        return cls(_phrases(pairs, said), answers(pairs, said), values, leads(pairs, said))

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> "Sayings":
        """What an adapter's `info` says; nothing for one that does not say, such as all of before. Raises
        BadAdapter."""
        said = info.get("sayings")
        if said is None:
            return cls()
        told = _Told.read(said)
        try:
            if told is None:
                raise ValueError
            raw = base64.b64decode(told.values, validate=True)
        except (ValueError, binascii.Error):
            raise BadAdapter("what it knows of its products' words cannot be used; train it again") from None
        hashes = frozenset(raw[at : at + _BYTES] for at in range(0, len(raw), _BYTES))
        phrases = {phrase: (key, frozenset(values)) for phrase, (key, values) in told.phrases.items()}
        return cls(phrases, frozenset(told.answers), hashes, frozenset(told.leads))

    def to_info(self) -> dict[str, Any]:
        """As it stands in an adapter's `info["sayings"]`."""
        values = base64.b64encode(b"".join(sorted(self.values))).decode()
        phrases = {phrase: (key, tuple(sorted(values))) for phrase, (key, values) in self.phrases.items()}
        keys, words = (tuple(sorted(each)) for each in (self.answers, self.leads))
        return _Told(phrases=phrases, answers=keys, values=values, leads=words).to_info()

    def claims(self, text: str, product: str) -> Claims:
        """What of a text its product does not hold: numbers and names, as `claims.unsupported` finds them, values, and
        values that are denied."""
        found, said = unsupported(text, product), plain(text)
        seen = {plain(each) for each in (*found.numbers, *found.names)}
        spans = sorted({*self.contradicted(said, product), *self.denied(said, product)})
        values = (said[slice(*span)] for span in spans)
        return replace(found, values=tuple(each for each in values if not any(part in each for part in seen)))

    def __bool__(self) -> bool:
        return bool(self.phrases or self.answers or self.values or self.leads)

    def contradicted(self, text: str, product: str) -> list[tuple[int, int]]:
        """Where a text says what its product does not hold: first character and the one after the last, in order, of
        words next to each other as one.

        text: in lower case and NFKC, as `claims.plain` makes it. What stands word by word in the product is no
        contradiction.
        """
        if not self:
            return []
        pairs, words = attributes(product), spots(text)
        own = _joined(pairs)
        found = {*otherwise(words, dict(pairs), self.answers)}
        held: str | None = None  # the product's words, where they are asked for
        for first, (phrase, begin, end) in enumerate(words):
            for last in range(first, min(len(words), first + LONGEST_VALUE)):
                if last > first:
                    word, _, end = words[last]
                    phrase = f"{phrase} {word}"
                if self._rules_out(phrase, own) or _hash(phrase) in self.values:
                    held = f" {' '.join(tokens(product))} " if held is None else held
                    if f" {phrase} " not in held:
                        found.add((begin, end))
        spans: list[tuple[int, int]] = []
        for first, last in sorted(found):
            if spans and not text[spans[-1][1] : first].strip():
                first, last = spans[-1][0], max(spans.pop()[1], last)
            spans.append((first, last))
        return spans

    def denied(self, text: str, product: str) -> list[tuple[int, int]]:
        """Where a text denies what its product holds, as `denials` finds it. text: as for `contradicted`."""
        return denials(text, product, self.leads)

    def _rules_out(self, phrase: str, own: Mapping[str, str]) -> bool:
        if phrase not in self.phrases:
            return False
        key, values = self.phrases[phrase]
        return own.get(key, "") in values


def _phrases(pairs: Pairs, said: Copies) -> dict[str, tuple[str, frozenset[str]]]:
    """Each phrase speaks of the attribute that tells most about where it stands (by the likelihood ratio G, less twice
    its free values, as Akaike's criterion). It contradicts the values with which it would have stood `_EXPECTED` times
    and hardly ever did, whichever single attribute is asked how often."""
    keys = _Coded.of([_joined(each) for each in pairs])
    found: dict[str, tuple[float, str, frozenset[str]]] = {}
    for phrase, where in _places(said).items() if keys else ():
        tellings = [key.telling(where) for key in keys]
        own = int(np.argmax(tellings))
        if tellings[own] < _TELLING:
            continue
        key, seen = keys[own], keys[own].seen(where)
        least = key.counts * len(where) / len(pairs)
        for other, beside in enumerate(keys):
            if other != own:
                least = np.minimum(least, key.beside[other] @ beside.rates(where))
        hardly = np.flatnonzero((least >= _EXPECTED) & (seen <= _FEW * least))
        if against := frozenset(key.values[at] for at in hardly) - {_RARE}:
            found[phrase] = tellings[own], key.name, against
    strongest = sorted(found, key=lambda phrase: -found[phrase][0])[: 2 * _MOST_PHRASES]
    kept: dict[str, tuple[str, frozenset[str]]] = {}
    for phrase in sorted(strongest, key=lambda phrase: phrase.count(" ")):
        _, name, values = found[phrase]
        shorter = [kept[part] for part in _parts(phrase) if part in kept]
        if len(kept) < _MOST_PHRASES and not any(name == k and values <= v for k, v in shorter):
            kept[phrase] = name, values
    return kept


@dataclass(frozen=True)
class _Coded:
    """A key over all products.

    values: what it says, "" where it is not there, all that are rare as one, `[values]`; codes: of each product the
    value's index; counts: products of each value; beside: for each key the products of each value of this one and of
    that one, `[values, its values]`.
    """

    name: str
    values: list[str]
    codes: Any
    counts: Any
    beside: list[Any]

    @classmethod
    def of(cls, own: Sequence[Mapping[str, str]]) -> "list[_Coded]":
        """The commonest keys of products."""
        names = [name for name, _ in Counter(key for each in own for key in each).most_common(_MOST_KEYS)]
        told, found = [], []
        for name in names:
            said = [each.get(name, "") for each in own]
            common = {value for value, count in Counter(said).most_common(_MOST_EACH) if count >= _EXPECTED}
            told.append(np.unique([v if v in common else _RARE for v in said], return_inverse=True))
        for name, (values, codes) in zip(names, told, strict=True):
            beside = []
            for others, theirs in told:
                table = np.zeros((len(values), len(others)))
                np.add.at(table, (codes, theirs), 1)
                beside.append(table)
            found.append(cls(name, [*map(str, values)], codes, np.bincount(codes), beside))
        return found

    def seen(self, where: Any) -> Any:
        """How many of these products have each value."""
        return np.bincount(self.codes[where], minlength=len(self.values))

    def rates(self, where: Any) -> Any:
        """Which share of the products of each value are among these, drawn towards that of all where they are few."""
        rate = len(where) / len(self.codes)
        return (self.seen(where) + _EXPECTED * rate) / (self.counts + _EXPECTED)

    def telling(self, where: Any) -> float:
        """How much more likely it is that these products have their values than by chance."""
        seen, expected = self.seen(where), self.counts * len(where) / len(self.codes)
        there = seen > 0
        ratio = 2 * float((seen[there] * np.log(seen[there] / expected[there])).sum())
        return ratio - 2 * (int((expected >= 1).sum()) - 1)


def _places(said: Copies) -> dict[str, Any]:
    """Each phrase that enough products say: their indices."""
    places: dict[str, list[int]] = {}
    for index, copies in enumerate(said):
        for phrase in {phrase for copy in copies for phrase, _ in _grams(copy, _LONGEST)}:
            places.setdefault(phrase, []).append(index)
    return {phrase: np.array(where) for phrase, where in places.items() if len(where) >= _EXPECTED}


def _values(
    products: Sequence[str],
    pairs: Pairs,
    said: Copies,
) -> frozenset[bytes]:
    """Values that copy writes as they are, for products that have them and hardly for others.

    One word (of Chinese up to four characters) may be a word like any other: that it is none must be likely (by
    Laplace's rule), of what is said for products that have it, or of all products that have not.
    """
    every = {" ".join(words) for each in pairs for _, value in each if (words := said_as_is(value))}
    right, wrong = Counter[str](), Counter[str]()
    for product, copies in zip(products, said, strict=True):
        held = f" {' '.join(tokens(product))} "
        for phrase in {phrase for copy in copies for phrase, _ in _grams(copy, LONGEST_VALUE)} & every:
            (right if f" {phrase} " in held else wrong)[phrase] += 1

    def sure(phrase: str, count: int) -> bool:
        if len(phrase) > _ONE_WORD and " " in phrase:
            return wrong[phrase] <= _FEW * count
        others = len(products) - count
        return wrong[phrase] + 1 <= max(_FEW * (count + 2), _SELDOM * (others + 2))

    chosen = sorted(((count, phrase) for phrase, count in right.items() if sure(phrase, count)), reverse=True)
    return frozenset(_hash(phrase) for _, phrase in chosen[:_MOST_VALUES])


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Of each key all values as one."""
    found: dict[str, str] = {}
    for key, value in pairs:
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _grams(words: Sequence[str], longest: int) -> Iterator[tuple[str, int]]:
    """All runs of up to so many words, and how many they are."""
    for first in range(len(words)):
        for size in range(1, min(longest, len(words) - first) + 1):
            yield " ".join(words[first : first + size]), size


def _parts(phrase: str) -> Iterator[str]:
    words = phrase.split(" ")
    return (part for part, size in _grams(words, len(words)) if size < len(words))


def _hash(phrase: str) -> bytes:
    return hashlib.blake2b(phrase.encode(), digest_size=_BYTES).digest()
