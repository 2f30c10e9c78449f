"""What copy says of its products, learned from rows of two made-up clients: an English shop and a Chinese one."""

import json
from dataclasses import replace
from itertools import product as every

import pytest

from adapters.errors import BadAdapter
from recipes import Recipe
from recipes.examples import Example, Splits
from recipes.measure.claims import plain
from recipes.measure.policy import Policy, violations
from recipes.measure.sayings import Sayings
from recipes.tasks import ad_copy

NAMES = ("Alpine Whistler", "River Stone", "Tea Cloud", "Morning Bell", "Old Harbour", "Quiet Corner")
FINISH = {"steel": "a cool steel body", "copper": "a warm copper body", None: "a plain body"}
NOISE = {"low": "hardly a sound", "high": "a cheerful roar"}


def kettle(name: str, finish: str | None, noise: str, washable: str | None) -> str:
    lines = {"name": name, "finish": finish, "noise": noise, "dishwasherSafe": washable}
    return "\n".join(f"{key}: {value}" for key, value in lines.items() if value)


def kettles() -> list[tuple[str, str]]:
    rows = []
    for name, finish, noise, washable in every(NAMES, FINISH, NOISE, ("yes", "no", None)):
        safe = {"yes": "It is dishwasher safe.", "no": "It is not dishwasher safe.", None: ""}[washable]
        copy = f"{name} has {FINISH[finish]} and {NOISE[noise]}. {safe}"
        rows.append((kettle(name, finish, noise, washable), copy))
    return rows


def dresses() -> list[tuple[str, str]]:
    shades, looks = {"白色": "雪一样的白色", "黑色": "夜一样的黑色"}, {"简约": "干净利落", "复古": "旧日时光"}
    return [
        (f"类型#裙*编号#{number}*颜色#{shade}*风格#{look}", f"这条裙子{shades[shade]},{looks[look]}。")
        for number, shade, look in every(range(15), shades, looks)
    ]


SHOP, CHINESE = Sayings.learn(kettles()), Sayings.learn(dresses())
OWN = kettle("Tea Cloud", "steel", "low", "yes")


def told(sayings: Sayings, text: str, product: str) -> list[str]:
    return [plain(text)[slice(*span)] for span in sayings.contradicted(plain(text), product)]


@pytest.mark.parametrize(
    ("text", "product", "found"),
    [
        ("Tea Cloud has a cool steel body and hardly a sound. It is dishwasher safe.", OWN, ""),
        ("Hardly a sound: the steel Tea Cloud, safe in your dishwasher!", OWN, ""),
        ("Tea Cloud has a warm copper body and hardly a sound.", OWN, "copper"),
        ("Tea Cloud has a cool steel body and a cheerful roar.", OWN, "cheerful"),
        ("Tea Cloud is not dishwasher safe.", OWN, "not dishwasher safe"),
        ("Tea Cloud isn't dishwasher safe.", OWN, "isn't dishwasher safe"),
        ("It is dishwasher safe.", kettle("Tea Cloud", "steel", "low", "no"), "dishwasher safe"),
        ("Alpine Whistler has a cool steel body.", OWN, "alpine whistler"),
        ("It has a cool steel body.", kettle("Tea Cloud", None, "low", None), "steel"),
        ("It is dishwasher safe.", kettle("Tea Cloud", "steel", "low", None), "dishwasher"),
        ("A new one, Copper Cloud, with a copper body.", kettle("Copper Cloud", "copper", "low", None), ""),
    ],
)
def test_what_is_another_product_s_is_found_and_what_is_its_own_is_not(
    text: str, product: str, found: str
) -> None:
    spoken = " ".join(told(SHOP, text, product))
    assert (found in spoken) if found else not spoken


@pytest.mark.parametrize(
    ("text", "found"),
    [("这条裙子雪一样的白色,干净利落。", False), ("夜一样的黑色", True), ("旧日时光", True), ("黑色", True)],
)
def test_chinese_is_learned_alike(text: str, found: bool) -> None:
    assert bool(told(CHINESE, text, "类型#裙*编号#99*颜色#白色*风格#简约")) is found


def test_training_copy_contradicts_nothing_of_its_own() -> None:
    for sayings, rows in ((SHOP, kettles()), (CHINESE, dresses())):
        assert not any(sayings.contradicted(plain(copy), product) for product, copy in rows)


def test_nothing_is_made_of_few_rows_or_of_products_without_attributes() -> None:
    free = Sayings.learn([(f"a kettle number {n}", "It has a warm copper body.") for n in range(50)])
    few = Sayings.learn(kettles()[:4])
    assert not free and not Sayings() and not Sayings.learn([])
    assert told(few, "Its copper body makes a cheerful roar.", OWN) == []


def test_a_word_with_two_meanings_is_no_value() -> None:
    """ "low" is a value of noise, and copy says it of prices too."""
    rows = [(product, f"{copy} At a low price.") for product, copy in kettles()]
    loud = kettle("Tea Cloud", "steel", "high", None)
    assert told(Sayings.learn(rows), "Tea Cloud has a cheerful roar, at a low price.", loud) == []


def test_what_belongs_together_by_chance_is_told_from_what_is_said() -> None:
    """Products of one maker never tell whether they are washable, so that no copy of theirs says so: words about it
    contradict the missing answer, not the maker."""
    rows = []
    for maker, number in every(("Bell", "Cloud", "Stone"), range(30)):
        told_of = maker != "Bell" and number % 2 == 0
        copy = "A kettle for tea." + (" Washable with ease." if told_of else "")
        rows.append((f"maker: {maker}\nnumber: {number}" + ("\nwashable: yes" if told_of else ""), copy))
    sayings = Sayings.learn(rows)
    assert told(sayings, "Washable with ease.", "maker: Bell\nnumber: 99\nwashable: yes") == []
    assert told(sayings, "Washable with ease.", "maker: Cloud\nnumber: 99") != []


def test_a_value_that_its_own_product_holds_is_not_to_be_denied() -> None:
    """What leads to a value is learned: behind "sold at" copy denies nothing, in "non stick steel" no steel is."""
    rows = [
        (
            f"name: {name}\nbody: steel\nshop: {shop}\nnumber: {n}",
            f"A non stick steel pan. {name} is sold at {shop}.",
        )
        for name, shop, n in every(NAMES, ("Blue Gate", "Long Lane"), range(20))
    ]
    pan = "name: Tea Cloud\nbody: steel\nshop: Long Lane\nnumber: 99"
    sayings = Sayings.learn(rows)

    def denials(text: str) -> list[str]:
        return [plain(text)[slice(*span)] for span in sayings.denied(plain(text), pan)]

    assert denials("Tea Cloud is not sold at Long Lane.") == ["not sold at long lane"]
    assert denials("Tea Cloud isn't sold at the Long Lane.") == ["isn't sold at the long lane"]
    assert denials("Tea Cloud isn't sold at the market.") == []
    assert denials("No, Tea Cloud is sold at Long Lane: a non stick steel pan, not only steel.") == []
    for fine in (
        "Why not sold at Long Lane?",
        "Not steel? It is.",
        "Steel: no\nSold at Long Lane.",
        "No – sold at Long Lane",
    ):
        assert denials(fine) == violations(fine, pan, Policy(facts=True).knowing(sayings)) == [], fine
    assert denials("It isn’t sold at Long Lane.") == ["isn't sold at long lane"]
    assert denials("No steel will never tire.") == [] != denials("Not steel.")
    assert len(sayings.claims("Tea Cloud is not sold at Long Lane.", pan).values) == 1
    banned = violations(
        "Not sold at Long Lane.", pan, Policy(banned=("sold at Long",), facts=True).knowing(sayings)
    )
    assert [each.kind for each in banned] == ["denied", "banned"]
    assert Sayings.learn([rows[0]] * 500).leads == frozenset(), "a product counts once"
    (found,) = violations("It is NOT sold at Long Lane.", pan, Policy(facts=True).knowing(sayings))
    assert (found.kind, found.what) == ("denied", "NOT sold at Long Lane")
    assert str(found) == "'NOT sold at Long Lane' denies what the product has"


def test_what_was_learned_travels_as_json() -> None:
    for sayings in (SHOP, CHINESE, Sayings()):
        assert Sayings.from_info({"sayings": json.loads(json.dumps(sayings.to_info()))}) == sayings
    assert Sayings.from_info({}) == Sayings()
    before = {key: value for key, value in SHOP.to_info().items() if key != "leads"}
    assert SHOP.leads and Sayings.from_info({"sayings": before}) == replace(SHOP, leads=frozenset())


@pytest.mark.parametrize(
    "said",
    [
        "words",
        {},
        {"phrases": {}, "answers": [], "values": "%"},
        {"phrases": {"a": ["key"]}, "answers": [], "values": ""},
        {"phrases": {"a": ["key", [1]]}, "answers": [], "values": ""},
        {"phrases": {}, "answers": 7, "values": ""},
    ],
)
def test_what_no_sayings_can_be_are_a_bad_adapter(said: object) -> None:
    with pytest.raises(BadAdapter, match="train it again"):
        Sayings.from_info({"sayings": said})


def test_facts_refuse_another_product_s_value_and_other_policies_do_not() -> None:
    text = "Tea Cloud has a warm COPPER body, and is not dishwasher-safe."
    strict = Policy(facts=True).knowing(SHOP)
    found = violations(text, OWN, strict)
    assert {each.kind for each in found} == {"unsupported"}
    assert [text[slice(*each.where)] for each in found if each.where] == [
        "warm COPPER",
        "not dishwasher-safe",
    ]
    assert (
        violations(
            text, OWN, Policy(facts=True, allowed=("warm copper", "not dishwasher safe")).knowing(SHOP)
        )
        == []
    )
    assert Policy().knowing(SHOP) == Policy() and violations(text, OWN, Policy(facts=True)) == []


def test_the_report_counts_them_for_texts_and_baselines() -> None:
    rows = kettles()
    examples = [Example(product, n, copy=copy) for n, (product, copy) in enumerate(rows)]
    splits = Splits(tuple(examples[:-8]), (), tuple(examples[-8:]), (), "")
    found = ad_copy.baselines(splits, Recipe.load("ad-copy"))
    assert found["the references themselves"]["unsupported_claims"] == 0
    assert found["nearest training product's copy"]["unsupported_claims"] > 0
    claims = ad_copy.known(splits).claims("Tea Cloud: a warm copper body by Nike, for 9 dollars", OWN)
    assert (claims.numbers, claims.names, len(claims.values)) == (("9",), ("Nike",), 1)
