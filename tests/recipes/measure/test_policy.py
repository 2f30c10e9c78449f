"""What an ad text may say: terms, disclaimers, lengths, facts; how a recipe says it, and what is measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from recipes.data import load_splits
from recipes.errors import RecipeError
from recipes.examples import Example, Splits
from recipes.measure.policy import Policy, Violation, ready, stays, violations, width
from recipes.options.reading import read_yaml
from recipes.options.write import read_policy
from recipes.recipe import Recipe
from recipes.tasks import ad_copy, all_metrics
from recipes.tasks.ad_copy import Written


def policy(**options: Any) -> Policy:
    return read_policy(options).rules()


def told(text: str, product: str = "", **options: Any) -> list[str]:
    return [each.what for each in violations(text, product, policy(**options))]


# --- terms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "The best mug",
        "BEST!",
        "the ＢＥＳＴ mug",
        "a best-loved mug",
        "the be\u00adst mug",
        "这款best的杯子",
        "Best’s mug",
    ],
)
def test_a_banned_word_is_found_in_every_dress(text: str) -> None:
    assert told(text, banned=["best"]) == ["best"]


@pytest.mark.parametrize("text", ["They bestow it", "thebest", "best2", "bést", "a be st mug", "西best_"])
def test_a_banned_word_is_a_whole_word(text: str) -> None:
    assert told(text, banned=["best"]) == []


def test_spaces_and_dashes_and_apostrophes_are_alike() -> None:
    for text in ("risk-free", "RISK FREE", "risk\n free", "risk – free"):
        assert told(text, banned=["risk-free"]) == ["risk-free"]
    assert told("riskfree", banned=["risk-free"]) == []
    assert told("You can’t fail", banned=["can't fail"]) == ["can't fail"]
    assert told("We are #1, not #10", banned=["#1"]) == ["#1"]


def test_a_chinese_term_stands_anywhere() -> None:
    for text in ("我们是最佳选择", "最 佳", "最\n佳"):
        assert told(text, banned=["最佳"]) == ["最佳"]
    assert told("最近更佳", banned=["最佳"]) == []


def test_where_is_counted_in_the_text_as_it_was_written() -> None:
    text = "ﬁne\u200b — the ＢＥＳＴ mug, the best"
    found = violations(text, "", policy(banned=["best"]))
    assert [text[slice(*each.where)] for each in found if each.where] == ["ＢＥＳＴ", "best"]


def test_of_overlapping_terms_the_longest_is_told() -> None:
    assert told("the very best mug", banned=["best", "very best"]) == ["very best"]
    assert told("We are No.1", banned=["no.1"], facts=True) == ["no.1"]


def test_allowed_phrases_excuse_what_stands_in_them_and_nothing_else() -> None:
    rules = {"banned": ["best"], "facts": True, "allowed": ["Best Western", "24/7"]}
    assert told("At Best-Western, open 24/7", **rules) == []
    assert told("Best Western is best, 24 hours", **rules) == ["best", "24"]


def test_the_ready_lists() -> None:
    assert told("Guaranteed to cure; with cured ham", lists=["en-claims"]) == ["guaranteed", "cure"]
    assert told("A money-back guarantee and a secure fit", lists=["en-claims"]) == []
    assert told("国家级品质，最佳口感，全国第一", lists=["zh-absolute"]) == ["国家级", "最佳", "第一"]
    assert told("第一次使用，第一时间发货，最大限度", lists=["zh-absolute"]) == []
    assert told("NO．１品牌", lists=["zh-absolute"]) == ["no.1"]
    assert told("Guaranteed", lists=["en-claims"], allowed=["guaranteed"]) == []


@pytest.mark.parametrize("name", ["en-claims", "zh-absolute"])
def test_a_ready_list_bans_each_term_once_and_every_phrase_excuses_something(name: str) -> None:
    found = ready(name)
    read_policy({"banned": [*found.banned], "allowed": [*found.allowed]})  # no faults, no conflicts
    assert all(violations(term, "", found) for term in found.banned)
    bare = Policy(found.banned)
    assert [phrase for phrase in found.allowed if not violations(phrase, "", bare)] == []


# --- disclaimers --------------------------------------------------------------------------------------------------


def test_every_disclaimer_must_stand_in_the_text() -> None:
    rules = {"required": ["Drink responsibly.", "广告"]}
    assert told("Rum. DRINK  responsibly. 广告", **rules) == []
    assert violations("Rum. Drink responsibly", "", policy(**rules)) == [
        Violation("missing", "Drink responsibly."),
        Violation("missing", "广告"),
    ]
    assert told("Adidas", required=["Ad"]) == ["Ad"]


def test_a_disclaimer_may_hold_what_is_banned_elsewhere() -> None:
    rules = {"lists": ["en-claims"], "facts": True, "required": ["Results not guaranteed, ends 31.12."]}
    assert told("Try it. Results not guaranteed, ends 31.12.", **rules) == []
    assert told("Guaranteed! Results not guaranteed, ends 31.12.", **rules) == ["guaranteed"]


# --- lengths ------------------------------------------------------------------------------------------------------


def test_wide_characters_count_two_as_ad_platforms_count() -> None:
    assert (width("跑鞋 K2", True), width("跑鞋 K2", False), width("Ａ", True)) == (7, 5, 2)


@pytest.mark.parametrize(
    ("text", "options", "what"),
    [
        ("x" * 30, {"placement": "headline"}, []),
        ("x" * 31, {"placement": "headline"}, ["over 30 characters (31)"]),
        ("鞋" * 15, {"placement": "headline"}, []),
        ("鞋" * 16, {"placement": "headline"}, ["over 30 characters (32)"]),
        ("鞋" * 16, {"placement": "headline", "double_width": False}, []),
        ("鞋" * 46, {"placement": "description"}, ["over 90 characters (92)"]),
        ("abcd", {"max_width": 3}, ["over 3 characters (4)"]),
    ],
)
def test_the_limits_of_placements_and_of_ones_own(
    text: str, options: dict[str, Any], what: list[str]
) -> None:
    assert told(text, **options) == what


def test_where_a_text_is_too_long_begins_after_what_fits() -> None:
    (found,) = violations("ab跑鞋", "", policy(max_width=5))
    assert (found.kind, found.where) == ("too long", (3, 4))


# --- facts --------------------------------------------------------------------------------------------------------

PRODUCT = "name: Kettle K2\nprice: $1,059.00\ndiscount: 20%\npower: 1500 W\nreviews: 37"


@pytest.mark.parametrize(
    "text",
    [
        "The K2: $1059, 20% off, 1,500 watts",
        "K-2 for 1059 dollars, 20 percent off",
        "１０５９元，百分之20",
        "Loved by $37 savers",
        "No numbers here",
    ],
)
def test_numbers_of_the_product_are_facts(text: str) -> None:
    assert told(text, PRODUCT, facts=True) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Now 50% off", ["50%"]),
        ("Only $99, or 1059 €", ["$99", "1059 €"]),
        ("37% like it", ["37%"]),  # 37 is a count
        ("It costs $20", ["$20"]),  # 20 is a share
        ("K3 in 9 days", ["3", "9"]),
        ("只要９９元", ["９９"]),
        ("10590", ["10590"]),
    ],
)
def test_numbers_that_the_product_does_not_hold_are_refused(text: str, what: list[str]) -> None:
    assert told(text, PRODUCT, facts=True) == what
    assert told(text, PRODUCT, banned=["x"]) == []


# --- a text that is still being written ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begun", "remains"),
    [
        ("the best", False),  # bestow
        ("the best ", False),  # Best Western
        ("the best m", True),
        ("It costs 1", False),  # 1500
        ("It costs 1,", False),
        ("It costs 1 ", True),
        ("Only at Best West", False),
        ("Only at Best Wishes", True),
        ("这是第一", False),  # 第一次
        ("这是第一名", True),
        ("Results not guaranteed", False),  # the disclaimer
        ("Surely guaranteed ", True),
    ],
)
def test_a_violation_is_certain_when_no_continuation_undoes_it(begun: str, remains: bool) -> None:
    rules = policy(
        banned=["best", "第一", "guaranteed"],
        allowed=["Best Western", "第一次"],
        required=["Results not guaranteed."],
        facts=True,
    )
    found = [each for each in violations(begun, "power: 1500", rules) if each.where is not None]
    assert [stays(each, begun, rules) for each in found] == [remains]


def test_what_is_missing_may_come_and_what_is_too_long_stays() -> None:
    rules = policy(required=["Ad"], max_width=3)
    assert [stays(each, "abcd", rules) for each in violations("abcd", "", rules)] == [False, True]


# --- in a recipe --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "text", "named", "says"),
    [
        ("name: Kettle K2\ncolour: dark red", "The Kettle K2.", ["name", "colour"], ["colour: dark red"]),
        ("name: Kettle K2\ncolour: dark red", "A dark-red KETTLE K2.", "all", []),
        ("name: Kettle K2\ncolour: dark red", "A kettle, K2, red and dark.", "all", ["colour: dark red"]),
        ("name: Kettle K2\ncolour: dark red", "A kettle.", ["size"], []),
        (
            "name[The Mill], familyFriendly[no]",
            "The Mill is not for families.",
            "all",
            ["familyFriendly: no"],
        ),
        ("name[The Mill], familyFriendly[no]", "The Mill is not child-friendly.", "all", []),
        ("类型#裙*颜色#白色*颜色#黑色", "白 色的裙子", ["颜色"], ["颜色: 黑色"]),
        ("a kettle in dark red", "Tea!", "all", []),
        ("price: $5", "Now $4.5, was $5,000.", "all", ["price: $5"]),
        ("price: $1,000", "Now $1000!", ["price"], []),
        ("discount: 5%", "5 stars", "all", ["discount: 5%"]),
        ("discount: 5%", "Save 5 per cent", "all", []),
        ("range: £20-25", "From £20–25", "all", []),
        ("brand: Levi’s 501", "Levi's 501", "all", []),
        ("spa: yes\nrating: ★★★★★\nprice: -", "Tea!", "all", []),
        ("price-range: cheap", "Tea!", ["Price range"], ["price-range: cheap"]),
    ],
)
def test_values_of_the_product_that_a_text_must_name(
    product: str, text: str, named: list[str] | str, says: list[str]
) -> None:
    found = violations(text, product, policy(named=named))
    assert [each.what for each in found] == says
    assert {str(each) for each in found} == {f"{what!r} is not named" for what in says}
    assert not any(stays(each, text, policy(named=named)) for each in found), "it may be named yet"


def test_what_must_be_named_is_added_by_a_request() -> None:
    both = policy(named=["name"]).tightened(policy(named=["NAME", "price"]))
    assert [key.casefold() for key in both.named] == ["name", "price"]
    assert policy(named=["price-range"]).tightened(policy(named=["price range"])).named == ("price range",)
    product = "name: K2\nprice: $5\ncolour: red"
    assert len(violations("", product, both)) == 2
    assert len(violations("", product, both.tightened(policy(named="all")))) == 3


def test_a_column_that_must_be_named_and_that_no_product_has_is_told(tmp_path: Path) -> None:
    rows = [{"name": f"K{number}", "price": f"${number}", "copy": f"The K{number}!"} for number in range(30)]
    free = [{"product": f"a kettle, number {number}", "copy": "Tea!"} for number in range(30)]

    def told(rows: Any, named: Any) -> list[str]:
        file = tmp_path / "copy.json"
        file.write_text(json.dumps(rows))
        notes = load_splits(Recipe.load("ad-copy", **{"write.policy.named": named}), file).notes
        return [note for note in notes if "policy.named" in note]

    (note,) = told(rows, ["Name", "prise"])
    assert "asks for prise," in note and "name, price" in note
    (note,) = told(free, "all")
    assert "asks for all" in note
    assert told(rows, "all") == told(rows, ["NAME"]) == told(rows, []) == told(free, []) == []


def test_a_recipe_says_its_policy_and_survives_yaml() -> None:
    recipe = Recipe.load(
        "ad-copy", **{"write.policy": {"banned": ["cheap"], "placement": "headline", "facts": True}}
    )
    assert Recipe.from_dict(read_yaml(recipe.to_yaml())) == recipe
    assert recipe.write.policy.rules() and not Recipe.load("ad-copy").write.policy.rules()
    assert Recipe.load("ad-copy", **{"write.policy.required": ["Ad"]}).write.policy.required == ["Ad"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"banned": ["", "best", "BEST"]}, "policy.banned: holds an empty term"),
        ({"banned": ["risk free", "risk-free"]}, "names risk free, risk-free more than once"),
        ({"required": ["\u200b"]}, "policy.required: holds an empty term"),
        ({"banned": "best"}, "policy.banned: 'best' cannot be used; write a list"),
        ({"lists": ["en-claim"]}, "did you mean en-claims?"),
        ({"named": ["price", "all"]}, "write named: all"),
        ({"baned": ["best"]}, "policy.baned: unknown key; did you mean `banned`?"),
        ({"max_width": 0}, "write a number of at least 1"),
        ({"banned": ["best"], "required": ["Best"]}, "'Best' is banned and required; keep one"),
        ({"lists": ["en-claims"], "required": ["Guaranteed"]}, "'Guaranteed' is banned and required"),
        ({"banned": ["best"], "allowed": ["best"]}, "'best' is banned and allowed; keep one"),
        ({"allowed": ["best"]}, "allowed is only read where something is refused"),
        ({"placement": "headline", "max_width": 20}, "placement and max_width both set the limit"),
        ({"double_width": False}, "double_width is only read where there is a limit"),
        ({"placement": "headline", "required": ["酒" * 16]}, "has 32 characters, but 30 fit; shorten it"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError) as alone:
        read_policy(options)
    with pytest.raises(RecipeError) as inside:
        Recipe.load("ad-copy", **{"write.policy": options})
    assert says in str(alone.value) and says in str(inside.value)
    assert "write.policy" in str(inside.value)


def test_a_disclaimer_must_fit_max_chars_and_other_tasks_have_no_policy() -> None:
    with pytest.raises(RecipeError, match="requires 'Drink responsibly', which is over max_chars 5"):
        Recipe.load("ad-copy", **{"write.max_chars": 5, "write.policy.required": ["Drink responsibly"]})
    with pytest.raises(RecipeError, match="write: means nothing for behavior"):
        Recipe.load("behavior", **{"write.policy.facts": True})


# --- two policies together ----------------------------------------------------------------------------------------


def test_a_policy_can_only_be_tightened() -> None:
    def broken(rules: Policy, text: str) -> list[str]:
        return [each.what for each in violations(text, "", rules)]

    own = policy(banned=["best", "cured"], allowed=["best western", "24/7"], max_width=20, facts=True)
    both = own.tightened(policy(banned=["cheap", "BEST"], required=["Ad"], max_width=90))
    text = "Ad: cheap at Best Western, 24/7, 5"
    assert broken(own, text) == ["5", "over 20 characters (34)"]
    assert broken(both, text) == ["cheap", "BEST", "5", "over 20 characters (34)"]
    assert broken(own.tightened(policy(banned=["western"])), "Best Western") == ["best", "western"]
    listed = own.tightened(policy(lists=["en-claims"]))
    assert broken(listed, "guaranteed") == ["guaranteed"]
    assert broken(listed, "cured ham") == ["cured"], "the list's exceptions do not loosen the own ban"
    twice = policy(lists=["en-claims"], required=["Not guaranteed"], allowed=["24/7"], facts=True)
    assert twice.tightened(twice) == twice
    assert own.tightened(Policy()) == own and Policy().tightened(own) == own


@pytest.mark.parametrize(
    ("own", "more", "says"),
    [
        ({"banned": ["best"]}, {"required": ["The best rum"]}, "'The best rum' is required, but 'best' is"),
        ({"required": ["Ad"]}, {"banned": ["ad"]}, "'Ad' is banned and required"),
        ({"required": ["Advertisement"]}, {"max_width": 5}, "has 13 characters, but 5 fit"),
        ({"max_width": 5}, {"required": ["Advertisement"]}, "has 13 characters, but 5 fit"),
    ],
)
def test_what_no_text_can_keep_is_refused(own: dict[str, Any], more: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        policy(**own).tightened(policy(**more))


# --- what is measured ---------------------------------------------------------------------------------------------


def test_the_evaluation_counts_violations_where_there_is_a_policy() -> None:
    examples = [Example(f"name: mug {i}", i, copy="c") for i in range(2)]
    texts = ["The best mug 0, guaranteed", "A mug"]
    found = ad_copy.metrics(examples, Written(texts, policy=policy(banned=["best", "guaranteed"])))
    assert (found["policy_violations"], found["texts_within_policy"]) == (1.0, 0.5)
    assert "policy_violations" not in ad_copy.metrics(examples, Written(texts))
    assert (all_metrics()["policy_violations"], all_metrics()["texts_within_policy"]) == ("min", "max")


def test_baselines_and_references_are_measured_by_the_same_policy() -> None:
    rows = [Example(f"name: mug {i}", i, copy=f"The best mug {i}" if i % 2 else "A mug") for i in range(40)]
    splits = Splits(tuple(rows[:30]), tuple(rows[:5]), tuple(rows[30:]), (), "")
    recipe = Recipe.load("ad-copy", **{"write.policy": {"banned": ["best"], "facts": True}})
    found = ad_copy.baselines(splits, recipe)
    assert found["the references themselves"]["texts_within_policy"] == 0.5
    assert found["the attributes as a list"]["texts_within_policy"] == 1.0
    nearest = found["nearest training product's copy"]
    assert nearest["policy_violations"] > 0.5, "its numbers are those of another product"
    assert (
        "policy_violations"
        not in ad_copy.baselines(splits, Recipe.load("ad-copy"))["the attributes as a list"]
    )
