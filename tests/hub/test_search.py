"""What a search finds: every filter alone and with others, in the order that was asked for."""

from pathlib import Path
from typing import Any

import pytest

from hub.errors import BadSearch
from hub.hub import Hub
from tests.hub.tiny import NAME, lora, prefix

COPY = "globex/launch/ad-copy"


def measured(**after: float | None) -> dict[str, Any]:
    zero = dict.fromkeys(after, 0.0)
    rows = {"train": 7, "validation": 1, "test": 2}
    return {"metric": "auc", "before": zero, "after": after, "baselines": {}, "rows": rows, "seconds": 1.0}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    hub = Hub(tmp_path_factory.mktemp("search") / "hub")
    for number, (auc, loss) in enumerate([(0.7, 0.6), (0.9, 0.3), (0.8, 0.4)]):
        hub.publish(
            lora(number, report=measured(auc=auc, log_loss=loss), data={"digest": f"{number}a" * 32}),
            NAME,
            tags=["weekly", f"week-{number}"],
            message=f"Frühjahr, Woche {number}",
        )
    hub.publish(prefix(), COPY, tags=["week-1", "50%"], message="秋季 launch_copy")
    hub.publish(lora(7, report=measured(auc=None)), "acme/autumn/recommendation", tags=[])
    hub.set_alias(NAME, "production", 2)
    return hub


AUTUMN = "acme/autumn/recommendation@1"
ALL = {"all_versions": True}


@pytest.mark.parametrize(
    ("text", "filters", "found"),
    [
        ("", {}, [AUTUMN, f"{NAME}@3", f"{COPY}@1"]),
        ("", ALL, [AUTUMN, f"{NAME}@1", f"{NAME}@2", f"{NAME}@3", f"{COPY}@1"]),
        ("", {"client": "acme"}, [AUTUMN, f"{NAME}@3"]),
        ("", {"client": "acm"}, []),
        ("", {"client": "a%"}, []),
        ("", {"campaign": "spring"}, [f"{NAME}@3"]),
        ("", {"campaign": "acme"}, []),
        ("", {"name": NAME, **ALL}, [f"{NAME}@1", f"{NAME}@2", f"{NAME}@3"]),
        ("", {"task": "ad-copy"}, [f"{COPY}@1"]),
        ("", {"method": "prefix"}, [f"{COPY}@1"]),
        ("", {"method": "lora", "client": "globex"}, []),
        ("", {"base": "starter"}, [AUTUMN, f"{NAME}@3", f"{COPY}@1"]),
        ("", {"base": "start"}, []),
        ("", {"tag": "week-1"}, [f"{COPY}@1"]),
        ("", {"tag": "week-1", **ALL}, [f"{NAME}@2", f"{COPY}@1"]),
        ("", {"tag": ["week-1", "weekly"], **ALL}, [f"{NAME}@2"]),
        ("", {"tag": '", "'}, []),
        ("", {"tag": "50%"}, [f"{COPY}@1"]),
        ("", {"data": "1a" * 32, **ALL}, [f"{NAME}@2"]),
        ("", {"data": "2a2", **ALL}, [f"{NAME}@3"]),
        ("", {"data": "a", **ALL}, []),
        ("", {"metric": "auc>=0.8"}, [f"{NAME}@3"]),
        ("", {"metric": "auc>=0.8", **ALL}, [f"{NAME}@2", f"{NAME}@3"]),
        ("", {"metric": "auc > .8", **ALL}, [f"{NAME}@2"]),
        ("", {"metric": "auc=0.7", **ALL}, [f"{NAME}@1"]),
        ("", {"metric": ["auc<0.9", "log_loss<=4e-1"], **ALL}, [f"{NAME}@3"]),
        ("", {"alias": "production"}, [f"{NAME}@2"]),
        ("", {"alias": "latest", **ALL}, [AUTUMN, f"{NAME}@3", f"{COPY}@1"]),
        ("", {"alias": "staging"}, []),
        ("RECOMMENDATION spring", {}, [f"{NAME}@3"]),
        ("woche 1", ALL, [f"{NAME}@2"]),
        ("FRÜHJAHR", {}, [f"{NAME}@3"]),
        ("秋季", {}, [f"{COPY}@1"]),
        ("_copy", {}, [f"{COPY}@1"]),
        ("n%copy", {}, []),
        ("", {"sort": "auc", **ALL}, [f"{NAME}@2", f"{NAME}@3", f"{NAME}@1", AUTUMN, f"{COPY}@1"]),
        ("", {"sort": "log_loss", "limit": 2, **ALL}, [f"{NAME}@2", f"{NAME}@3"]),
        ("", {"sort": "created", "limit": 2, **ALL}, [AUTUMN, f"{COPY}@1"]),
        ("", {"limit": 1}, [AUTUMN]),
    ],
)
def test_filters(hub: Hub, text: str, filters: Any, found: list[str]) -> None:
    assert [version.reference for version in hub.search(text, **filters)] == found


def test_what_is_found_says_what_the_record_says(hub: Hub) -> None:
    for found in hub.search(all_versions=True):
        version = hub.resolve(found.reference)
        record = version.record
        assert (found.name, found.number, found.digest, found.folder) == (
            version.name,
            version.number,
            version.digest,
            version.folder,
        )
        assert (found.task, found.method, found.created, found.publisher, found.message, found.tags) == (
            record.task,
            record.method,
            record.created,
            record.publisher,
            record.message,
            record.tags,
        )
        assert found.size == (record.rank or record.length)
        assert (found.base, found.data_digest) == (record.base.model_dump(), record.data_digest)
    production = hub.search(alias="production")[0]
    assert (production.aliases, production.metrics) == (("production",), {"auc": 0.9, "log_loss": 0.3})
    assert hub.search(name=NAME)[0].aliases == ("latest",)


def test_a_data_digest_that_is_no_hash_is_found_too(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub")
    for digest in ("Warehouse 7", "AB" * 32, "abc", "ab cd"):
        hub.publish(lora(data={"digest": digest}), NAME)
    assert [found.data_digest for found in hub.search(all_versions=True)] == [
        "Warehouse 7",
        "AB" * 32,
        "abc",
        "ab cd",
    ]
    assert [found.number for found in hub.search(data="Ware", all_versions=True)] == [1]
    assert [found.number for found in hub.search(data="AB", all_versions=True)] == [2]
    assert [found.number for found in hub.search(data="ab", all_versions=True)] == [3, 4]


@pytest.mark.parametrize("condition", ["auc", "auc>=", ">=0.5", "auc>=high", "auc=>0.5", "auc>=0.5 or 1", ""])
def test_a_condition_that_is_none_says_how_to_write_one(hub: Hub, condition: str) -> None:
    with pytest.raises(BadSearch, match=r"write it as auc>=0\.8"):
        hub.search(metric=[condition])


def test_an_unknown_metric_brings_the_known_ones(hub: Hub, tmp_path: Path) -> None:
    for filters in ({"metric": "acu>0"}, {"sort": "acu"}):
        with pytest.raises(BadSearch, match="no version here has a metric 'acu'; there are auc, log_loss"):
            hub.search(**filters)  # type: ignore[arg-type]
    assert Hub(tmp_path / "empty").search(metric="auc>0", sort="auc") == ()
