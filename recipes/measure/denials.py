"""What a text denies of its product, by words that stand behind a "not".

    pets: yes          "not pet friendly"                a yes that is denied
    near: Blue Gate    "not located near the Blue Gate"  a value that is denied: "located near" leads to it
    type: café         "not pet friendly café"           none: copy says so, and "pet friendly" is no lead

Which keys of yes and no can be read so, and which words lead to values, is learned from copy that knows its products.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from recipes.measure.claims import LONGEST_VALUE, answer, attributes, is_one, key_words, said_as_is, spots

_BEFORE = 4  # words in which a "not" stands before what it denies
_LEAST_WORDS = 3  # times that copy speaks of a yes or no, before it is believed
_WRONG = 0.1  # share of them that counts as an error of the data
_LONGEST = 3  # words that lead to a value
_DENIED = 0.01  # share of what leads to a value that may stand behind a "not"
_NOT = frozenset(
    "no not non never without isn't aren't wasn't weren't hasn't haven't doesn't don't didn't cannot can't couldn't "
    "won't 不 非 没 无 未 勿 禁".split()
)
# That deny a value next to them: "without red tape" denies no red.
_BESIDE = _NOT - {"no", "never", "without"}
_ASKED = "why"  # before a "not" that denies nothing
_ARTICLES = frozenset({"a", "an", "the"})  # say nothing of what leads to a value

Pairs = Sequence[Sequence[tuple[str, str]]]
"""Of each product its `claims.attributes`."""
Copies = Sequence[Sequence[list[str]]]
"""Of each product its copies as `claims.tokens`."""


def answers(pairs: Pairs, said: Copies) -> frozenset[str]:
    """Keys of yes and no whose denial, as it is read here, agrees with the products."""
    right, every = Counter[str](), Counter[str]()
    for own, copies in zip(map(dict, pairs), said, strict=True):
        for key, value in own.items():
            if (wanted := answer(value)) is None:
                continue
            for copy in copies:
                for _, _, denied in _mentions(key, copy):
                    every[key] += 1
                    right[key] += denied != wanted
    return frozenset(
        key for key, count in every.items() if count >= _LEAST_WORDS and right[key] >= (1 - _WRONG) * count
    )


def otherwise(
    words: Sequence[tuple[str, int, int]], own: Mapping[str, str], keys: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Where a text answers otherwise than its product, whose values are `own`: first character and the one after the
    last. words: of the text, as `claims.spots` finds them; keys: of yes and no, as `answers` finds them."""
    for key in keys & own.keys():
        wanted = answer(own[key])
        for first, last, denied in _mentions(key, [word for word, _, _ in words]):
            if wanted is not None and denied == wanted:
                yield words[first][1], words[last - 1][2]


def leads(pairs: Pairs, said: Copies) -> frozenset[str]:
    """Words before a product's own value behind which copy hardly ever has a "not" (by Laplace's rule), "" for none. A
    product is counted once, whatever its copies."""
    every, denied = Counter[str](), Counter[str]()
    for own, copies in zip(map(_values, pairs), said, strict=True):
        found = {
            (" ".join(words[first:at]), first > 0 and words[first - 1] in _NOT)
            for words in map(_bare, copies)
            for first, at, _ in _led(words, own)
        }
        every.update({lead for lead, _ in found})
        denied.update({lead for lead, is_denied in found if is_denied})
    return frozenset(lead for lead, count in every.items() if denied[lead] + 1 <= _DENIED * (count + 2))


def denials(text: str, product: str, known: frozenset[str]) -> list[tuple[int, int]]:
    """Where a text denies a value that its product holds: first character, of the "not", and the one after the last.

    text: as `claims.plain` makes it; a "no" with a comma behind it denies nothing, nor does a question. known: words
    that lead to values, as `leads` finds them.
    """
    words = [spot for spot in spots(text) if spot[0] not in _ARTICLES]
    every = [word for word, _, _ in words]
    if not known or _NOT.isdisjoint(every):
        return []
    found = []
    for first, at, last in _led(every, _values(attributes(product))):
        if not first or every[first - 1] not in (_NOT if first < at else _BESIDE):
            continue
        (_, begin, behind), end = words[first - 1], words[last - 1][2]
        parted = any(not each.isalnum() and each not in " -" for each in text[behind : words[first][1]])
        asked = every[first - 2 : first - 1] == [_ASKED] or text[end:].lstrip().startswith("?")
        if " ".join(every[first:at]) in known and not parted and not asked and is_one(text[begin:end]):
            found.append((begin, end))
    return found


def _mentions(key: str, words: Sequence[str]) -> Iterator[tuple[int, int, bool]]:
    """Where words speak of a key of yes and no, from what denies it on, and whether something does."""
    wanted = key_words(key)
    at = 0
    while at < len(words):
        if not any(words[at : at + len(each)] == each for each in wanted):
            at += 1
            continue
        first = at
        while at < len(words) and any(words[at] in each for each in wanted):
            at += 1
        before = range(max(0, first - _BEFORE), first)
        denial = next((place for place in before if words[place] in _NOT), None)
        yield (first if denial is None else denial), at, denial is not None


def _led(words: Sequence[str], values: Collection[str]) -> Iterator[tuple[int, int, int]]:
    """Where values stand in a text: for each number of words that may lead to one, up to `_LONGEST` and none of them a
    "not", where these begin, where the value does, and where it ends."""
    for at in range(len(words)):
        for last in range(at + 1, min(len(words), at + LONGEST_VALUE) + 1):
            if " ".join(words[at:last]) in values:
                for first in range(at, max(0, at - _LONGEST) - 1, -1):
                    if first < at and words[first] in _NOT:
                        break
                    yield first, at, last


def _values(pairs: Sequence[tuple[str, str]]) -> set[str]:
    """A product's values that a text may hold as they are, without articles."""
    return {" ".join(words) for _, value in pairs if (words := _bare(said_as_is(value)))}


def _bare(words: Sequence[str]) -> list[str]:
    return [word for word in words if word not in _ARTICLES]
