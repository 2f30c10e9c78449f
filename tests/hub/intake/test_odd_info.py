"""Whatever an adapter says of itself: it is refused with an error of ours, or it answers; its neighbours always do."""

import json
import math
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from adapters import Adapter, Base
from adapters.errors import RepertoireError
from adapters.format import CONFIG, WEIGHTS, parse, render
from hub import Analyze, Hub, Recommend, Refused, Registry
from hub.intake import Download
from recipes import Order, Recipe, train_many
from recipes.answer import Voice
from tests.adapters import models
from tests.hub.voices import NAME, voice

CLICKS = "acme/spring/recommendation"
ODD: list[Any] = [
    *(None, True, False, 0, -1, 5, 1e308, 10**400, "", "x", "\ud800", [], ["x"], [None], [[1, 2]], {}, {"x": 1}),
    *({"temperature": None}, {"a": {"b": ["c"]}}),
]  # fmt: skip


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


@pytest.fixture(scope="module")
def trained(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    """With everything that a training leaves: a recipe, facts of the data, a report, gates, a calibration, a blend."""
    file = tmp_path_factory.mktemp("data") / "clicks.csv"
    rows = [f"{'eager' if n % 3 else 'idle'},tea {n},{n % 3 > 0:d}" for n in range(240)]
    file.write_text("\n".join(["user,ad,clicked", *rows]))
    changes: dict[str, Any] = {
        "train.epochs": 1,
        "data.max_tokens": 64,
        "blend": True,
        "data.negative_share": 0.7,
    }
    # A probe would be right by itself, and nothing would be blended.
    changes |= {"head.init": "random", "head.pooling": "last", "train.learning_rate": 2e-3}
    recipe = Recipe.load("recommendation", **changes)
    (run,) = train_many([Order(recipe, file)], base)
    assert isinstance(run, Adapter)
    return run


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in JSON, the outermost first; of long lists the first entries."""
    yield here
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield from paths(item, (*here, key))


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], odd)
    return copy


def said(weights: bytes) -> Any:
    end = 8 + int.from_bytes(weights[:8], "little")
    return json.loads(json.loads(weights[8:end])["__metadata__"]["repertoire"])


def saying(weights: bytes, ours: Any) -> bytes:
    """The same weights that say something else of the adapter."""
    end = 8 + int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8:end])
    header["__metadata__"]["repertoire"] = json.dumps(ours)
    data = json.dumps(header).encode()
    data += b" " * (-len(data) % 8)
    return len(data).to_bytes(8, "little") + data + weights[end:]


@pytest.fixture(scope="module")
def registry(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    hub = Hub(tmp_path_factory.mktemp("hub"))
    hub.publish(voice(base, 1), NAME)
    registry = Registry(hub, base, follow=False)
    yield registry
    registry.close()


def examine(registry: Registry, files: dict[str, bytes]) -> bool:
    """Whether it was taken. Any other error than ours is one of the test."""
    with suppress(RepertoireError):  # as a hub reads it that took it long ago
        Voice.of(parse(files[CONFIG], files[WEIGHTS]))
    try:
        registry.publish(Download("x", files, None), CLICKS, force_reason="a test")
    except Refused:
        return False
    answer, neighbour = registry.run(
        [Recommend(CLICKS, "eager", ["tea 1", "tea 2"]), Analyze(NAME, ["glad"])]
    )
    assert isinstance(neighbour, list)
    if isinstance(answer, RepertoireError):
        return True
    assert all(0 <= each.probability <= 1 and not math.isnan(each.probability) for each in answer)
    return True


def test_a_value_of_another_type_is_refused_or_answers(trained: Adapter, registry: Registry) -> None:
    files, chance = render(trained), random.Random(0)
    ours = said(files[WEIGHTS])
    places = list(paths(ours))
    for path in chance.sample(places, 60):
        odd = chance.choice(ODD)
        try:
            examine(registry, files | {WEIGHTS: saying(files[WEIGHTS], changed(ours, path, odd))})
        except Exception as error:
            raise AssertionError(f"{path}: {odd!a}") from error


@pytest.mark.parametrize(
    ("path", "odd", "taken"),
    [
        (("info", "calibration"), None, True),
        (("info", "calibration"), 1.5, True),
        (("info", "calibration"), ["x"], False),
        (("info", "calibration", "temperature"), "hot", False),
        (("info", "calibration", "temperature"), 1e-320, False),
        (("info", "recipe"), 5, False),
        (("info", "recipe"), ["x"], False),
        (("info", "recipe", "task"), "ad-copy", False),
        (("info", "recipe", "data"), [], False),
        (("info", "data"), 5, True),
        (("info", "data", "digest"), 5, True),
        (("info", "quantization"), 5, True),
        (("info", "blend"), "x", False),
        (("head", "labels"), "abc", False),
        (("head", "multi_label"), "x", False),
        (("head",), {}, False),
        (("base", "id"), 5, False),
        (("base",), None, False),
        (("task",), 5, False),
        ((), ["x"], False),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_where_it_is_published(
    path: tuple[Any, ...], odd: Any, taken: bool, trained: Adapter, registry: Registry
) -> None:
    files = render(trained)
    ours = changed(said(files[WEIGHTS]), path, odd)
    assert examine(registry, files | {WEIGHTS: saying(files[WEIGHTS], ours)}) is taken
