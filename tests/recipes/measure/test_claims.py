"""What a text says of its product: attributes in every shape, coverage, and claims that nothing supports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.measure.claims import as_lines, attributes, coverage, is_chinese, tokens, unsupported

LINES = "name: Alpine Trail Shoe\ncategory: shoes\nmaterial: mesh, rubber\nprice: $1,059.00"
BRACKETS = "name[Blue Spice], eatType[coffee shop], area[city centre], familyFriendly[yes]"
HASHES = "类型#裙*颜色#白色*图案#蝴蝶结*风格#简约"


def test_attributes_are_read_in_every_shape() -> None:
    assert attributes(LINES) == (
        ("name", "Alpine Trail Shoe"),
        ("category", "shoes"),
        ("material", "mesh"),
        ("material", "rubber"),
        ("price", "$1,059.00"),
    )
    assert attributes(BRACKETS)[1:3] == (("eatType", "coffee shop"), ("area", "city centre"))
    assert attributes(HASHES)[0] == ("类型", "裙") and len(attributes(HASHES)) == 4
    assert attributes("名称：山径跑鞋\n颜色：红色、黑色") == (
        ("名称", "山径跑鞋"),
        ("颜色", "红色"),
        ("颜色", "黑色"),
    )
    assert attributes("A light shoe for wet ground.") == ()
    assert attributes("C# and 5*3") == ()


@pytest.mark.parametrize(
    ("product", "lines"),
    [
        (BRACKETS, "name: Blue Spice\neatType: coffee shop\narea: city centre\nfamilyFriendly: yes"),
        ("eatType[pub], area[riverside], eatType[inn], near[]", "eatType: pub, inn\narea: riverside"),
        ("类型#裙*风格#简约*风格#潮*风格#潮", "类型: 裙\n风格: 简约, 潮"),
        ("类型#裙*颜色#*风格#潮", "类型: 裙\n风格: 潮"),
    ],
)
def test_brackets_and_hashes_become_lines_with_the_values_of_a_key_on_one(product: str, lines: str) -> None:
    assert as_lines(product) == lines


@pytest.mark.parametrize(
    "product",
    [
        LINES,
        "A light shoe.",
        "",
        "our shoe #1",
        "K2 [new]",
        "name[Blue",
        "a: b[c]",
        "name[two\nlines]",
        f"{'k' * 41}[v]",
    ],
)
def test_what_lines_would_not_say_alike_stays_as_it_is(product: str) -> None:
    assert as_lines(product) == product


@given(st.lists(st.tuples(st.text("ab :#*[],1\n", min_size=1), st.text("ab :;#*[],1\n")), max_size=4))
def test_a_product_in_lines_has_the_same_attributes(pairs: list[tuple[str, str]]) -> None:
    for product in (", ".join(f"{k}[{v}]" for k, v in pairs), "*".join(f"{k}#{v}" for k, v in pairs)):
        assert set(attributes(as_lines(product))) == set(attributes(product))
        assert as_lines(as_lines(product)) == as_lines(product)


@pytest.mark.parametrize(
    ("text", "product", "share"),
    [
        ("The alpine trail-shoe in mesh, at $1,059.00", LINES, 3 / 5),
        ("Mesh and rubber shoes.", LINES, 3 / 5),
        ("A meshwork", LINES, 0),
        ("Blue Spice is a family-friendly coffee shop in the city centre.", BRACKETS, 1),
        ("Blue Spice is not child friendly.", BRACKETS, 2 / 4),
        ("这条白色的裙子带蝴蝶 结", HASHES, 3 / 4),
        ("简约白裙", HASHES, 2 / 4),
        ("anything", "free text", None),
    ],
)
def test_coverage_is_the_share_of_values_that_are_named(text: str, product: str, share: float | None) -> None:
    assert coverage(text, product) == (None if share is None else pytest.approx(share))


def test_a_value_that_stands_twice_counts_once() -> None:
    assert coverage("蕾丝", "图案#蕾丝*图案#蕾丝*颜色#红色") == 0.5


def test_numbers_that_the_product_does_not_hold_are_unsupported() -> None:
    assert unsupported("Now 1059 dollars, 20% off, for 2 days", LINES).numbers == ("20", "2")
    assert unsupported("只要９９元，价格1059", LINES).numbers == ("99",)
    assert unsupported("Only $1059!", LINES).numbers == ()


def test_names_that_the_product_does_not_hold_are_unsupported() -> None:
    assert unsupported("Better than Nike, says the New York Times.", LINES).names == ("Nike", "York", "Times")
    assert unsupported("Lace your iPhone into BMW shoes.", LINES).names == ("iPhone", "BMW")
    assert (
        unsupported("This is the Alpine Trail Shoes' secret. It runs. And I love it on Sunday.", LINES).names
        == ()
    )
    assert unsupported("Blue Spice is Family-Friendly.", BRACKETS).names == ()
    assert unsupported("这款Nike裙子是v领", HASHES).names == ("Nike",)


def test_title_case_and_starts_of_sentences_show_no_names() -> None:
    assert len(unsupported("Run Faster On Wet Ground Today", LINES)) == 0
    assert len(unsupported("Fast. Light. Yours: Try it! Run", LINES)) == 0


def test_tokens_are_words_and_single_chinese_characters() -> None:
    assert tokens("Nike跑鞋, don't 4.5") == ["nike", "跑", "鞋", "don't", "4", "5"]
    assert is_chinese("白色Nike跑鞋") and not is_chinese("Nike shoes 跑") and not is_chinese("")
