"""Spans for OpenTelemetry: FastAPI, or whatever the operator puts around it, opens one a request; here it gets what the
log line says, and goes where the standard variables say.

    OTEL_TRACES_EXPORTER           console, otlp, ...; none turns it off
    OTEL_EXPORTER_OTLP_ENDPOINT    enough for otlp
"""

import logging
import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

_log = logging.getLogger(__name__)
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def trace_requests() -> None:
    """Send spans, where the environment says where to and the extra `telemetry` is installed."""
    name = os.environ.get("OTEL_TRACES_EXPORTER") or (
        "otlp" if any(map(os.environ.get, _ENDPOINTS)) else "none"
    )
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if name == "none" or off or find_spec("opentelemetry.sdk") is None:
        return
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return  # whoever started this process has done it
    if name == "otlp":
        grpc = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc"
        name = "otlp_proto_grpc" if grpc else "otlp_proto_http"
    found = [*entry_points(group="opentelemetry_traces_exporter", name=name)]
    if not found:
        _log.warning("no spans are sent: no installed package has the exporter %s of OpenTelemetry", name)
        return
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "repertoire"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    trace.set_tracer_provider(provider)


def note_span(line: Mapping[str, Any]) -> None:
    """Let the request's span hold what a line of the log says."""
    try:
        from opentelemetry import trace
    except ImportError:
        return
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({f"repertoire.{name}": value for name, value in line.items()})
