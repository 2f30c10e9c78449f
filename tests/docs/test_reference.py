"""The pages of the reference that are made from the code say something of everything."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest

import adapters
import hub
import recipes
from recipes import Recipe
from tests.docs.blocks import ROOT


@pytest.mark.parametrize("package", [adapters, hub, recipes], ids=lambda package: package.__name__)
def test_every_name_of_a_face_is_in_the_reference(package: ModuleType) -> None:
    page = (ROOT / "docs" / "reference" / f"{package.__name__}.md").read_text(encoding="utf-8")
    listed = [name for names in re.findall(r"members: \[(.*)\]", page) for name in names.split(", ")]
    assert sorted(listed) == sorted(package.__all__)


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_option_of_a_recipe_is_told(hooks: ModuleType) -> None:
    rows = [line.split(" | ") for line in hooks.recipe_page().splitlines() if line.startswith("| `")]
    options = [row for row in rows if len(row) == 4]
    assert len(options) == sum(len(section.model_fields) for _, section in hooks.sections(Recipe))
    assert [row[0] for row in options if not row[3].strip(" |")] == []


def test_every_command_has_a_heading(hooks: ModuleType) -> None:
    page = hooks.commands_page()
    assert "### repertoire train" in page
    assert "## Exit codes" in page


def test_what_looks_like_a_link_or_a_tag_is_none(hooks: ModuleType) -> None:
    assert hooks.plain("hf://owner[@revision][/folder] `as [x] <y>` <email>") == (
        "hf://owner\\[@revision]\\[/folder] `as [x] <y>` &lt;email>"
    )
