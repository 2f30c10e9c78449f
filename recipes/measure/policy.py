"""What an ad text may say: a policy's rules, and which of them a text breaks.

    banned    terms that must not stand in it, except inside an allowed phrase
    required  disclaimers that must
    limits    how long it may be, as its platform counts
    facts     whether every number, and every value that is known from training, must come from the product
    named     attributes of the product whose values must stand in it

Nothing is judged by a model, so that the same text always gets the same verdict. What words alone do not show is not
seen: claims in other words, numbers in words (twelve, 五折), letters of another alphabet that look alike.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from importlib import resources
from typing import TYPE_CHECKING, Literal, TypeVar

from recipes.errors import RecipeError
from recipes.measure.claims import CJK, DASHES, amount, attributes, is_one, key_words, plain, unnamed

if TYPE_CHECKING:
    from recipes.measure.sayings import Sayings

_Found = TypeVar("_Found")
Kind = Literal["banned", "denied", "missing", "too long", "unnamed", "unsupported"]
Span = tuple[int, int]
"""First character, and the one after the last."""

_CLUSTER = re.compile(r"(?s).[\u0300-\u036f]*")  # a character and the accents on it
# A letter or digit of the alphabets that part words by spaces: Latin, Greek, Cyrillic.
_LETTER = "[^\\W\u0530-\U0010ffff]"
_NUMBER = re.compile(
    r"(?:(?P<before>百分之|[$€£¥]) ?)?(?P<digits>\d+(?:[.,]\d+)*)(?: ?(?P<after>%|per ?cent\b|[$€£¥](?!\d)))?"
)
_BEGUN = re.compile(r"(?:(?P<before>百分之|[$€£¥]) ?)?(?P<digits>\d[\d.,]*)")
_SHORT = 1_000  # characters
_THOUSANDS = re.compile(r"(?<=\d)(?=(?:\d{3})+$)")


def _remembered(function: Callable[..., _Found]) -> Callable[..., _Found]:
    """A function of texts that remembers what it found of short ones: what clients send may be of any length."""
    known = lru_cache(maxsize=4096)(function)

    @wraps(function)
    def found(*texts: str) -> _Found:
        return known(*texts) if sum(map(len, texts)) <= _SHORT else function(*texts)

    return found


@dataclass(frozen=True)
class Limit:
    """The longest text, in characters; with `double`, wide characters (Chinese, full-width forms) count two."""

    most: int
    double: bool = False


@dataclass(frozen=True)
class Policy:
    """The rules for a text; one without rules is false. Terms and phrases are compared as `violations` says.

    allowed: phrases that are fine although a banned term or a number stands in them. named: keys of the product's
    attributes; all_named: that it is all of them. sayings: with facts, what is known of how copy names values.
    """

    banned: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    facts: bool = False
    named: tuple[str, ...] = ()
    all_named: bool = False
    sayings: "Sayings | None" = None

    def __bool__(self) -> bool:
        return self != Policy(allowed=self.allowed)

    def knowing(self, sayings: "Sayings") -> "Policy":
        """With what is known of how copy names values, where every claim must come from the product."""
        return replace(self, sayings=sayings) if self.facts else self

    def tightened(self, more: "Policy") -> "Policy":
        """Both policies' rules: a phrase stays allowed only where the other side's terms leave it so, too.

        Raises RecipeError where no text could keep both, and where `more` requires what is banned here.
        """
        own, other = (Policy(each.banned, each.allowed + each.required) for each in (self, more))
        both = Policy(
            _once(self.banned + more.banned),
            _once(
                [
                    *(phrase for phrase in self.allowed if not violations(phrase, "", other)),
                    *(phrase for phrase in more.allowed if not violations(phrase, "", own)),
                ]
            ),
            _once(self.required + more.required),
            self.limits + more.limits,
            self.facts or more.facts,
            _once(self.named + more.named),
            self.all_named or more.all_named,
        )
        held = [
            f"{text!r} is required, but {found}"
            for text in more.required
            for found in violations(text, "", own)
        ]
        if problems := [*held, *conflicts(both)]:
            raise RecipeError(dict.fromkeys(problems))
        return both


@dataclass(frozen=True)
class Violation:
    """One rule that a text breaks.

    what: the banned term or the missing disclaimer as the policy has it, the number or the denial as the text has it,
    "over 30 characters (31)", or "colour: red". where: first character and the one after the last, in the text; None
    for what is missing or not named.
    """

    kind: Kind
    what: str
    where: Span | None = None

    def __str__(self) -> str:
        if self.kind == "banned":
            return f"{self.what!r} is banned"
        if self.kind == "denied":
            return f"{self.what!r} denies what the product has"
        if self.kind == "missing":
            return f"{self.what!r} is missing"
        if self.kind == "too long":
            return f"it is {self.what}"
        if self.kind == "unnamed":
            return f"{self.what!r} is not named"
        return f"{self.what!r} is not in the product"


def violations(text: str, product: str, policy: Policy) -> list[Violation]:
    """Every rule of the policy that a text breaks: banned terms and numbers in the text's order, then what is missing,
    what is not named, and what is too long. product: its text, as `ad_copy.render` makes it.

    Text and terms are compared in Unicode's NFKC_Casefold, so that full-width letters, capitals and invisible
    characters make no difference, nor do kinds of dashes, spaces and apostrophes ("risk-free" is "risk free"). Terms in
    letters are whole words: "best" stands in "best-loved", not in "bestow". Chinese terms stand anywhere, also across a
    space. What stands inside an allowed phrase or a required disclaimer is no violation, and of terms and numbers one
    inside the other only the longest is told. A banned term in the product's name is banned too; to let the name
    pass, allow it.

    Numbers are compared by value (1,000 is 1000) with every number of the product, its name included. A percentage
    needs a percentage in the product; a price with a currency's sign must not stand there with another sign.

    A value is named as `claims.coverage` says, its numbers by value as above. What a product does not have need not be
    named, nor what words do not name: ★★★, or a yes to a key without a word of four letters.
    """
    folded, spans = _fold(text)
    terms = {span: term for term in policy.banned for span in _spans(term, folded)}
    numbers = _unsupported(folded, product) if policy.facts else []
    numbers += policy.sayings.contradicted(folded, product) if policy.sayings else []
    denied = [] if policy.sayings is None else policy.sayings.denied(folded, product)
    denied = [each for each in denied if is_one(text[spans[each[0]][0] : spans[each[1] - 1][1]])]
    found = {*terms, *numbers, *denied}
    excused = [span for phrase in policy.allowed + policy.required for span in _spans(phrase, folded)]
    broken = []
    for span in sorted(found):
        if span not in excused and not any(_inside(span, other) for other in [*terms, *numbers, *excused]):
            where = (spans[span[0]][0], spans[span[1] - 1][1])
            kind: Kind = "banned" if span in terms else "denied" if span in denied else "unsupported"
            broken.append(Violation(kind, terms.get(span, text[slice(*where)]), where))
    broken += [Violation("missing", each) for each in policy.required if not any(_spans(each, folded))]
    broken += [Violation("unnamed", f"{key}: {value}") for key, value in _unnamed(folded, product, policy)]
    return broken + [each for limit in policy.limits for each in _too_long(text, limit)]


def stays(violation: Violation, text: str, policy: Policy) -> bool:
    """Whether a violation of the beginning of a text remains, however the text goes on.

    "best" may become "bestow", "1" may become "1,000", and 第一 may become the allowed 第一次.
    """
    if violation.where is None or violation.kind == "too long":
        return violation.kind == "too long"
    start, stop = violation.where
    if _fold(text[stop:])[0] in ("", ".", ","):
        return False
    return not begins_phrase(start, text, policy)


def begins_phrase(start: int, text: str, policy: Policy) -> bool:
    """Whether the end of a text, from this character or one before it on, begins a phrase that is allowed or required,
    as 第一 begins 第一次."""
    written, spans = _fold(text)
    first = next(at for at, (begin, _) in enumerate(spans) if begin >= start)
    begun = [_close(written[at:]) for at in range(first + 1)]
    phrases = [_close(normal(phrase)) for phrase in policy.allowed + policy.required]
    return any(phrase.startswith(tail) for tail in begun for phrase in phrases)


def begins_number(begun: str, product: str) -> bool:
    """Whether a number at the end of a text begins one that the product holds, as "$1," begins $1,000."""
    match = _BEGUN.fullmatch(_fold(begun)[0])
    if match is None:
        return False
    unit = "%" if match["before"] == "百分之" else match["before"] or ""
    for held in _NUMBER.finditer(_fold(product)[0]):
        size, own = _value(held)
        whole, dot, rest = size.partition(".")
        forms = (held["digits"], size, _THOUSANDS.sub(",", whole) + dot + rest)
        if _backs((size, own), size, unit) and any(form.startswith(match["digits"]) for form in forms):
            return True
    return False


def missing(text: str, policy: Policy) -> list[str]:
    """The disclaimers that a text lacks."""
    folded = _fold(text)[0]
    return [each for each in policy.required if not any(_spans(each, folded))]


def width(text: str, double: bool) -> int:
    """Characters of a text; with `double`, those that Unicode's East Asian Width (UAX #11) calls wide or full-width
    count two, as ad platforms count them."""
    return sum(2 if double and unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def conflicts(policy: Policy) -> list[str]:
    """Why no text can keep a policy, one sentence each: required texts that are banned, or too long for a limit."""
    banned = {normal(term) for term in policy.banned}
    problems = [
        f"{each!r} is banned and required; keep one" for each in policy.required if normal(each) in banned
    ]
    problems += [
        f"{each!r} is required and has {width(each, limit.double)} characters, but {limit.most} fit; shorten it"
        for limit in policy.limits
        for each in policy.required
        if width(each, limit.double) > limit.most
    ]
    return problems


def faults(terms: Sequence[str]) -> list[str]:
    """What is wrong with a list of terms, one sentence each: empty ones, and those that stand twice."""
    same = [normal(term) for term in terms]
    twice = sorted({term for term, own in zip(terms, same, strict=True) if own and same.count(own) > 1})
    problems = ["holds an empty term; write some characters, or take it out"] if "" in same else []
    return problems + ([f"names {', '.join(twice)} more than once; name each term once"] if twice else [])


@lru_cache
def ready(name: str) -> Policy:
    """A list of `policies/` by name, as a policy that bans its terms and allows the phrases below them."""
    text = (resources.files("recipes") / "measure" / "policies" / f"{name}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("# ")]
    banned = tuple(line for line in lines if not line.startswith(" "))
    return Policy(
        banned, tuple(part.strip() for line in lines if line.startswith(" ") for part in line.split(","))
    )


@_remembered
def normal(term: str) -> str:
    """A term in the form in which terms are compared; empty for one without visible characters."""
    return _fold(term)[0].strip()


def _fold(text: str) -> tuple[str, list[Span]]:
    """A text as terms are looked for in it, and for each of its characters the first and after the last of those in
    the text that it stands for. NFKC_Casefold of the Unicode Standard, section 3.13, and one space for each run of
    spaces and dashes."""
    folded: list[str] = []
    spans: list[Span] = []
    last = ""
    for cluster in _CLUSTER.finditer(text):
        written = cluster[0]
        for each in _folded(written):
            if each != " " or last != " ":
                folded.append(each)
                spans.append(cluster.span())
                last = each
    return "".join(folded), spans


@_remembered
def _folded(cluster: str) -> str:
    """A character and its accents in the form in which they are compared, gaps as spaces."""
    seen = (each for each in plain(cluster) if unicodedata.category(each) != "Cf")
    return "".join(" " if each.isspace() or each in DASHES else each for each in seen)


@_remembered
def _pattern(term: str) -> re.Pattern[str]:
    written = normal(term)
    body = re.sub(f"(?<=[{CJK}])(?=[{CJK}])", " ?", re.escape(written))
    before = f"(?<!{_LETTER})" if re.match(_LETTER, written) else ""
    after = f"(?!{_LETTER})" if re.match(_LETTER, written[-1:]) else ""
    return re.compile(before + body + after)


def _close(folded: str) -> str:
    """Without the spaces after Chinese characters, which `_pattern` skips."""
    return re.sub(f"(?<=[{CJK}]) ", "", folded)


def _once(terms: Sequence[str]) -> tuple[str, ...]:
    return tuple({normal(term): term for term in terms}.values())


def _spans(term: str, folded: str) -> Iterator[Span]:
    return (match.span() for match in _pattern(term).finditer(folded))


def _inside(span: Span, other: Span) -> bool:
    """Whether a span is a smaller part of another."""
    return span != other and other[0] <= span[0] and span[1] <= other[1]


def _unsupported(folded: str, product: str) -> list[Span]:
    """Where the numbers stand that the product does not hold."""
    found = [(match.span(), *_value(match)) for match in _NUMBER.finditer(folded)]
    if not found:
        return []
    held = {_value(match) for match in _NUMBER.finditer(_fold(product)[0])}
    return [span for span, size, unit in found if not any(_backs(each, size, unit) for each in held)]


def _unnamed(folded: str, product: str, policy: Policy) -> list[tuple[str, str]]:
    """(key, value) of what a text should name and does not."""
    keys = {normal(key) for key in policy.named}
    pairs = dict.fromkeys(attributes(product)) if keys or policy.all_named else {}
    wanted = [(key, value) for key, value in pairs if policy.all_named or normal(key) in keys]
    said = _in_one_form(folded) if wanted else ("", frozenset())
    return [pair for pair in wanted if not _is_named(*pair, *said) and _can_be_named(*pair)]


@_remembered
def _can_be_named(key: str, value: str) -> bool:
    """Whether a text that says key and value names it."""
    words = [word for each in key_words(key) for word in each]
    return _is_named(key, value, *_in_one_form(_fold(" ".join([*words, value]))[0]))


def _is_named(key: str, value: str, said: str, numbers: frozenset[tuple[str, str]]) -> bool:
    """said, numbers: a text as `_in_one_form` gives it."""
    own, held = _form(value)
    return all(any(_backs(each, *number) for each in numbers) for number in held) and not unnamed(
        said, [(key, own)]
    )


@_remembered
def _form(value: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return _in_one_form(_fold(value)[0])


def _in_one_form(folded: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """A text with its numbers as they are compared, 1,000 as 1000, and their values."""
    text = _NUMBER.sub(lambda match: match[0].replace(match["digits"], amount(match["digits"])), folded)
    return text, frozenset(_value(match) for match in _NUMBER.finditer(folded))


def _value(match: re.Match[str]) -> tuple[str, str]:
    """A number's digits in one form, and its unit: "%", a currency's sign, or ""."""
    unit = match["before"] or match["after"] or ""
    return amount(match["digits"]), "%" if unit.startswith(("百", "%", "per")) else unit


def _backs(held: tuple[str, str], size: str, unit: str) -> bool:
    if held[0] != size:
        return False
    return unit in ("", held[1]) or (unit != "%" and held[1] == "")


def _too_long(text: str, limit: Limit) -> list[Violation]:
    size = width(text, limit.double)
    if size <= limit.most:
        return []
    fits = next(at for at in range(len(text), -1, -1) if width(text[:at], limit.double) <= limit.most)
    return [Violation("too long", f"over {limit.most} characters ({size})", (fits, len(text)))]
