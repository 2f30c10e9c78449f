"""E-mail addresses and phone numbers in a client's texts: found, and masked as `<email>` and `<phone>`.

Phone numbers are those that libphonenumber (the package `phonenumbers`) finds valid, and that look like one: prices,
ids, dates and measurements are runs of digits too. A number counts where it begins with +, where its digits are in
groups, or where a word such as "call" or 电话 stands before it; in running text a Chinese mobile number counts too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from recipes.tasks.task import task_for

# Numbers without a country code are read as of these; those of other countries are found where they begin with +.
REGIONS = ("US", "GB", "CN")
_LETTERS = "A-Za-zÀ-ɏЀ-ӿ0-9"  # not Chinese: 邮箱a@b.cn holds a@b.cn
_EMAIL = re.compile(
    rf"(?<![{_LETTERS}._%+'-])[{_LETTERS}._%+'-]{{1,64}}@(?:[{_LETTERS}-]{{1,63}}\.){{1,8}}"
    r"(?!(?:png|jpe?g|gif|svg|webp)\b)[A-Za-z]{2,24}(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_SEVEN_DIGITS = re.compile(r"\d(?:[\s().\-/–]{0,3}\d){6}")
_CALLED = re.compile(
    r"(?<![a-z])(?:(?:tele)?phone|mobile|tel|call|fax|whatsapp|sms|cell)(?![a-z])"
    r"|电话|手机|電話|手機|致电|热线|联系方式",
    re.IGNORECASE,
)
_CHINESE_MOBILE = re.compile(r"1[3-9]\d{9}")
_DATE = re.compile(r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?(?!\d)|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d(?!\d)")
_IP_ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_BEFORE = 24  # characters before a number in which a word may call it one


@dataclass(frozen=True, slots=True)
class Private:
    """An address or a number: text[start:end]."""

    kind: Literal["email", "phone"]
    start: int
    end: int


def is_masked(handling: str, task: str, role: str) -> bool:
    """Whether what is private in a role's or a feature's texts is masked, in training and in answers alike.

    handling: as `data.pii` says. With allow_own, numbers of the advertiser stay: in an ad, and in all that a task
    which writes reads and learns to write.
    """
    if handling != "allow_own":
        return handling == "mask"
    return role != "ad" and task_for(task).ANSWERS != "texts"


def find(text: str, name: str = "") -> tuple[Private, ...]:
    """What is private in a text, from left to right. name: of its column, which may say that it holds phone numbers."""
    if "@" not in text and _SEVEN_DIGITS.search(text) is None:
        return ()
    return _found(text, name)


def mask(text: str, found: Sequence[Private]) -> str:
    """The text with `<email>` or `<phone>` for each that `find` found."""
    for private in reversed(found):
        text = f"{text[: private.start]}<{private.kind}>{text[private.end :]}"
    return text


def masked(name: str, text: str) -> str:
    """The text of a column with all that is private in it masked."""
    return mask(text, find(text, name))


@lru_cache(maxsize=2**15)  # users and ads come again and again
def _found(text: str, name: str) -> tuple[Private, ...]:
    emails = [Private("email", *match.span()) for match in _EMAIL.finditer(text)]
    phones: list[Private] = []
    if any(_worth_asking(text, match, name) for match in _SEVEN_DIGITS.finditer(text)):
        phones = [each for each in _phones(text, name) if not any(_meet(each, email) for email in emails)]
    return tuple(sorted([*emails, *phones], key=lambda private: private.start))


def _worth_asking(text: str, digits: re.Match[str], name: str) -> bool:
    """A cheap look before the library is asked, which takes a tenth of a millisecond."""
    run = _NUMBER.match(text, digits.start())
    raw = run[0] if run is not None and run.end() >= digits.end() else digits[0]
    international = text[: digits.start()].rstrip("( ").endswith(("+", "＋"))
    return international or _looks_like_phone(text, digits.start(), raw, name)


def _phones(text: str, name: str) -> list[Private]:
    from recipes.data.phones import phone_matches  # a slow import, and few texts need it

    found: list[Private] = []
    for match in phone_matches(text, REGIONS):
        private = Private("phone", match.start, match.end)
        known = any(_meet(private, other) for other in found)
        if not known and _looks_like_phone(text, match.start, match.raw_string, name):
            found.append(private)
    return found


def _looks_like_phone(text: str, start: int, raw: str, name: str) -> bool:
    """Whether `raw`, which begins at `start`, is written or called as phone numbers are. A cell that is nothing but
    digits is an id, unless its column's name says otherwise."""
    if _CALLED.search(text, max(0, start - _BEFORE), start) or _CALLED.search(name):
        return True
    if _DATE.match(text, start) or _IP_ADDRESS.fullmatch(raw):
        return False
    if _NUMBER.fullmatch(raw) is None:
        return True
    return _CHINESE_MOBILE.fullmatch(raw) is not None and raw != text


def _meet(one: Private, other: Private) -> bool:
    return one.start < other.end and other.start < one.end
