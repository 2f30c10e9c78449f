"""A policy while a text is written: whatever it says yes to can become a text that keeps the policy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.measure.policy import begins_number, violations
from recipes.measure.policy_guide import PolicyGuide
from recipes.measure.sayings import Sayings
from recipes.options.write import read_policy

PRODUCT = "name: Kettle K2\nprice: $1,500\nweight: 4.5 kg\ndiscount: 20%"


def guide(product: str = PRODUCT, **options: Any) -> PolicyGuide:
    return PolicyGuide(product, read_policy(options).rules())


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Only the be", "yes"),
        ("Only the best", "yes"),
        ("Only the best mug", "no"),
        ("The cheap", "no"),
        ("The CHEAP", "no"),
        ("The ｃｈｅａｐ", "no"),
        ("They bestow", "yes"),
        ("Stay at the Best Western", "yes"),
        ("risk", "yes"),
        ("risk-free", "no"),
        ("Now 1", "yes"),
        ("Now 1,", "yes"),
        ("Now 1,5", "yes"),
        ("Now 15", "yes"),
        ("Now 1,500 watts", "yes"),
        ("Now 1500.", "yes"),
        ("Now 16", "no"),
        ("Now 1 ", "no"),
        ("Now 15 watts", "no"),
        ("Now $1", "yes"),
        ("Now £1", "no"),
        ("Now £1,500", "no"),
        ("Weighs 4.", "yes"),
        ("Weighs 4.5", "yes"),
        ("Weighs 4.6", "no"),
        ("Save 2", "yes"),
        ("Save 20%", "yes"),
        ("Save 4.5%", "no"),
        ("Save 20 per cent", "yes"),
    ],
)
def test_what_a_text_may_begin_with(text: str, verdict: str) -> None:
    own = guide(banned=["best", "cheap", "risk free"], allowed=["Best Western"], facts=True)
    assert own.begins(text) == verdict


def test_a_banned_term_stands_where_an_allowed_phrase_goes_on_with_it() -> None:
    own = guide(lists=["zh-absolute"], allowed=["第一次"])
    assert own.begins("这是第一") == "yes" and own.ending("这是第一") is None
    assert own.begins("这是第一次") == "yes" and own.ending("这是第一次") == ""
    assert own.begins("这是第一名") == "no"
    assert own.begins("这是第\ufffd") == "yes", "half a character says nothing yet"


def test_the_end_of_a_text_keeps_every_rule() -> None:
    own = guide(facts=True, required=["Terms apply.", "18+"], max_width=40)
    assert own.ending("Now 1,500") == " Terms apply. 18+"
    assert own.ending("Now 1,500. 18+") == " Terms apply."
    assert own.ending("Now 1,5") is None, "a number that is not whole yet"
    assert guide(required=["条款适用。"]).ending("好看的裙子。") == "条款适用。"
    assert guide(required=["Terms apply."]).ending("") == "Terms apply."


def test_a_text_does_not_end_before_it_has_named_what_it_must() -> None:
    own = guide(named=["Price", "weight"], required=["18+"])
    assert own.ending("Kettle K2, now $1,500.") is None and own.begins("Kettle K2, now $1,500.") == "yes"
    assert own.ending("Kettle K2, 4.5 kg, now $1,500.") == " 18+"


def test_room_is_kept_for_what_is_missing() -> None:
    own = guide(required=["Terms apply."], max_width=30)
    assert own.begins("a" * 17) == "yes" and own.begins("a" * 18) == "too long"
    assert own.begins("Terms apply." + "a" * 18) == "yes"
    wide = guide(max_width=6)
    assert wide.begins("好看的") == "yes" and wide.begins("好看的裙") == "too long"


def test_values_of_other_products_are_not_begun() -> None:
    rows = []
    for number in range(60):
        area, pets = ("riverside", "yes") if number % 2 else ("city centre", "no")
        said = "in the city centre" if number % 2 == 0 else "by the river"
        ending = "pet friendly" if number % 2 else "not pet friendly"
        rows.append(
            (f"name[Inn {number}], area[{area}], petFriendly[{pets}]", f"Inn {number} is {said}, {ending}.")
        )
    policy = read_policy({"facts": True}).rules().knowing(Sayings.learn(rows))
    own = PolicyGuide("name[Inn 7], area[riverside], petFriendly[yes]", policy)
    assert own.begins("Inn 7 is by the river") == "yes"
    assert own.begins("Inn 7 is in the city centre") == "no"
    assert own.begins("Inn 7 is by the river, not pet friendly") == "no"


def test_a_denial_is_left_to_be_refused_and_the_text_drawn_again() -> None:
    rows = [
        (f"name[Inn {n}], near[Café {n % 9}]", f"Inn {n} is located near Café {n % 9}.") for n in range(200)
    ]
    policy = read_policy({"facts": True, "required": ["18+"]}).rules().knowing(Sayings.learn(rows))
    product, text = "name[Inn 7], near[Café 7]", "Inn 7 is not located near Café 7"
    own = PolicyGuide(product, policy)
    assert (own.begins(text), own.ending(text)) == ("yes", " 18+")
    assert [each.kind for each in violations(f"{text} 18+", product, policy)] == ["denied"]


@given(st.integers(0, 10**9), st.sampled_from(["", "$"]), st.integers(0, 12))
def test_every_beginning_of_a_number_of_the_product_may_be_written(
    number: int, sign: str, length: int
) -> None:
    for written in (f"{sign}{number}", f"{sign}{number:,}"):
        begun = written[: max(len(sign) + 1, length)]
        assert begins_number(begun, f"costs {sign}{number}") and begins_number(
            begun, f"costs {sign}{number:,}"
        )


@given(st.text("01459,.$%ab ", max_size=12))
def test_what_may_begin_and_may_end_keeps_the_policy(text: str) -> None:
    own, rules = guide(banned=["b"], facts=True), read_policy({"banned": ["b"], "facts": True}).rules()
    broken = violations(text.strip(), PRODUCT, rules)
    assert (own.ending(text) is None) == bool(broken)
    if own.begins(text) == "no":
        assert violations(text, PRODUCT, rules), "nothing is refused but what breaks a rule as it stands"
