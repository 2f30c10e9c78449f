"""The pieces of a streamed text under a policy: what is shown, what is held back, when it ends."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.errors import RequestError
from adapters.serving import Completion
from hub.registry.content import Content
from hub.registry.labelling import Member
from hub.registry.requests import Texts, Write
from hub.registry.rules import Broken, NoneKept, Watched
from hub.registry.writing import Drafting
from recipes import Recipe
from recipes.answer import Voice
from recipes.measure.policy import violations
from recipes.measure.sayings import Sayings
from recipes.options.write import read_policy
from tests.adapters import models


def show(text: str, product: str = "", **options: Any) -> tuple[str, str, str]:
    """What was shown of a text, what was asked for, and why it ended ("" where it did not)."""
    taken: list[str] = []
    shown: list[str] = []
    watched = Watched(product, read_policy(options).rules())
    try:
        for character in text:
            taken.append(character)
            shown.append(watched.add(character))
        shown.append(watched.end())
    except RequestError as error:
        return "".join(shown), "".join(taken), str(error)
    return "".join(shown), "".join(taken), ""


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("They bestow the best western mug", {"banned": ["best"], "allowed": ["Best Western"]}),
        ("这是第一次", {"lists": ["zh-absolute"]}),
        ("Now 1,500 watts for $20", {"facts": True}),
        (
            "Results are not guaranteed.",
            {"lists": ["en-claims"], "required": ["Results are not guaranteed."]},
        ),
    ],
)
def test_a_lawful_text_is_shown_whole_in_its_pieces(text: str, options: dict[str, Any]) -> None:
    assert show(text, "1500 W, $20", **options) == (text, text, "")


@pytest.mark.parametrize(
    ("text", "options", "shown", "asked"),
    [
        ("the best mug of all", {"banned": ["best"]}, "the bes", "the best "),
        ("the best mug", {"banned": ["best"], "allowed": ["Best Western"]}, "the bes", "the best m"),
        ("这是第一名的跑鞋", {"lists": ["zh-absolute"]}, "这是第", "这是第一名"),
        ("Save 50% today", {"facts": True}, "Save ", "Save 50% "),
        ("abcdef", {"max_width": 3}, "abc", "abcd"),
        ("the best", {"banned": ["best"]}, "the bes", "the best"),
    ],
)
def test_a_text_ends_as_soon_as_a_violation_is_certain(
    text: str, options: dict[str, Any], shown: str, asked: str
) -> None:
    seen, taken, why = show(text, **options)
    assert (seen, taken) == (shown, asked)
    assert "write without a stream" in why


def test_a_missing_disclaimer_is_told_at_the_end() -> None:
    seen, taken, why = show("Rum for all", required=["Drink responsibly."])
    assert (seen, taken) == ("Rum for all", "Rum for all")
    assert "'Drink responsibly.' is missing" in why


PIECES = [
    "best",
    "ow",
    " ",
    "-",
    "Western",
    "第一",
    "次",
    "1",
    "0",
    ",",
    ".",
    "%",
    "$",
    "not",
    "x",
    "\u200b",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("best Western")
@example("best Westernbest")
@example("第一 次")
@example("not best.")
@example("$1,000")
def test_a_stream_shows_a_lawful_text_whole_and_never_a_violation_whole(text: str) -> None:
    options: dict[str, Any] = {
        "banned": ["best", "第一"],
        "allowed": ["best western", "第一次", "not best"],
        "facts": True,
        "max_width": 20,
    }
    product = "$1,000 and 10%"
    shown, _, why = show(text, product, **options)
    found = violations(text, product, read_policy(options).rules())
    assert bool(found) == bool(why)
    assert text.startswith(shown) and (found or shown == text)
    assert all(len(shown) < each.where[1] for each in found if each.where)


COPY = {"low": "{} makes hardly a sound.", "high": "{} makes a cheerful roar."}
ROWS = [(f"name: Kettle K{n}\nnoise: {noise}", COPY[noise].format("It")) for n in range(30) for noise in COPY]
QUIET = "name: Kettle K2\nnoise: low"
TRUE, FALSE = COPY["low"].format("Kettle K2"), COPY["high"].format("Kettle K2")


def drafting(policy: dict[str, Any], written: list[str], learned: bool = True, **how: Any) -> Texts:
    """What is given where an adapter that was trained on `ROWS` writes these, one after the other."""
    made = models.made_here("llama", "lora")
    made.info["recipe"] = Recipe.load("ad-copy", **{"write.policy": policy}).to_dict()
    if learned:
        made.info["sayings"] = Sayings.learn(ROWS).to_info()
    member = Member(Content("one"), Voice.of(made), "acme")
    left = iter(written)

    def run(rows: list[Any]) -> list[Completion]:
        return [Completion((1,), next(left), "end") for _ in rows]

    asked = Drafting(Write("acme/a/ad-copy", QUIET, **how), member, models.base("llama"), run)
    return asked.answer(run(asked.rows))


def test_drafts_that_must_differ_are_warm_but_hold_nothing_far_fetched_unless_it_is_said_how() -> None:
    def drawn(own: dict[str, Any], **how: Any) -> list[tuple[float, float]]:
        made = models.made_here("llama", "lora")
        made.info["recipe"] = Recipe.load("ad-copy", **own).to_dict()
        member = Member(Content("one"), Voice.of(made), "acme")
        asked = Drafting(Write("acme/a/ad-copy", QUIET, **how), member, models.base("llama"), lambda _: [])
        return [(row.sampling.temperature, row.sampling.min_p) for row in asked.rows]

    assert drawn({}) == [(0.0, 0.0)]
    assert drawn({}, n=2) == [(0.6, 0.2)] * 2
    assert drawn({}, n=2, temperature=0.9) == [(0.9, 0.0)] * 2
    assert drawn({}, n=2, min_p=0.0) == [(0.6, 0.0)] * 2
    assert drawn({"write.min_p": 0.05}, n=2) == [(0.6, 0.05)] * 2
    assert drawn({"write.min_p": 0.05, "write.temperature": 0.9}) == [(0.9, 0.05)]
    assert drawn({"write.min_p": 0.05, "write.temperature": 0.9}, min_p=0.3) == [(0.9, 0.3)]


def test_a_draft_that_states_another_product_s_value_is_drawn_again_where_facts_are_asked_for() -> None:
    texts = drafting({"facts": True}, [FALSE, FALSE, TRUE])
    assert texts == [TRUE] and [each.text for each in texts.refused] == [FALSE, FALSE]
    assert "cheerful roar' is not in the product" in str(texts.refused[0].reasons[0])
    with pytest.raises(NoneKept, match="give the product's facts in the request"):
        drafting({"facts": True}, [FALSE] * 9)
    assert drafting({}, [FALSE]) == [FALSE]
    assert drafting({"facts": True}, [FALSE], learned=False) == [FALSE]


MOST = "Kettle K2 boils in a minute."
ODD = "Free shipping on all orders of today."


def test_of_several_drafts_the_one_that_is_most_like_the_others_is_given() -> None:
    drafts = [ODD, "Kettle K2 boils in two minutes.", MOST, "Kettle K2 boils in a minute at home."]
    assert drafting({}, drafts, drafts=4) == [MOST]
    assert drafting({"banned": ["a minute"]}, [ODD, MOST, MOST, TRUE, ODD], drafts=5) == [ODD]
    assert drafting({}, [*drafts, *reversed(drafts)], n=2, drafts=4) == [MOST, MOST]
    assert drafting({}, [ODD, MOST], drafts=2) == [ODD], "of two, none is nearer than the other"


def test_refused_drafts_of_a_text_count_nothing_and_one_without_any_is_drawn_again() -> None:
    texts = drafting({"facts": True}, [FALSE, FALSE, TRUE], drafts=3)
    assert texts == [TRUE] and len(texts.refused) == 2 and texts.completion_tokens == 3
    texts = drafting({"facts": True}, [FALSE, FALSE, FALSE, TRUE], drafts=3)
    assert texts == [TRUE] and len(texts.refused) == 3 and texts.completion_tokens == 4


def member_of(**own: Any) -> Member:
    """Of an adapter whose recipe says so."""
    made = models.made_here("llama", "lora")
    made.info["recipe"] = Recipe.load("ad-copy", **own).to_dict()
    return Member(Content("one"), Voice.of(made), "acme")


def test_drafts_of_a_text_differ_and_the_first_are_those_without_others() -> None:
    def asked(**how: Any) -> list[Any]:
        request = Write("acme/a/ad-copy", QUIET, **how)
        rows = Drafting(request, member_of(**{"write.drafts": 3}), models.base("llama"), lambda _: []).rows
        return [(row.sampling.temperature, row.sampling.seed) for row in rows]

    assert asked() == [(0.0, 0), (0.6, 1), (0.6, 2)]
    assert asked(drafts=1) == [(0.0, 0)]
    two = asked(n=2, seed=5, temperature=0.9)
    assert two == [(0.9, seed) for seed in (5, 7, 8, 6, 9, 10)]
    assert two[::3] == asked(n=2, seed=5, temperature=0.9, drafts=1)
    assert [seed for _, seed in asked(seed=2**63 - 1)] == [2**63 - 1, -(2**63), 1 - 2**63]
    with pytest.raises(RequestError, match=r"500 texts, each of 3 drafts \(its recipe's\); at most 1000"):
        asked(n=500)


def test_no_draft_of_any_round_is_drawn_twice() -> None:
    seeds: list[int] = []

    def run(rows: list[Any]) -> list[Completion]:
        seeds.extend(row.sampling.seed for row in rows)
        return [Completion((1,), "the best", "end") for _ in rows]

    asked = Drafting(
        Write("acme/a/ad-copy", QUIET, n=2, drafts=3, policy={"banned": ["best"]}),
        member_of(),
        models.base("llama"),
        run,
    )
    with pytest.raises(NoneKept, match="none of 12 texts"):
        asked.answer(run(asked.rows))
    assert sorted(seeds) == [*range(12)]


def test_a_stream_ends_where_it_states_another_product_s_value() -> None:
    policy = read_policy({"facts": True}).rules().knowing(Sayings.learn(ROWS))
    watched, shown = Watched(QUIET, policy), ""
    with pytest.raises(Broken, match="is not in the product"):
        for letter in FALSE:
            shown += watched.add(letter)
    assert "cheerful" not in shown
    watched = Watched(QUIET, policy)
    assert "".join(map(watched.add, TRUE)) + watched.end() == TRUE
