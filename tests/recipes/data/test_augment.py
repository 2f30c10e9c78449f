"""Augmentation: what may change in a row, what never does, and that a row counts as before."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from recipes import Order, Recipe, train, train_many
from recipes.data import load_splits
from recipes.data.augment import augment
from recipes.errors import RecipeError, TrainingError
from recipes.examples import Example
from recipes.learn.encode import encode_texts
from recipes.measure.claims import attributes, unnamed
from recipes.recipe import TaskName
from recipes.runs.order import prepare
from recipes.tasks import task_for
from tests.adapters import models

QUICK: dict[str, Any] = {"train.max_steps": 2, "train.batch_size": 8, "data.max_tokens": 64}


def recipe(task: TaskName = "behavior", **augment: Any) -> Recipe:
    return Recipe.load(task, **{f"data.augment.{name}": value for name, value in augment.items()})


def row(fields: Mapping[str, str] | str, made_by: Recipe, **more: Any) -> Example:
    fields = {"text": fields} if isinstance(fields, str) else fields
    return Example(task_for(made_by.task).render(fields, made_by), 2, fields=fields, **more)


def changed(text: str, **options: Any) -> str:
    """The one copy of a behavior text."""
    made_by = recipe(**options)
    _, copy = augment([row(text, made_by)], made_by)
    return copy.text


@pytest.fixture
def synonyms(tmp_path: Path) -> str:
    path = tmp_path / "words.txt"
    path.write_text("buy, purchase\n\n跑鞋，运动鞋\nred shoes, ruby slippers\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


def test_it_is_off_by_default_and_changes_nothing_then() -> None:
    plain = Recipe.load("behavior")
    assert plain.data.augment is None
    examples = [row("one two three", plain)]
    assert augment(examples, plain) == tuple(examples)


def test_dropout_leaves_out_a_share_of_the_words_in_their_order() -> None:
    text = "one two three four five six seven eight nine ten"
    for share, left in ((0.1, 9), (0.5, 5), (0.99, 1), (0.01, 9)):
        words = changed(text, dropout=share).split(" ")
        assert len(words) == left
        assert words == [word for word in text.split(" ") if word in words]


def test_dropout_leaves_out_characters_of_chinese() -> None:
    text = "这双鞋子非常好看"
    made = changed(text, dropout=0.25)
    assert len(made) == len(text) - 2 and [each for each in text if each in made] == [*made]


def test_numbers_and_masks_stay_and_so_does_the_last_word() -> None:
    assert changed("20% off 1,000 K2 <email> now", dropout=0.9) in (
        "20% off 1,000 K2 <email>",
        "20% 1,000 K2 <email> now",
    )
    for alone in ("refund", "refund 12", "K2 20%", "三"):
        made_by = recipe(dropout=0.9)
        whole = row(alone, made_by, weight=2.0)
        assert augment([whole], made_by) == (whole,), "no copy that equals its row, and its weight whole"


def test_synonyms_replace_whole_words_and_phrases_and_keep_capitals(synonyms: str) -> None:
    options = {"synonyms": synonyms, "share": 1.0}
    assert changed("Buy 2 red shoes, not redshoes or a buyer.", **options) == (
        "Purchase 2 ruby slippers, not redshoes or a buyer."
    )
    assert changed("买一双跑鞋吧", **options) == "买一双运动鞋吧"
    assert (
        changed("buy buy buy buy buy buy buy buy buy buy", synonyms=synonyms, share=0.2).count("purchase")
        == 2
    )
    made_by = recipe(**options)
    whole = row("nothing known", made_by)
    assert augment([whole], made_by) == (whole,)


def test_template_words_labels_and_features_stay_and_weights_are_split() -> None:
    made_by = Recipe.load(
        "recommendation", **{"data.augment": {"dropout": 0.5, "copies": 3}, "data.features": ["season"]}
    )
    fields = {"user": "likes trail shoes", "ad": "buy now today", "season": "late autumn"}
    first, second = (
        row(fields, made_by, label=1, weight=3.0, group="g"),
        row(fields | {"ad": "x"}, made_by, label=0),
    )
    made = augment([first, second], made_by)
    assert [example.text for example in made[:2]] == [first.text, second.text]
    copies = [example for example in made[2:] if example.label == 1]
    for copy in copies:
        user, ad, season = copy.text.split("\n")
        assert user.startswith("User: ") and set(user[6:].split()) < set(fields["user"].split())
        assert ad.startswith("Ad: ") and set(ad[4:].split()) < set(fields["ad"].split())
        assert season == "season: late autumn" and (copy.group, copy.label) == ("g", 1)
    assert len({copy.text for copy in copies}) == len(copies) > 0
    assert {example.weight for example in made if example.label == 1} == {3.0 / (1 + len(copies))}
    assert sum(example.weight for example in made) == pytest.approx(4.0)


def test_ad_copy_changes_the_product_and_never_its_keys_or_the_copy() -> None:
    made_by = Recipe.load("ad-copy", **{"data.augment": {"dropout": 0.9}, "data.lines": False})
    for product, kept in (
        ("name[Blue Spice], customer rating[5 of 5]", ("name[", "customer rating[5", "5]")),
        ("类型#长裙*颜色#白色", ("类型#", "*颜色#")),
    ):
        _, copy = augment([row({"product": product}, made_by, copy="Buy Blue Spice!")], made_by)
        assert copy.copy == "Buy Blue Spice!" and copy.text != product
        assert all(part in copy.text for part in kept)
    _, copy = augment([row({"name": "Blue Spice", "price": "20"}, made_by, copy="Buy!")], made_by)
    assert copy.text in ("name: Blue\nprice: 20", "name: Spice\nprice: 20")


@pytest.mark.parametrize("product", ["name[Blue Spice], area[riverside]", "类型#长裙*颜色#白色*风格#潮"])
def test_a_copy_of_a_product_that_is_read_as_lines_is_lines_too(product: str) -> None:
    """Also where a value is gone altogether."""
    for seed in range(8):
        made_by = Recipe.load("ad-copy", **{"data.augment": {"dropout": 0.9}, "data.seed": seed})
        for each in augment([row({"product": product}, made_by, copy="Buy Blue Spice!")], made_by):
            assert each.text and not set("[]#*") & set(each.text)


def test_a_copy_follows_from_the_seed_and_its_row_alone() -> None:
    made_by = recipe(dropout=0.3)
    examples = [row(f"{word} two three four five six seven", made_by) for word in ("one", "ein", "un")]
    forward, backward = augment(examples, made_by)[3:], augment(examples[::-1], made_by)[3:]
    assert forward == backward[::-1] == augment(examples, made_by)[3:]
    other = Recipe.load("behavior", **{"data.augment.dropout": 0.3, "data.seed": 7})
    assert augment(examples, other)[3:] != forward


def test_the_hook_puts_texts_in_other_words_before_anything_else(synonyms: str) -> None:
    asked = []

    def reword(text: str) -> str:
        asked.append(text)
        return text.replace("get", "buy")

    made_by = recipe(synonyms=synonyms, copies=2)
    examples = [row("get it", made_by), row("get it", made_by), row("keep it", made_by)]
    made = augment(examples, made_by, reword)
    assert [example.text for example in made] == ["get it", "get it", "keep it", "purchase it", "purchase it"]
    assert [example.weight for example in made] == [0.5, 0.5, 1.0, 0.5, 0.5]
    assert asked == ["get it", "keep it"], "once for each text"


def test_a_hook_that_fails_is_a_training_error_that_shows_the_text() -> None:
    made_by = recipe(copies=1)

    def fails(text: str) -> str:
        raise OSError("no network")

    with pytest.raises(TrainingError, match=r"failed on 'get it': OSError\('no network'\)"):
        augment([row("get it", made_by)], made_by, fails)
    with pytest.raises(TrainingError, match="made ' ' of 'get it'"):
        augment([row("get it", made_by)], made_by, lambda text: " ")


def test_a_recipe_that_would_do_nothing_or_cannot_is_refused() -> None:
    with pytest.raises(RecipeError, match="changes nothing; give dropout, synonyms"):
        augment([], recipe(copies=1))
    with pytest.raises(RecipeError, match=r"the recipe has no data\.augment"):
        augment([], Recipe.load("behavior"), str.upper)
    for options, says in (
        ({"dropout": 1.0}, "write a number below 1"),
        ({"copies": 0}, "write a number of at least 1"),
        ({"share": 0.5}, "share is only read where there are synonyms"),
        ({"drop": 0.5}, "did you mean `dropout`?"),
    ):
        with pytest.raises(RecipeError, match=says):
            recipe(**options)
    with pytest.raises(RecipeError, match=r"data\.augment: would change the texts that data.history reads"):
        Recipe.load(
            "recommendation",
            **{"data.augment.dropout": 0.1, "data.history": {"liked": "(a)", "disliked": "(b)"}},
        )


def test_everything_wrong_with_a_file_of_synonyms_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("alone\nbuy, get\n5 stars, best\nobtain, Buy\n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        augment([], recipe(synonyms=str(path)))
    told = [problem.split("words.txt: ")[1] for problem in caught.value.problems]
    assert [problem.split(" ")[:3] for problem in told] == [
        ["line", "1:", "'alone'"],
        ["line", "3:", "'5"],
        ["line", "4:", "'Buy'"],
    ]
    with pytest.raises(RecipeError, match="cannot be read"):
        augment([], recipe(synonyms=str(tmp_path / "absent.txt")))
    path.write_text("\n")
    with pytest.raises(RecipeError, match="holds no synonyms"):
        augment([], recipe(synonyms=str(path)))


def moods(folder: Path) -> Path:
    lines = [f"{'love' if n % 2 else 'hate'} it so {n},{'good' if n % 2 else 'bad'}" for n in range(60)]
    path = folder / "moods.csv"
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return path


def test_only_training_rows_get_copies_and_the_notes_count_them(
    base: Base, tmp_path: Path, synonyms: str
) -> None:
    nameless = QUICK | {"data.label_names": False}
    plain = prepare(Order(Recipe.load("behavior", **nameless), moods(tmp_path)), base)
    options = {"dropout": 0.3, "synonyms": synonyms}
    made_by = Recipe.load("behavior", **nameless | {"data.augment": options})
    job = prepare(Order(made_by, moods(tmp_path)), base)
    count = len(plain.train)
    assert job.validation == plain.validation and job.splits == plain.splits
    assert [each.ids for each in job.train[:count]] == [each.ids for each in plain.train]
    assert len(job.train) == 2 * count and {each.weight for each in job.train} == {0.5}
    copies = [example.text for example in augment(job.splits.train, made_by)[count:]]
    assert [each.ids for each in job.train[count:]] == encode_texts(base, made_by, copies)
    assert any(
        note.startswith(f"{count} copies of {count} training rows")
        for note in job.adapter.info["data"]["notes"]
    )
    adapter = train(made_by, moods(tmp_path), base)
    assert adapter.info["recipe"]["data"]["augment"]["synonyms"] == "words.txt", (
        "no folders of a client's machine"
    )
    assert adapter.info["report"]["rows"]["train"] == count
    assert Recipe.from_dict(adapter.info["recipe"]).data.augment is not None


def test_a_hook_reaches_the_rows_and_fails_its_own_job_alone(base: Base, tmp_path: Path) -> None:
    made_by = Recipe.load("behavior", **QUICK | {"data.augment": {"copies": 1}})
    asked: list[str] = []
    train(made_by, moods(tmp_path), base, augmenter=lambda text: asked.append(text) or text.upper())  # type: ignore[func-returns-value]
    assert len(asked) == len(set(asked)) == 42
    failed, good = train_many(
        [
            Order(made_by, moods(tmp_path), augmenter=lambda text: ""),
            Order(Recipe.load("behavior", **QUICK), moods(tmp_path)),
        ],
        base,
    )
    assert isinstance(failed, TrainingError) and not isinstance(good, Exception)


PUBS = (
    ("name[The Mill], eatType[pub], area[riverside]", "The Mill is a pub by the riverside."),
    ("name[Aromi], eatType[coffee shop], area[city centre]", "Aromi is a coffee shop in the City Centre."),
    ("name[Cotto], eatType[inn], area[riverside], kids[yes]", "A family inn. Cotto stands at the riverside."),
)


def swapping(rows: Sequence[tuple[str, str]], **more: Any) -> tuple[Example, ...]:
    """The copies alone."""
    made_by = recipe("ad-copy", swap_values=True, **more)
    return augment([row({"product": p}, made_by, copy=c) for p, c in rows], made_by)[len(rows) :]


def test_swapped_values_stand_in_product_and_copy_alike_and_come_from_other_products() -> None:
    own = dict(PUBS)
    copies = swapping(PUBS, copies=40)
    held = {
        key: {value for p in own for k, value in attributes(p) if k == key}
        for key in ("name", "eatType", "area")
    }
    seen: dict[str, set[str]] = {key: set() for key in held}
    for each in copies:
        assert each.copy is not None and not unnamed(
            each.copy, [p for p in attributes(each.text) if p[0] in held]
        )
        for key, value in attributes(each.text):
            if key in held:
                assert value in held[key]
                seen[key].add(value)
    assert seen == held, "of 40 copies each value is drawn"
    assert sum(each.weight for each in copies) < len(PUBS), "a row and its copies count as the row did"


def test_a_swapped_value_is_written_as_the_old_one_was() -> None:
    rows = [
        ("type: inn\ncolour: red", "An inn, all RED. Inn it is."),
        ("type: pub\ncolour: blue", "Quiet blue."),
    ]
    found = {each.copy for each in swapping(rows, copies=8)}
    assert "An inn, all Blue. Inn it is." in found, "in capitals, as far as the other can be"
    assert not any("pub" in (copy or "") for copy in found), (
        "a value that stands twice, or not at all, is left"
    )
    articles = swapping([("type: inn", "It is an inn."), ("type: pub", "It is a pub.")])
    assert {each.copy for each in articles} == {"It is a pub.", "It is an inn."}
    chinese = swapping([("类型#裙*颜色#白色", "这条白色的裙很美"), ("类型#裙*颜色#红色", "红色的裙")])
    assert {each.copy for each in chinese} == {"这条红色的裙很美", "白色的裙"}


@pytest.mark.parametrize(
    ("product", "copy", "other"),
    [
        (
            "price: high\nrating: high",
            "A high price.",
            "price: low\nrating: low",
        ),  # whose it is, is not known
        ("kids: yes", "Says yes to kids.", "kids: no"),
        ("allergens: none", "Second to none, this soap.", "allergens: nuts\nallergens: milk"),
        ("title: Red kettle\ncolour: red", "Red kettle for tea.", "colour: blue"),
        ("use: pro", "Our pros. A pro tool.", "use: home"),
        ("size: 4", "Rated 4.5 by many.", "size: 9"),
        ("price: £20", "For £20-25 a head.", "price: £30"),
        ("pack: 20", "Now 20% off.", "pack: 50"),
        ("colour: red", "A red-hot deal.", "colour: blue"),
        ("channel: email", "Write to <email> today.", "channel: post"),
        ("season#春", "青春无敌", "season#夏"),
        ("text: " + "word " * 20, "word " * 20, "text: c"),
    ],
)
def test_values_that_mean_another_thing_where_they_stand_are_left(
    product: str, copy: str, other: str
) -> None:
    made = swapping([(product, copy), (other, "Nothing.")], copies=4)
    assert [each.copy for each in made] == []


def test_no_value_is_drawn_that_the_row_holds_already() -> None:
    rows = [("from: London\nto: Paris", "From London to Paris."), ("from: Rome\nto: Rome", "Fly.")]
    for each in swapping(rows, copies=8):
        assert each.copy in ("From Rome to Paris.", "From London to Rome.")


@pytest.mark.parametrize(
    ("copy", "value", "other", "found"),
    [
        ("It is a pub.", "pub", "university bar", "It is a university bar."),
        ("This is a day off.", "day", "hour", "This is an hour off."),
        ("A pub for you.", "pub", "LED", "An LED for you."),
        ("This is Grade A leather.", "leather", "alloy", "This is Grade A alloy."),
        ("Vuelos a Madrid", "Madrid", "Oslo", "Vuelos a Oslo"),
        ("Soft leather for the feet.", "Leather", "Gore-Tex", "Soft Gore-Tex for the feet."),
        ("An (odd) one of a kind.", "(odd)", "\\1 +x", "A \\1 +x one of a kind."),
    ],
)
def test_what_stands_around_a_swapped_value_fits(copy: str, value: str, other: str, found: str) -> None:
    assert swapping([(f"it: {value}", copy), (f"it: {other}", "None.")])[0].copy == found


def test_swapped_values_are_for_copy_alone() -> None:
    with pytest.raises(RecipeError, match="has no copy"):
        recipe("behavior", swap_values=True)


@pytest.mark.parametrize("written", [True, "yes", [1], 3])
def test_what_is_no_block_of_options_is_a_fault_of_the_recipe(written: Any) -> None:
    with pytest.raises(RecipeError, match=r"data\.augment"):
        Recipe.load("ad-copy", **{"data.augment": written})


def test_columns_of_a_product_are_swapped_each_in_its_own(base: Base, tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    lines = [
        f"Kettle {n},{('red', 'blue', 'green')[n % 3]},Kettle {n} in {('red', 'blue', 'green')[n % 3]}"
        for n in range(30)
    ]
    path.write_text("title,colour,ad\n" + "\n".join(lines) + "\n")
    made_by = Recipe.load(
        "ad-copy",
        **{
            "data.columns": {"copy": "ad"},
            "data.augment.swap_values": True,
            "data.features": ["title", "colour"],
        },
    )
    splits = load_splits(made_by, path)
    copies = augment(splits.train, made_by)[len(splits.train) :]
    assert copies
    for each in copies:
        assert not unnamed(each.copy or "", attributes(each.text))
        assert each.text == task_for("ad-copy").render(each.fields, made_by)
