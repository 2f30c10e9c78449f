"""What an advertising text says about its product: attributes that it covers, and claims that nothing supports.

A product is a text in one of four shapes; `attributes` reads the first three, free text has none:

    name: Alpine trail shoe        name[Blue Spice], area[riverside]        类型#裙*颜色#白色
    category: shoes
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)*")
_BRACKETS = re.compile(r"\s*([^\[\],]+)\[([^\[\]]*)\]\s*(?:,|$)")
_LINE = re.compile(r"^([^:：\n]{1,40})[:：][ \t]*(\S.*)$")
# Several values in one attribute; a comma between digits belongs to a number.
_VALUES = re.compile(r"\s*(?:[;、；，|]|(?<!\d),|,(?!\d))\s*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(rf"[^\W\d_{CJK}][^\W_{CJK}]*(?:['’-][^\W_{CJK}]+)*")
_YES, _NO = frozenset({"yes", "true", "是", "有"}), frozenset({"no", "false", "否", "无", "none"})
_APOSTROPHES = str.maketrans("’‘", "''")
DASHES = "-‐–—―−"
_PARTED = re.compile(rf"[\n\r]|\s[{DASHES}]+\s")  # what stands on both sides of it belongs to two phrases
LONGEST_VALUE = 8  # words of a value that is looked for as it is written
# Capitalised for other reasons than being a name: calendar words, and words that carry no claim of their own.
_NO_NAMES = frozenset(
    "i i'm i've i'll i'd ok monday tuesday wednesday thursday friday saturday sunday january february march april "
    "may june july august september october november december a an the it its it's this that these those we you they "
    "he she our your their my his her us them in on at by for with from to of and or but so as is are was be will can "
    "not no yes if when where what who how why all more most every each new now here there".split()
)


@dataclass(frozen=True)
class Claims:
    """Numbers and names in a text that its product does not hold, in the text's order; and values that are not its
    own, as `sayings.Sayings` knows them."""

    numbers: tuple[str, ...]
    names: tuple[str, ...]
    values: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers) + len(self.names) + len(self.values)


def is_chinese(text: str) -> bool:
    """Whether most of a text's tokens are Chinese characters (a word in letters counts as one token)."""
    found = tokens(text)
    return sum(1 for token in found if re.match(f"[{CJK}]", token)) * 2 > len(found)


def tokens(text: str) -> list[str]:
    """Words in lower case, and single Chinese characters: "Nike跑鞋 4.5" -> ["nike", "跑", "鞋", "4", "5"]."""
    return _TOKEN.findall(plain(text))


def spots(text: str) -> list[tuple[str, int, int]]:
    """Its `tokens` of a text that is `plain`, and of each its first character and the one after the last."""
    return [(match[0], *match.span()) for match in _TOKEN.finditer(text)]


def answer(value: str) -> bool | None:
    """Whether a value says yes or no; None for any other value."""
    said = value.casefold()
    return True if said in _YES else False if said in _NO else None


def said_as_is(value: str) -> list[str]:
    """The words of a value that a text may hold as it is: no yes or no and no bare number, which are found apart."""
    words = tokens(value)
    fits = answer(value) is None and len(words) <= LONGEST_VALUE and not all(each.isdigit() for each in words)
    return words if fits else []


def key_words(key: str) -> list[list[str]]:
    """What a text says that speaks of a key of yes or no: a word of at least four letters of it (`familyFriendly`:
    family or friendly), of a Chinese one all its characters."""
    if is_chinese(key):
        return [tokens(key)]
    return [[part] for part in tokens(_parted(key)) if len(part) >= 4]


def attributes(product: str) -> tuple[tuple[str, str], ...]:
    """(key, value) pairs of a product in file order; () for free text. Several values of a key are several pairs."""
    pairs = _hashes(product) or _bracketed(product) or _lines(product)
    return tuple((key, value) for key, values in pairs for value in _VALUES.split(values) if value)


def as_lines(product: str) -> str:
    """A product in brackets or hashes as lines of "key: value", those of one key on one line; any other as it is.

    The words then stand as a text writes them: a tokenizer that parts words at spaces has other tokens for `[Express`
    than for " Express". One hash or bracket alone may stand in free text ("our shoe #1", "Kettle K2 [new]"), and what
    would be read as other `attributes` in lines is left as it is.
    """
    bracketed = _bracketed(product)
    lines: dict[str, dict[str, None]] = {}
    for key, value in _hashes(product) if "*" in product else bracketed if len(bracketed) > 1 else []:
        if value:
            lines.setdefault(key, {})[value] = None
    written = "\n".join(f"{key}: {', '.join(values)}" for key, values in lines.items())
    return written if written and set(attributes(written)) == set(attributes(product)) else product


def coverage(text: str, product: str) -> float | None:
    """Share of the product's different attribute values that the text names; None where the product has none.

    A value is named when its words stand in the text in that order, whatever the case, the hyphens and the full-width
    forms; Chinese values as characters. A value of yes or no, true or false is named when the text speaks of it: when
    it holds a word of at least four letters of the key (`familyFriendly`: "not child-friendly"), or a Chinese key as a
    whole. Synonyms do not count, so that this is a lower bound; human texts do not reach 1 either.
    """
    pairs = list(dict.fromkeys(attributes(product)))
    return (len(pairs) - len(unnamed(text, pairs))) / len(pairs) if pairs else None


def unnamed(text: str, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of a product's `attributes` whose values the text does not name, as `coverage` says it."""
    said = _spaced(text)
    joined = said.replace(" ", "")
    return [(key, value) for key, value in pairs if not _named(key, value, said, joined)]


def is_one(written: str) -> bool:
    """Whether words may belong to one phrase: no line ends in them, and no dash stands alone."""
    return not _PARTED.search(written)


def unsupported(text: str, product: str) -> Claims:
    """Claims that the product does not hold: numbers (prices, sizes, shares) and names.

    A number is unsupported when its digits stand nowhere in the product (1,000 and 1000 are the same). A name is a
    capitalised word inside a sentence, a word with a capital inside (iPhone) or in capitals (BMW), in Chinese text any
    word of two letters or more; it is unsupported when the word is not in the product. Words at the start of a
    sentence, and texts in Title Case, show no names. Spelled numbers and Chinese names (twelve, 耐克) are not seen: a
    lower bound too.
    """
    held_numbers = {amount(number) for number in _NUMBER.findall(unicodedata.normalize("NFKC", product))}
    plain = unicodedata.normalize("NFKC", text)
    numbers = tuple(number for number in _NUMBER.findall(plain) if amount(number) not in held_numbers)
    held = set(tokens(product)) | set(tokens(_parted(product))) | _NO_NAMES
    names = tuple(name for name in _names(plain) if not _is_held(name, held))
    return Claims(numbers, names)


def amount(number: str) -> str:
    """1,000 -> 1000 and 4.50 -> 4.5, so that one amount has one form."""
    number = re.sub(r",(?=\d{3}(?!\d))", "", number).replace(",", ".")
    return number.rstrip("0").rstrip(".") if number.count(".") == 1 else number


def plain(text: str) -> str:
    """In lower case, in Unicode's NFKC, and with straight apostrophes."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)


def _spaced(text: str) -> str:
    """Lower-case words with one space between and around, so that " trail shoe " is found by words."""
    return f" {' '.join(tokens(text))} "


def _named(key: str, value: str, said: str, joined: str) -> bool:
    if answer(plain(value)) is not None:
        if is_chinese(key):
            return "".join(tokens(key)) in joined
        return any(f" {part} " in said for (part,) in key_words(key))
    words = _spaced(value)
    if words.isspace():
        return value in said
    chinese = re.search(f"[{CJK}]", words) is not None
    return words.replace(" ", "") in joined if chinese else words in said


def _parted(text: str) -> str:
    """camelCase keys in words: "priceRange" -> "price Range"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)


def _hashes(product: str) -> list[tuple[str, str]]:
    parts = [part.partition("#") for part in product.strip().split("*")]
    whole = all(sign and key.strip() for key, sign, _ in parts)
    return [(key.strip(), value.strip()) for key, _, value in parts if value.strip()] if whole else []


def _bracketed(product: str) -> list[tuple[str, str]]:
    pairs, at = [], 0
    while at < len(product):
        match = _BRACKETS.match(product, at)
        if match is None:
            return []
        pairs.append((match[1].strip(), match[2].strip()))
        at = match.end()
    return pairs


def _lines(product: str) -> list[tuple[str, str]]:
    """Lines of "key: value"; other lines between them are free text and hold no attribute."""
    matches = [_LINE.match(line.strip()) for line in product.splitlines()]
    return [(match[1].strip(), match[2].strip()) for match in matches if match]


def _names(text: str) -> list[str]:
    if is_chinese(text):
        return [word for word in _WORD.findall(text) if len(word) > 1]
    words = list(_WORD.finditer(text))
    capital = [word for word in words if word[0][0].isupper()]
    long = [word for word in words if len(word[0]) >= 4]
    if (titled := sum(word[0][0].isupper() for word in long)) >= 3 and titled > 0.8 * len(long):
        capital = []  # Title Case: a capital says nothing here
    inside = [word for word in capital if not _starts_sentence(text, word.start())]
    marked = [word for word in words if len(word[0]) > 1 and any(letter.isupper() for letter in word[0][1:])]
    return [word[0] for word in sorted({*inside, *marked}, key=lambda word: word.start())]


def _starts_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \t\"'“‘(*#–—-")
    return not before or before[-1] in ".!?:…\n。！？：;；"


def _is_held(name: str, held: set[str]) -> bool:
    """Whether the product holds a name, its plural or its parts: "Trail-Shoes'" in "trail shoe"."""
    whole = re.sub(r"['’]s?$", "", name.lower())
    parts = [part for part in re.split(r"[-'’]", whole) if part]
    return whole in held or all(part in held or part.removesuffix("s") in held for part in parts)
