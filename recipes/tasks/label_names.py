"""Labels as a file writes them, made one where they differ in nothing that a reader could see."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from functools import lru_cache

# Characters that have no width and no meaning: they come out of web pages and spreadsheets.
_NOTHING = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))
# Those that some scripts need, and that no reader sees in others: only what looks alike is told.
UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe0e\ufe0f\ufeff]")

_ENDS = " .,;:!?\u3001\u3002"  # what ends a sentence and says nothing; those of full width are these in NFKC
_NUMBER = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})(e[+-]?\d{1,3})?")
_EXACT = Context(prec=100)


@lru_cache(maxsize=4096)
def plain_label(text: str) -> str:
    """A label in NFC, with single spaces in place of other white space and nothing that has no width."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_NOTHING))
    return " ".join(text.split())


def meaning(text: str, labels: Mapping[str, int | str]) -> int | str | None:
    """What `data.labels` says that a value of the file means, as it stands there or as `plain_label` makes both;
    None where it says nothing."""
    if text in labels:
        return labels[text]
    plain = plain_label(text)
    return next((means for value, means in labels.items() if plain_label(value) == plain), None)


def look_alike(rows: Counter[str]) -> list[str]:
    """A sentence for each set of labels that look the same: in another case, width or form, with a full stop behind
    them, or as numbers.

    rows: label -> its rows.
    """
    alike: dict[str, list[str]] = {}
    for label in rows:
        alike.setdefault(_seen(label), []).append(label)
    return [_told(each, rows) for each in alike.values() if len(each) > 1]


def joined(rows: Counter[str]) -> list[str]:
    """A sentence where labels seem to be several with a separator between them: each part comes in other labels too.

    rows: label -> its rows.
    """
    for separator in ";|,":
        parts = {label: {part.strip() for part in label.split(separator)} for label in rows}
        often = Counter(part for each in parts.values() for part in each)
        several = [label for label in rows if len(parts[label]) > 1]
        known = [label for label in several if min(often[part] for part in parts[label]) > 1]
        if known and 2 * len(known) > len(several):
            first, told = max(known, key=lambda label: rows[label]), sum(rows[label] for label in several)
            return [
                f"labels of {told:,} rows hold {separator!r}, such as {first!r}, and are learned as one label each; if "
                f"they are several, say so: --set 'data.separator={separator}'"
            ]
    return []


def _told(alike: Iterable[str], rows: Counter[str]) -> str:
    first, *others = sorted(alike, key=lambda label: (-rows[label], label))
    told = ", ".join(f"{_quoted(label)} ({rows[label]:,} rows)" for label in (first, *others))
    return (
        f"labels that look alike are learned apart: {told}; if they are one, say so in data.labels, such as "
        f"{{{others[0]!r}: {first!r}}}"
    )


def _quoted(label: str) -> str:
    """A label in quotes, with escapes where it holds characters that nobody sees."""
    return ascii(label) if UNSEEN.search(label) else repr(label)


def _seen(label: str) -> str:
    """What labels that look alike have in common."""
    plain = UNSEEN.sub("", unicodedata.normalize("NFKC", label)).casefold()
    plain = " ".join(unicodedata.normalize("NFKC", plain).split())
    plain = plain.rstrip(_ENDS) or plain
    # Exactly: as floats, ids of 20 digits would be one.
    return str(Decimal(plain).normalize(_EXACT)) if _NUMBER.fullmatch(plain) else plain
