"""Phone numbers that are found by asking less are those that libphonenumber finds by asking all."""

import random

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberMatcher

from recipes.data import phones, pii
from recipes.data.phones import phone_matches

_FORMATS = (
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.NATIONAL,
)
_EXAMPLES = sorted(
    {
        text
        for region in (*pii.REGIONS, "CA", "JE", "DE")
        for kind in range(11)
        if (number := phonenumbers.example_number_for_type(region, kind)) is not None
        for text in (
            *(phonenumbers.format_number(number, each) for each in _FORMATS),
            str(number.national_number),
        )
    }
)
_NOISE = st.text("0123456789" * 4 + " -./()+x#,;~–(１２ ext", max_size=24)
_TEXTS = st.lists(
    st.one_of(
        _NOISE,
        st.sampled_from(_EXAMPLES),
        st.sampled_from(["call ", "电话", "011 ", "00", "86 ", "1 ", "0", " ext. 12", "#", "$"]),
    ),
    max_size=6,
).map("".join)


@given(_TEXTS)
@example("52#7792662110373/-5612453")  # a number that begins within a group, after an extension
@example("8601)10953137117433")  # two prefixes
@example("a 1 (600) 201-2345~777")
def test_less_is_asked_and_the_same_is_found(text: str) -> None:
    for region in pii.REGIONS:
        whole = [(match.start, match.raw_string) for match in PhoneNumberMatcher(text, region)]
        assert [(match.start, match.raw_string) for match in phone_matches(text, (region,))] == whole
    every = [
        (match.start, match.raw_string)
        for region in pii.REGIONS
        for match in PhoneNumberMatcher(text, region)
    ]
    assert [(match.start, match.raw_string) for match in phone_matches(text, pii.REGIONS)] == every


def test_groups_of_digits_that_are_no_number_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    class Counted(phones._Matcher):
        def __init__(self, text: str, region: str) -> None:
            nonlocal asked
            asked += 1
            super().__init__(text, region)

    monkeypatch.setattr(phones, "_Matcher", Counted)
    draw = random.Random(0).randrange
    for _ in range(200):
        text = f"order {draw(2019, 2027)} {draw(1000, 10000)} {draw(1000, 10000)}, {draw(1, 10)} {draw(100, 1000)} left"
        assert pii.find(text) == ()
    assert asked < 20
    assert [private.kind for private in pii.find("call 212 555 0198 or +44 20 7946 0958")] == [
        "phone",
        "phone",
    ]
