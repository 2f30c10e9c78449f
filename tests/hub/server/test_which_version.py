"""Every answer says which version gave it, so that whoever asks while an alias moves knows."""

import pytest

from hub.server.service import Answered
from tests.hub.server.conftest import Served
from tests.hub.server.test_bad_input import BODIES

ASKED = [path for path in BODIES if path != "/v1/feedback" and not path.endswith("lora_adapter")]


@pytest.mark.parametrize("path", ASKED)
def test_every_answer_says_which_version_gave_it(served: Served, path: str) -> None:
    body = BODIES[path]
    (name,) = [body.get("model", body.get("reference"))] if path != "/v1/analyze" else body["reference"]
    with served.http() as http:
        told = http.post(path, json=body).json()
        model = http.get(f"/v1/models/{name}").json()
    assert told["system_fingerprint"] == model["repertoire"]["digest"][:16]


def test_in_a_batch_each_has_its_own(served: Served) -> None:
    calls = ("recommend", "analyze")
    entries = [{**BODIES[f"/v1/{call}"], "call": call} for call in calls]
    with served.http() as http:
        answers = http.post("/v1/batch", json={"requests": entries}).json()["answers"]
    names = [f"acme/spring/{task}" for task in ("recommendation", "behavior")]
    assert [each["answer"]["system_fingerprint"] for each in answers] == [
        served.registry.hub.resolve(name).digest[:16] for name in names
    ]


def test_an_ensemble_says_all_of_its_own() -> None:
    answered = Answered([], ("a" * 64, "b" * 64), 0, None)  # type: ignore[arg-type]
    assert answered.fingerprint == f"{'a' * 16}+{'b' * 16}"
