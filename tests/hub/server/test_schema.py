"""The OpenAPI document is complete, and whatever it allows is answered: by schemathesis, in its short form.

`REPERTOIRE_CASES=700` asks each route so often: 10,000 cases and more.
"""

import os
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings

from tests.hub.server.conftest import Served

CASES = int(os.environ.get("REPERTOIRE_CASES", "12"))
PATHS = {
    "/health",
    "/ready",
    "/metrics",
    "/v1/models",
    "/v1/models/{model}",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/recommend",
    "/v1/analyze",
    "/v1/write",
    "/v1/batch",
    "/v1/explain",
    "/v1/feedback",
    "/v1/place",
    "/v1/classify",
    "/v1/rerank",
    "/v2/rerank",
    "/v1/load_lora_adapter",
    "/v1/unload_lora_adapter",
    "/v1/residency",
}


def test_the_document_has_every_route_with_words_and_examples(served: Served) -> None:
    document = served.app.openapi()
    assert set(document["paths"]) >= PATHS
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert told["summary"] and told["description"], path
            assert told["tags"], path
            if method != "post":
                continue
            body = told["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
            assert schemas[body]["description"], body
            assert "examples" in str(schemas[body]), body
            assert {"400", "404", "429"} <= set(told["responses"]), path


def test_whatever_the_document_allows_is_answered_without_a_500(served: Served) -> None:
    schema = schemathesis.openapi.from_dict(served.app.openapi())
    schema.config.base_url = served.url
    found: list[Any] = []
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @schemathesis_given(operation)
        def ask(case: Any) -> None:
            answer = case.call(base_url=served.url)
            if answer.status_code >= 500:
                found.append((case.method, case.path, case.body, answer.status_code, answer.text))
            elif answer.status_code >= 400 and "application/json" in answer.headers.get("content-type", ""):
                assert answer.json()["error"]["message"]

        ask()
    assert found == []


def schemathesis_given(operation: Any) -> Any:
    from hypothesis import given

    return given(case=operation.as_strategy())
