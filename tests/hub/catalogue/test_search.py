"""What a search finds: every filter alone and with others, in the order that was asked for."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.catalogue.records import Record
from hub.catalogue.search import Found
from hub.errors import BadSearch
from hub.hub import Hub
from hub.storage.layout import log
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


PIECES = (
    *"abkß%_'\"\\*?[]ſİıΣσςÄäé秋季山跑🏃",
    *(
        "spring",
        "Spring",
        "STRASSE",
        "Straße",
        "ﬁnal",
        "week-7",
        "e\u0301",
        "\u212a",
        "a\0b",
        "--",
        "OR",
        "NULL",
        ";",
    ),
)


def scattered(path: Path, stream: random.Random, names: int = 12, each: int = 6) -> Iterator[Hub]:
    """A hub that grows by records of random names and messages: empty, with some, with all, and opened again."""
    hub = Hub(path)
    yield hub
    fields = Hub(path.parent / "other").publish(lora(), NAME).record.model_dump()
    known = sorted(
        {
            "/".join(stream.choice("ab1") + stream.choice(["", "-7", "_k.b"]) for _ in range(3))
            for _ in range(names)
        }
    )
    for at in stream.sample(range(len(known) * each), len(known) * each):
        name = known[at % len(known)]
        changed = {
            "name": name,
            "created": f"2026-01-01T00:00:{stream.randrange(60):02d}.000+00:00",
            "message": " ".join("".join(stream.choices(PIECES, k=stream.randrange(4))) for _ in range(3)),
            "tags": tuple(stream.sample(["x", "y%", "z'"], stream.randrange(3))),
            "metrics": stream.choice([None, {"after": {"auc": stream.randrange(4) / 4}}]),
        }
        number = hub.store.append(
            log(name),
            lambda there, changed=changed: Record.model_validate(
                fields | changed | {"version": there.next}
            ).to_bytes(),
        )
        if stream.random() < 0.2:
            hub.set_alias(name, stream.choice(["production", "canary"]), number or 0)
        elif stream.random() < 0.1:
            hub.remove(f"{name}@{number}")
        if at == 0:
            yield hub
    yield hub
    yield Hub(path)


def expected(everything: tuple[Found, ...], text: str, asked: dict[str, Any]) -> list[str]:
    """The references that a look at every version finds."""

    def fits(found: Found) -> bool:
        client, campaign, _ = found.name.split("/")
        alias, metric = asked["alias"], asked["metric"]
        return all(
            (
                all(
                    word.casefold() in found.name or word.casefold() in found.message.casefold()
                    for word in text.split()
                ),
                asked["client"] in (None, client),
                asked["campaign"] in (None, campaign),
                set(asked["tag"]) <= set(found.tags),
                alias in (None, *found.aliases),
                alias is not None or asked["all_versions"] or "latest" in found.aliases,
                asked["removed"] or not found.removed,
                metric is None or found.metrics.get("auc", -1.0) >= 0.5,
            )
        )

    fitting = sorted(filter(fits, everything), key=lambda found: (found.name, found.number))
    if asked["sort"] != "name":
        fitting.sort(key=lambda found: (found.name, -found.number))
        fitting.sort(
            key=lambda found: found.created if asked["sort"] == "created" else found.metrics.get("auc", -1.0),
            reverse=True,
        )
    return [found.reference for found in fitting][: asked["limit"]]


@pytest.mark.parametrize("seed", range(3))
def test_a_search_finds_what_a_look_at_every_version_finds(tmp_path: Path, seed: int) -> None:
    stream, found_some = random.Random(seed), 0
    for hub in scattered(tmp_path / "hub", stream):
        everything = hub.search(all_versions=True, removed=True)
        texts = [f"{found.name} {found.message}" for found in everything] or [""]
        for _ in range(150):
            text = stream.choice(texts)
            start = stream.randrange(len(text) + 1)
            words = [
                text[start : start + stream.randrange(1, 5)],
                *stream.choices(PIECES, k=stream.randrange(2)),
            ]
            text = " ".join(stream.choice([word, word.upper(), word.lower()]) for word in words)
            asked = {
                "client": stream.choice([None, None, "a", "1-7"]),
                "campaign": stream.choice([None, None, "b"]),
                "tag": stream.sample(["x", "y%", "z'"], stream.choice([0, 0, 1])),
                "metric": stream.choice([None, None, "auc>=0.5"]) if everything else None,
                "alias": stream.choice([None, None, None, "production", "latest"]),
                "all_versions": stream.random() < 0.8,
                "removed": stream.random() < 0.3,
                "sort": stream.choice(["name", "created", "auc"] if everything else ["name"]),
                "limit": stream.choice([None, None, 1, 3]),
            }
            text = stream.choice(["", text, text])
            found = [version.reference for version in hub.search(text, **asked)]
            assert found == expected(everything, text, asked), (text, asked)
            found_some += bool(text and found)
    assert found_some > 40
