"""A request's span holds what its line of the log says, and lines of the log hold no text."""

import json
import logging
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hub.server import tracing
from hub.server.lines import JsonLine
from tests.clock import until
from tests.hub.server.conftest import Served

COPY = "acme/spring/ad-copy"


@pytest.mark.parametrize("stream", [False, True])
def test_a_span_has_the_fields_of_the_line(
    served: Served, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    body = {"model": COPY, "messages": [{"role": "user", "content": "mug 7"}], "stream": stream}
    with served.http() as http:
        id = http.post("/v1/chat/completions", json=body).headers["x-request-id"]

    def ended() -> Any:
        return [each.attributes for each in spans.get_finished_spans() if "repertoire.id" in each.attributes]

    until(ended)
    (found,) = ended()
    assert found["repertoire.id"] == id
    assert found["repertoire.client"] == "acme" and found["repertoire.reference"] == COPY
    assert found["repertoire.status"] == 200 and found["repertoire.path"] == "/v1/chat/completions"
    assert "mug 7" not in str(dict(found))


@pytest.mark.parametrize(
    "environment",
    [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"}],
)
def test_nothing_is_traced_that_is_not_asked_for(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(trace, "set_tracer_provider", asked.append)
    for name in ("OTEL_TRACES_EXPORTER", *tracing._ENDPOINTS):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracing.trace_requests()
    assert asked == []
    monkeypatch.setenv("OTEL_SDK_DISABLED", "false")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    tracing.trace_requests()
    (provider,) = asked
    assert provider.resource.attributes["service.name"] == "repertoire"
    provider.shutdown()


def test_an_exporter_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "nowhere")
    tracing.trace_requests()
    assert "nowhere" in caplog.text


def test_an_error_is_a_line_without_its_message() -> None:
    try:
        raise ValueError("a secret text")
    except ValueError:
        record = logging.LogRecord("a.b", logging.ERROR, "", 1, "it %s", ("failed",), sys.exc_info())
    written = JsonLine().format(record)
    line = json.loads(written)
    assert (line["level"], line["logger"], line["message"], line["error"]) == (
        "error",
        "a.b",
        "it failed",
        "ValueError",
    )
    assert "test_tracing.py" in line["at"][-1] and "secret" not in written and "\n" not in written
