"""Names become folders, references become answers: the grammar lets nothing else through."""

import os
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import BadName
from hub.storage.names import Reference, check_alias, check_name, members, parse


def test_a_reference_is_a_name_an_alias_or_a_version() -> None:
    assert parse("acme/spring/ad-copy") == Reference("acme/spring/ad-copy")
    assert parse("acme/spring/ad-copy@production") == Reference("acme/spring/ad-copy", alias="production")
    assert parse("acme/spring/ad-copy@12") == Reference("acme/spring/ad-copy", version=12)
    assert parse("acme/spring/ad-copy@latest") == parse("acme/spring/ad-copy")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme",
        "acme/spring",
        "acme/spring/ad-copy/more",
        "acme//ad-copy",
        "/acme/spring/ad-copy",
        "acme/../ad-copy",
        "acme/.records/ad-copy",
        "acme/spring./ad-copy",
        "acme/spring /ad-copy",
        "acme/spring/ad-copy\n",
        "Acme/spring/ad-copy",
        "acme/spring/ad copy",
        "acme/spring/ad\\copy",
        "acme/spring/ad\0copy",
        "acme/-rf/ad-copy",
        "аcme/spring/ad-copy",  # Cyrillic а
        "acme/spring/con",
        "acme/nul.txt/ad-copy",
        "com1/spring/ad-copy",
        "acme/spring/" + "x" * 65,
        "acme/spring/ad-copy@",
        "acme/spring/ad-copy@0",
        "acme/spring/ad-copy@03",
        "acme/spring/ad-copy@-1",
        "acme/spring/ad-copy@١",  # an Arabic digit
        "acme/spring/ad-copy@1@2",
        "acme/spring/ad-copy@../3",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(BadName):
        parse(text)


def test_a_part_may_have_64_characters() -> None:
    assert check_name("a/b/" + "x" * 64)


@pytest.mark.parametrize("alias", ["latest", "3", "Production", "a/b", "", "."])
def test_aliases_that_would_mean_something_else_are_refused(alias: str) -> None:
    with pytest.raises(BadName):
        check_alias(alias)


PIECES = st.sampled_from(
    ["acme", "a", "..", ".", "/", "@", "\\", "con", "C:", "0", "7", "é", "\0", "\u202e", " ", "-"]
)


@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=9).map("".join)))
def test_no_text_leaves_its_folder_or_changes_when_written_again(text: str) -> None:
    try:
        reference = parse(text)
    except BadName:
        return
    assert text in (str(reference), f"{reference}@latest")
    assert len(PurePosixPath(reference.name).parts) == len(PureWindowsPath(reference.name).parts) == 3
    assert os.path.normpath(reference.name) == reference.name
    assert reference.name.isascii() and reference.name == reference.name.lower()


def test_the_members_of_an_ensemble_may_stand_apart() -> None:
    assert members("a/b/c@1 + a/b/c@2") == members("a/b/c@1+a/b/c@2") == ("a/b/c@1", "a/b/c@2")
