"""Languages of texts: a short one alone is no fact."""

import pytest

from recipes.data.languages import language_shares

LONG = "I would like to return the shoes that I bought last week because they do not fit"


@pytest.mark.parametrize("text", ["wuu", "ok", "Nice", "iPhone 15 Pro Max", "lah la sia bro"])
def test_a_few_words_that_could_be_anything_are_unsure(text: str) -> None:
    assert language_shares([text]) == {"unsure": 1.0}
    shares = language_shares([LONG] * 8 + [text] * 2)
    assert shares["en"] >= 0.8 and set(shares) <= {"en", "unsure"}


def test_short_texts_count_as_the_language_that_long_ones_show() -> None:
    assert language_shares([*[LONG] * 3, "buy tea now"]) == {"en": 1.0}
    assert language_shares(["这个商品很好我非常喜欢下次还会再买", "味道不错,送餐快", "手机不错"]) == {
        "zh": 1.0
    }


def test_nothing_but_short_texts_are_read_as_one_long_one() -> None:
    short = ["buy tea now", "a cup of it", "buy the lamp", "for the home"]
    assert language_shares(short).get("en", 0) >= 0.5


def test_texts_without_letters_and_no_texts() -> None:
    assert language_shares(["12 %", LONG]) == {"en": 0.5, "none": 0.5}
    assert language_shares([]) == {}
