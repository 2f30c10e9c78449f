"""What the pages show, and to whom."""

import re

import pytest

from tests.hub.server.conftest import TASKS
from tests.hub.server.pages.conftest import Visitor

NAMES = [f"acme/spring/{task}" for task in TASKS]
OTHERS = [f"globex/launch/{task}" for task in TASKS]


def test_the_list_shows_every_adapter_with_its_quality_and_who_answers_in_production(
    anybody: Visitor,
) -> None:
    page = anybody.get("/page/adapters")
    assert page.status_code == 200
    assert all(f'href="/page/adapters/{name}"' in page.text for name in NAMES + OTHERS)
    assert "6 of 6 adapters" in page.text
    assert 'href="/page/adapters/acme/spring/ad-copy?v=1"' in page.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=launch", OTHERS),
        ("client=acme&task=behavior", ["acme/spring/behavior"]),
        ("method=prefix", ["acme/spring/behavior", "globex/launch/behavior"]),
        ("alias=production", ["acme/spring/ad-copy"]),
        ("gates=passed", []),
        ("metric=nonsense", []),
        ("metric=unheard>=1", []),
        ("metric=nll<1000&client=acme", ["acme/spring/ad-copy"]),
    ],
)
def test_filters_leave_what_fits(anybody: Visitor, query: str, found: list[str]) -> None:
    text = anybody.get(f"/page/adapters?{query}").text
    assert sorted(re.findall(r'class="name" href="/page/adapters/([^"]+)"', text)) == sorted(found)


@pytest.mark.parametrize("name", NAMES)
def test_one_adapter_shows_its_verdict_numbers_files_and_history(anybody: Visitor, name: str) -> None:
    page = anybody.get(f"/page/adapters/{name}")
    assert page.status_code == 200
    for told in (
        "Held-out results",
        "adapter_model.safetensors",
        "Who can serve it",
        "base alone",
        "was published",
    ):
        assert told in page.text
