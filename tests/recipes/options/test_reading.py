"""YAML of strangers is bounded, and whatever is wrong with it is BadYaml."""

from pathlib import Path

import pytest
import yaml

from recipes.errors import RecipeError
from recipes.options import reading
from recipes.options.reading import BadYaml, load_yaml, read_yaml
from recipes.recipe import Recipe

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 30)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LAUGHS, "more than 100,000 values"),
        ("a: &a [*a]", "stands inside what it repeats"),
        ("a: &a {b: {c: *a}}", "stands inside what it repeats"),
        ("[" * 5000, "nested too deep, in more than 64"),
        ("- " * 5000 + "x", "nested too deep"),
        ("{a: " * 5000, "nested too deep"),
        ("x: 0x" + "f" * 100_000, "a number of 100,002 characters"),
        ("x: " + "1:" * 5000 + "1", "a number of 10,001 characters"),
        ("x" * (reading.MOST_BYTES + 1), "at most 2,097,152 are read"),
        ("x: !!bool perhaps", "not what its tag"),
        ('x: !!int ""', "no valid YAML"),
        ("x: !!timestamp z", "not what its tag"),
        ("x: !!set a", "no valid YAML"),
    ],
    ids=range(13),
)
def test_what_no_recipe_needs_is_told(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(BadYaml, match=problem):
        read_yaml(text)
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError):
        Recipe.load(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 36)
    with pytest.raises(BadYaml, match="more than 2,097,152 bytes"):
        load_yaml(path)


def test_aliases_that_people_write_are_read() -> None:
    text = "base: &base {epochs: 2, on: yes}\njobs: [*base, {train: *base}]\ndeep: " + "[" * 40 + "]" * 40
    plain = yaml.safe_load(text.replace("on: yes", "on_: 'yes'"))
    read = read_yaml(text)
    assert read["jobs"][0] == {"epochs": 2, "on": "yes"} == read["jobs"][1]["train"]
    assert read["deep"] == plain["deep"]
    assert len(read_yaml("\n".join(f"- {{n: {index}}}" for index in range(2000)))) == 2000
