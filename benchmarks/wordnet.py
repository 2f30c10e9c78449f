"""A file of synonyms for the words of some texts, out of WordNet 3 as Debian's `wordnet-base` installs it.

A word's synonyms are the lemmas of its first sense, in the part of speech in which it is tagged most often; each word
is in one group at most, the words that come most often first. It is what somebody without a list of their own can have
in a minute, and knows nothing of the client's field.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

FOLDER = Path("/usr/share/wordnet")
PACKAGE = "wordnet-base"
_KINDS = ("noun", "verb", "adj", "adv")
_TERM = re.compile(r"[a-z]+( [a-z]+)*")


def groups(texts: Iterable[str]) -> list[list[str]]:
    """Groups of at least two terms, in lower case; a word of the texts is the first of each."""
    senses = dict(_first_senses())
    lemmas = {kind: (FOLDER / f"data.{kind}").read_bytes() for kind in _KINDS}
    taken: set[str] = set()
    found = []
    counts = Counter(word for text in texts for word in re.findall(r"[a-z]+", text.casefold()))
    for word, _ in counts.most_common():
        if word in taken or word not in senses or word in ENGLISH_STOP_WORDS or len(word) < 3:
            continue  # "I" is iodine too
        _, kind, place = senses[word]
        terms = {word: None} | dict.fromkeys(_lemmas(lemmas[kind], place))
        free = [term for term in terms if term not in taken and _TERM.fullmatch(term)]
        if len(free) > 1:
            found.append(free)
            taken.update(free)
    return found


def _first_senses() -> Iterator[tuple[str, tuple[int, str, int]]]:
    """Word -> how often it is tagged in its most tagged part of speech, which that is, and where its first sense is.

    A line of an index: lemma pos senses pointers [pointer ...] senses tagged offset [offset ...].
    """
    best: dict[str, tuple[int, str, int]] = {}
    for kind in _KINDS:
        for line in (FOLDER / f"index.{kind}").read_text(encoding="ascii").splitlines():
            if line.startswith(" "):
                continue
            lemma, _, _, pointers, *rest = line.split()
            _, tagged, place = rest[int(pointers) : int(pointers) + 3]
            if lemma not in best or int(tagged) > best[lemma][0]:
                best[lemma] = int(tagged), kind, int(place)
    yield from best.items()


def _lemmas(data: bytes, place: int) -> list[str]:
    """Of the sense at this place. A line of data: offset file type count(hex) [lemma id ...] ..."""
    _, _, _, count, *rest = data[place : data.index(b"\n", place)].decode("ascii").split()
    return [lemma.partition("(")[0].replace("_", " ").casefold() for lemma in rest[: 2 * int(count, 16) : 2]]
