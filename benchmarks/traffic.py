"""Requests that come and go, through the runtime as a registry uses it: `python -m benchmarks.traffic`.

64 over 16     uniform traffic to 64 adapters: 16 slots beside 64; what is not in a slot waits in host memory, or in
               the hub where host memory is made too small for any
arrivals       Poisson arrivals, most texts short and some long: the highest rate at which 95 of 100 requests are
               answered in time, with continuous batching and with static batches (the next one starts when the last
               text of the one before is done)
transformers   16 texts by transformers' own continuous batching, which takes no adapters, beside the step loop here
"""

import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median, quantiles
from threading import Thread
from time import perf_counter, sleep
from typing import Any

import torch
import transformers as tf

from adapters import Base, Limits, load_base
from adapters.serving.generate import Writing, write
from adapters.serving.request import Completion, Request
from adapters.serving.runtime import Runtime
from adapters.serving.sampling import Sampling
from adapters.slots.slots import Slots
from benchmarks import llama28m
from benchmarks.measure import interleaved, keep_freed_memory, machine, medians, now, ratio, versions
from benchmarks.mixed_batch import BATCH, NEW, PROMPT, stock
from hub import Hub

RESULT = llama28m.ROOT / "benchmarks" / "results" / "traffic.json"
ADAPTERS, ROWS = 64, 16
REQUESTS = 192  # of one run of uniform traffic
ARRIVALS = 240  # of one run of arrivals
SHORT, LONG, LONG_SHARE = 6, 64, 0.15  # new tokens
BOUND = 3.0  # times the seconds of a long request alone, in which 95 of 100 requests are to be answered


def main() -> int:
    """Measure and write the result."""
    keep_freed_memory()
    tf.logging.set_verbosity_error()
    about = machine()
    base = load_base(str(llama28m.base()), "none")
    hub = Hub(tempfile.mkdtemp())
    references = [
        hub.publish(llama28m.adapter("lora", number), f"bench/a{number}/ad-copy").reference
        for number in range(ADAPTERS)
    ]
    result: dict[str, Any] = {
        "benchmark": "traffic",
        "command": "python -m benchmarks.traffic",
        "shape": llama28m.SHAPE | {"rows": ROWS, "prompt": PROMPT, "adapters": ADAPTERS, "rank": 8},
        "64 over 16": uniform(base, hub, references),
        "arrivals": arrivals(base, hub, references),
        "transformers": peers(base),
        "machine": about,
        "versions": versions("torch", "transformers", "peft"),
        "date": now(),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def uniform(base: Base, hub: Hub, references: Sequence[str]) -> dict[str, Any]:
    """Seconds for the same requests, all waiting at once."""
    stream = random.Random(0)
    requests = [Request(stream.choice(references), prompt(stream), Sampling(NEW)) for _ in range(REQUESTS)]
    limits = {
        "64 slots": Limits(slots=64, rows=ROWS),
        "16 slots": Limits(slots=16, rows=ROWS),
        "16 slots, all else in the hub": Limits(slots=16, rows=ROWS, host_bytes=0),
    }
    runtimes = {name: Runtime(base, hub.fetch, each) for name, each in limits.items()}
    seconds = interleaved({name: lambda r=r: finished(r, requests) for name, r in runtimes.items()}, 5)  # type: ignore[misc]
    states = {name: runtime.state() for name, runtime in runtimes.items()}
    for runtime in runtimes.values():
        runtime.close()
    return {
        "seconds": {name: round(median(times), 3) for name, times in seconds.items()},
        "throughput / all resident": {
            name: ratio(seconds, "64 slots", name) for name in limits if name != "64 slots"
        },
        "copies into slots a run": {name: round(state["misses"] / 6, 1) for name, state in states.items()},
        "reads from the hub a run": {name: round(state["fetched"] / 6, 1) for name, state in states.items()},
        "milliseconds of a load": {
            part: round(1000 * states["16 slots, all else in the hub"][part]["mean"], 3)
            for part in ("read", "verify", "copy")
        },
    }


def prompt(stream: random.Random) -> tuple[int, ...]:
    """Random tokens."""
    return tuple(stream.randrange(3, 12000) for _ in range(PROMPT))


def finished(runtime: Runtime, requests: Sequence[Request]) -> None:
    """Run requests and see that each was answered."""
    assert all(isinstance(answer, Completion) for answer in runtime.run(requests))


def arrivals(base: Base, hub: Hub, references: Sequence[str]) -> dict[str, Any]:
    """The highest rates at which the bound is kept."""
    runtime = Runtime(base, hub.fetch, Limits(slots=16, rows=ROWS))
    for reference in references[:16]:
        runtime.load(reference)
    stream = random.Random(2)
    alone = [Request(references[0], prompt(stream), Sampling(LONG))]
    bound = BOUND * median(interleaved({"long": lambda: finished(runtime, alone)}, 3)["long"])
    found: dict[str, Any] = {
        "bound, p95 in seconds": round(bound, 3),
        "new tokens": [SHORT, LONG],
        "share of long": LONG_SHARE,
    }
    for name, static in (("continuous", False), ("static", True)):
        tried: dict[float, float] = {}
        low, high = 2.0, 40.0
        for _ in range(6):  # halves the range in the logarithm
            rate = (low * high) ** 0.5
            tried[rate] = p95(runtime, references[:16], rate, static)
            low, high = (rate, high) if tried[rate] <= bound else (low, rate)
        found[name] = {
            "requests a second": round(low, 2),
            "tried": {f"{rate:.2f}": round(seconds, 3) for rate, seconds in sorted(tried.items())},
        }
    runtime.close()
    reached = (found[name]["requests a second"] for name in ("continuous", "static"))
    found["continuous / static"] = round(next(reached) / next(reached), 2)
    return found


def p95(runtime: Runtime, references: Sequence[str], rate: float, static: bool) -> float:
    """95th percentile of the seconds from a request's coming to its answer, at Poisson arrivals of a rate."""
    stream = random.Random(1)
    due, at = [], 0.0
    for _ in range(ARRIVALS):
        at += stream.expovariate(rate)
        new = LONG if stream.random() < LONG_SHARE else SHORT
        due.append((at, Request(stream.choice(references), prompt(stream), Sampling(new))))
    took: list[float] = []
    began = perf_counter()
    if static:
        waiting: SimpleQueue[tuple[float, Request]] = SimpleQueue()
        server = Thread(target=serve, args=(runtime, waiting, took, began))
        server.start()
    tickets = []
    for at, request in due:
        sleep(max(0.0, began + at - perf_counter()))
        if static:
            waiting.put((at, request))
        else:
            (ticket,) = runtime.submit([request])
            ticket.add_done_callback(lambda _, at=at: took.append(perf_counter() - began - at))  # type: ignore[misc]
            tickets.append(ticket)
    if static:
        server.join()
    for ticket in tickets:
        ticket.result()
    return quantiles(took, n=20)[-1]


def serve(
    runtime: Runtime, waiting: "SimpleQueue[tuple[float, Request]]", took: list[float], began: float
) -> None:
    """Static batching: all that wait, at most the rows of a batch, and the next ones when the last text is done."""
    while len(took) < ARRIVALS:
        batch = [waiting.get()]
        while len(batch) < ROWS:
            try:
                batch.append(waiting.get_nowait())
            except Empty:
                break
        finished(runtime, [request for _, request in batch])
        took += [perf_counter() - began - at for at, _ in batch]


def peers(base: Base) -> dict[str, Any]:
    """16 texts on the base alone."""
    model = stock("none")
    prompts = torch.randint(3, 12000, (BATCH, PROMPT)).tolist()
    settings = tf.GenerationConfig(max_new_tokens=NEW, do_sample=False, eos_token_id=11999, pad_token_id=0)
    slots = Slots(base, 1)

    def theirs() -> None:
        made = model.generate_batch(inputs=prompts, generation_config=settings, progress_bar=False)
        assert len(made) == BATCH

    def ours() -> None:
        with torch.inference_mode():
            write(base, slots, [Writing(tuple(ids), None, Sampling(NEW)) for ids in prompts])

    seconds = interleaved({"continuous batching of transformers": theirs, "ours": ours}, 5)
    return {
        "milliseconds": medians(seconds),
        "transformers / ours": ratio(seconds, "continuous batching of transformers", "ours"),
    }


if __name__ == "__main__":
    Path(llama28m.FOLDER).mkdir(parents=True, exist_ok=True)
    sys.exit(main())
