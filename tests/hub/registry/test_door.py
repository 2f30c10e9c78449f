"""What is wrong with one request is its own RequestError, and the requests beside it are answered."""

import gc
import re
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from adapters.errors import RepertoireError, RequestError
from adapters.serving import Sampling
from hub import Analyze, Hub, Recommend, Registry, Write
from hub.catalogue.signing import PrivateKey, make_keys
from hub.errors import Untrusted
from recipes.options import read_policy
from tests.adapters import models
from tests.hub.voices import NAME, voice

COPY, CLICKS = "acme/spring/ad-copy", "acme/spring/recommendation"
HALF = "thank you \ud83d"


@pytest.fixture(scope="module")
def registry(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    hub = Hub(tmp_path_factory.mktemp("hub"))
    hub.publish(voice(base, 1), NAME)
    hub.publish(models.made_here("llama", "lora"), COPY)
    clicks = voice(base, 2)
    clicks.task = "recommendation"
    hub.publish(clicks, CLICKS)
    registry = Registry(hub, base)
    yield registry
    registry.close()


BAD: dict[str, Any] = {
    "no request": None,
    "a mapping": {"reference": NAME},
    "deadline": Analyze(NAME, ["glad"], deadline="5"),  # type: ignore[arg-type]
    "a deadline that no float can hold": Analyze(NAME, ["glad"], deadline=10**400),
    "endless deadline": Analyze(NAME, ["glad"], deadline=float("inf")),
    "no reference": Analyze(None, ["glad"]),  # type: ignore[arg-type]
    "references": Analyze([NAME, 3], ["glad"]),  # type: ignore[list-item]
    "one text": Analyze(NAME, "glad"),
    "no text": Analyze(NAME, [None]),  # type: ignore[list-item]
    "half a character": Analyze(NAME, [HALF]),
    "half in a column": Analyze(NAME, [{"text": "glad", "note": {"deep": [HALF]}}]),
    "half in a column's name": Analyze(NAME, [{"text": "glad", HALF: "x"}]),
    "columns": Analyze(NAME, [{1: "glad"}]),  # type: ignore[dict-item]
    "user": Recommend(CLICKS, None, ["tea"]),  # type: ignore[arg-type]
    "ads": Recommend(CLICKS, "u", None),  # type: ignore[arg-type]
    "features": Recommend(CLICKS, "u", ["tea"], ["x"]),  # type: ignore[arg-type]
    "half a user": Recommend(CLICKS, HALF, ["tea"]),
    "a list of products": Write(COPY, ["mug"]),  # type: ignore[arg-type]
    "a number": Write(COPY, 5),  # type: ignore[arg-type]
    "half a product": Write(COPY, HALF),
    "n": Write(COPY, "mug", n="3"),  # type: ignore[arg-type]
    "none": Write(COPY, "mug", n=0),
    "more than anybody reads": Write(COPY, "mug", n=10**7),
    "shorter than nothing": Write(COPY, "mug", max_chars=-1),
    "no tokens": Write(COPY, "mug", max_new_tokens=0),
    "half a token": Write(COPY, "mug", max_new_tokens=2.5),  # type: ignore[arg-type]
    "a share below nothing": Write(COPY, "mug", min_p=-0.1),
    "more than all": Write(COPY, "mug", min_p=1.5),
    "a share in words": Write(COPY, "mug", min_p="half"),  # type: ignore[arg-type]
    "no drafts": Write(COPY, "mug", drafts=0),
    "more drafts than are compared": Write(COPY, "mug", drafts=33),
    "half a draft": Write(COPY, "mug", drafts=1.5),  # type: ignore[arg-type]
    "no penalty": Write(COPY, "mug", repetition_penalty=0),
    "hotter than numbers": Write(COPY, "mug", temperature=1e-320),
    "temperature": Write(COPY, "mug", temperature="hot"),  # type: ignore[arg-type]
    "stop": Write(COPY, "mug", stop=[HALF]),
    "seed": Write(COPY, "mug", seed=None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_request_is_its_own_error_and_its_neighbour_is_answered(bad: Any, registry: Registry) -> None:
    wrong, good = registry.run([bad, Analyze(NAME, ["glad 5"])])
    assert isinstance(wrong, RequestError)
    assert re.search("half|expected|no request|names of columns", str(wrong))
    str(wrong).encode()
    assert isinstance(good, list) and good[0].text == "glad 5"  # type: ignore[union-attr]
    with pytest.raises(RequestError):
        registry.submit(bad)


def test_texts_from_a_generator_are_refused(registry: Registry) -> None:
    texts: Any = (text for text in ["glad"])
    (wrong,) = registry.run([Analyze(NAME, texts)])
    assert isinstance(wrong, RequestError) and "texts is" in str(wrong) and "(generator)" in str(wrong)


def test_without_a_fingerprint_an_adapter_answers_with_a_warning_and_not_under_a_trust_policy(
    base: Base, tmp_path: Path
) -> None:
    unknown = voice(base, 1)
    unknown.base = replace(unknown.base, fingerprint=None)
    make_keys(tmp_path / "acme")
    hub = Hub(tmp_path / "hub")
    hub.publish(unknown, NAME, key=PrivateKey(tmp_path / "acme.pem"))
    registry = Registry(hub, base)
    assert registry.analyze(NAME, ["glad"])
    (followed,) = registry.following()
    assert followed.warning is not None and "no fingerprint of its base" in followed.warning
    registry.close()
    (tmp_path / "trust.yaml").write_text(
        'clients: {acme: {require_signature: [acme.pub]}, "*": {require_signature: []}}'
    )
    strict = Registry(hub.address, base, trust=tmp_path / "trust.yaml", follow=False)
    with pytest.raises(Untrusted, match="no fingerprint of its base"):
        strict.analyze(NAME, ["glad"])
    strict.close()


class _Held:
    """What a frame of the caller holds."""


@pytest.mark.parametrize(
    "bad",
    [lambda: Sampling(4, temperature=1e-320), lambda: read_policy({"required": ["x"], "banned": ["x"]})],
)
def test_a_refusal_keeps_nothing_of_who_was_refused(bad: Callable[[], object]) -> None:
    def refused(held: _Held) -> None:
        found = []
        try:
            bad()
        except RepertoireError as error:
            found.append(error)
        assert found

    held = _Held()
    gone = weakref.ref(held)
    refused(held)
    del held
    gc.collect()
    assert gone() is None
