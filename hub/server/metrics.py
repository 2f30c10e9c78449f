"""Metrics for Prometheus: requests as they end, and of the runtime what it counts, read when somebody asks.

A caller is shown samples of its own clients and adapters, and those that name nobody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from hub.server.caller import Caller
from hub.server.noted import Noted

if TYPE_CHECKING:
    from hub.registry.registry import Registry

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_COUNTED = {
    "hits": "rows that found their adapter in a slot",
    "misses": "rows that waited for a copy into a slot",
    "fetched": "adapters read from the hub",
    "failed": "adapters that could not be read",
    "evicted_slots": "adapters that left a slot for another",
    "evicted_host": "adapters that left host memory for another",
    "answered": "rows that were answered",
    "errors": "rows that ended with an error",
    "refused": "rows that found the queue of their client full",
    "cancelled": "rows that were given up",
    "expired": "rows that were over their deadline",
    "tokens": "tokens that running rows wrote, whoever asked",
}
_NAMES = {"tokens": "decoded_tokens"}  # `repertoire_tokens` are those of a client
_TIMED = {
    "read": "reading an adapter's bytes",
    "verify": "checking an adapter",
    "copy": "copying an adapter into a slot",
    "queue": "from a row's coming to its first step",
    "prefill": "reading prompts and head rows",
    "step": "one token of every running row",
}


class Meters:
    """The metrics of one server; registry: whose runtime is read; feedback: the state of its log, where it has one."""

    def __init__(self, registry: "Registry", feedback: Callable[[], Mapping[str, Any]] = dict) -> None:
        self._found = CollectorRegistry(auto_describe=False)
        names = ("client", "call", "status")
        self._requests = Counter("repertoire_requests", "Requests that ended", names, registry=self._found)
        self._seconds = Histogram(
            "repertoire_request_seconds",
            "From a request to its last byte",
            names,
            buckets=_SECONDS,
            registry=self._found,
        )
        self._first = Histogram(
            "repertoire_first_token_seconds",
            "From a request to a stream's first piece",
            ["client"],
            buckets=_SECONDS,
            registry=self._found,
        )
        self._each = Histogram(
            "repertoire_token_seconds",
            "Of a stream, a token after the first",
            ["client"],
            buckets=_SECONDS,
            registry=self._found,
        )
        self._tokens = Counter(
            "repertoire_tokens", "Tokens read and written", ["client", "direction"], registry=self._found
        )
        self._found.register(_Runtime(registry))
        self._found.register(_Log(feedback))

    def ended(self, noted: Noted, status: int) -> None:
        """Note a request."""
        labels = (noted.client, noted.call, str(status))
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(noted.seconds)
        for direction, count in (("in", noted.read), ("out", noted.written)):
            if count:
                self._tokens.labels(noted.client, direction).inc(count)
        if noted.first is not None:
            self._first.labels(noted.client).observe(noted.first)
            if noted.written > 1:
                self._each.labels(noted.client).observe((noted.seconds - noted.first) / (noted.written - 1))

    def tokens(self, caller: Caller) -> Iterator[tuple[str, str, int]]:
        """Client, `in` or `out`, tokens since the server began; of the clients that the caller sees."""
        for family in _Visible(self._tokens.collect, caller).collect():
            for sample in family.samples:
                if sample.name.endswith("_total") and sample.labels["client"]:
                    yield sample.labels["client"], sample.labels["direction"], int(sample.value)

    def text(self, caller: Caller) -> bytes:
        """In Prometheus' own format, as far as the caller may know it."""
        return generate_latest(_Visible(self._found.collect, caller))


class _Visible:
    """A registry of metrics without the samples of what the caller does not see."""

    def __init__(self, collect: Callable[[], Iterable[Metric]], caller: Caller) -> None:
        self._collect, self._caller = collect, caller

    def collect(self) -> Iterator[Metric]:
        for family in self._collect():
            family.samples = [
                shown for sample in family.samples if (shown := _shown(sample, self._caller)) is not None
            ]
            if family.samples:
                yield family


def _shown(sample: Any, caller: Caller) -> Any:
    labels = sample.labels
    if labels.get("client") and not caller.sees(f"{labels['client']}/"):
        return None
    if "adapter_name" in labels and not caller.sees(labels["adapter_name"]):
        return None
    lists = {name: labels[name] for name in _LISTS if name in labels}
    if not lists:
        return sample
    own = {
        name: ",".join(filter(caller.sees, filter(None, value.split(",")))) for name, value in lists.items()
    }
    return sample._replace(labels={**labels, **own})


_LISTS = ("running_lora_adapters", "waiting_lora_adapters")


class _Runtime:
    """What a registry's runtime counts, as metrics; with the gauges that routers read of vLLM."""

    def __init__(self, registry: "Registry") -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        state, residents = self._registry.state(), self._registry.residency()
        for name, told in _COUNTED.items():
            yield CounterMetricFamily(
                f"repertoire_{_NAMES.get(name, name)}", told.capitalize(), value=state[name]
            )
        for name, told in _TIMED.items():
            times = state[name]
            buckets = [*((str(edge), count) for edge, count in times["buckets"]), ("+Inf", times["count"])]
            yield HistogramMetricFamily(
                f"repertoire_{name}_seconds", told.capitalize(), buckets=buckets, sum_value=times["total"]
            )
        slots = [each for each in residents if each.tier == "slot"]
        tiers: Mapping[str, int] = {
            tier: sum(each.tier == tier for each in residents) for tier in ("slot", "host", "loading")
        }
        adapters = GaugeMetricFamily("repertoire_adapters", "Adapters by tier", labels=["tier"])
        for tier, count in tiers.items():
            adapters.add_metric([tier], count)
        yield adapters
        yield GaugeMetricFamily("repertoire_slots", "Slots of the device", value=state["slots"])
        yield GaugeMetricFamily(
            "repertoire_host_bytes", "Adapters in host memory", value=sum(each.size for each in residents)
        )
        yield GaugeMetricFamily("vllm:num_requests_waiting", "Rows that wait", value=state["waiting"])
        yield GaugeMetricFamily("vllm:num_requests_running", "Texts that are written", value=state["writing"])
        running = ",".join(sorted({each.adapter for each in slots if each.rows}))
        waiting = ",".join(sorted({each.adapter for each in residents if each.tier == "loading"}))
        info = GaugeMetricFamily("vllm:lora_requests_info", "Adapters at work", labels=["max_lora", *_LISTS])
        info.add_metric([str(state["slots"]), running, waiting], 1)
        yield info
        loaded = GaugeMetricFamily(
            "vllm:lora_adapter_loaded", "Adapters and where they are", labels=["adapter_name", "level"]
        )
        for each in residents:
            loaded.add_metric([each.adapter, _LEVELS[each.tier]], 1)
        yield loaded


class _Log:
    """What the feedback log counts, while it is open."""

    def __init__(self, state: Callable[[], Mapping[str, Any]]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        if state := self._state():
            for name, told in (("written", "on the disk"), ("dropped", "not taken: the queue was full")):
                yield CounterMetricFamily(
                    f"repertoire_feedback_{name}", f"Events of the feedback log {told}", value=state[name]
                )
            yield GaugeMetricFamily(
                "repertoire_feedback_waiting",
                "Events that are not on the disk yet",
                value=state["waiting"],
            )


_LEVELS = {"slot": "gpu", "host": "cpu", "loading": "loading"}
