"""Where the files of a hub lie: what a path is made of can be read off it again, and of strangers nothing."""

import pytest

from hub.storage import layout
from hub.storage.layout import Filed, filed, numbered

NAME = "acme/spring/ad-copy"
HOME = "adapters/acme/spring/ad-copy"


@pytest.mark.parametrize(
    ("path", "written", "read"),
    [
        (
            numbered(layout.log(NAME), 3),
            f"{HOME}/.records/000003.json",
            Filed("record", NAME, 3, None),
        ),
        (
            numbered(layout.tombstones(NAME), 1_234_567),
            f"{HOME}/.tombstones/1234567.json",
            Filed("tombstone", NAME, 1_234_567, None),
        ),
        (
            numbered(layout.alias_log(NAME, "production"), 7),
            f"{HOME}/.events/production/000007.json",
            Filed("event", NAME, 7, "production"),
        ),
        (
            layout.signature(NAME, 3, "ab12"),
            f"{HOME}/.signatures/000003/ab12.json",
            Filed("signature", NAME, 3, None),
        ),
    ],
)
def test_a_path_says_what_it_was_made_of(path: str, written: str, read: Filed) -> None:
    assert path == written
    assert filed(path) == read


@pytest.mark.parametrize(
    "path",
    [
        "hub.json",
        f"{HOME}/v000003/adapter_config.json",
        f"{HOME}/.records/.part",
        f"{HOME}/.records/000000.json",
        f"{HOME}/.records/3.json",
        f"{HOME}/.records/000003.json/x",
        f"{HOME}/.events/../000001.json",
        f"{HOME}/.events/000001.json",
        f"{HOME}/.signatures/000003/.hidden.json",
        f"{HOME}/.signatures/000003/a b.json",
        f"{HOME}/.signatures/000003/ab12.json\n",
        f"{HOME}/.signatures/000003/../ab12.json",
        f"{HOME}/.strange/000001.json",
        "adapters/ACME/spring/ad-copy/.records/000001.json",
        "adapters/acme/spring/.records/000001.json",
        f"/{HOME}/.records/000001.json",
    ],
)
def test_what_is_no_entry_of_a_name_is_none(path: str) -> None:
    assert filed(path) is None
