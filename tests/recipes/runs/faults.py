"""What can befall a training, as scenarios that count what came of it: tests run them short,
`benchmarks/training_faults.py` long.

cases       how often it struck
differing   adapters that are not, bit for bit, those of the training that nothing befell
lost        adapters that are not there at the end
stuck       trainings that did not end as they should
untold      faults that were not told as a problem of their own job or file
"""

import gc
import json
import math
import os
import random
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Thread
from time import monotonic, process_time, sleep
from typing import Any

import torch

from adapters import Adapter, Base
from adapters.errors import RepertoireError
from adapters.format.files import read
from recipes import Order, Recipe, Settings, train_many
from recipes.errors import DataError, TrainingError
from recipes.judge import page
from tests.adapters import models
from tests.clock import LIMIT
from tests.forked import begin
from tests.killed import dies_at
from tests.recipes.runs.test_training import QUICK, copies, moods, weights

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass
class Counts:
    """As the module says."""

    cases: int = 0
    differing: int = 0
    lost: int = 0
    stuck: int = 0
    untold: int = 0

    def faults(self) -> dict[str, int]:
        """All that must be 0."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "cases"}

    def compare(self, whole: Path, other: Path, names: Iterable[str]) -> None:
        """Hold adapters against those of the training that nothing befell."""
        for name in names:
            try:
                mine, its = (read(folder / name) for folder in (whole, other))
            except (RepertoireError, OSError):
                self.lost += 1
                continue
            same = torch.equal(weights(mine), weights(its))
            self.differing += not (same and mine.info["report"]["history"] == its.info["report"]["history"])


def recipes(**changes: Any) -> dict[str, Recipe]:
    """LoRA, Prefix, ad copy by both, AdaLoRA, 8-bit moments, and one that waits for a slot: eight jobs. changes: of all
    of them, such as fewer steps."""
    quick = QUICK | changes
    ranks = {"lora.adalora": {"target_rank": 4}, "train.optimizer": "adamw8bit", "train.accumulate": 2}
    copy = quick | {"write.max_new_tokens": 4}
    return {
        "lora": Recipe.load("behavior", **quick | {"lora.dropout": 0.1}),
        "prefix": Recipe.load("behavior-prefix", **quick | {"train.batch_size": 5}),
        "copy": Recipe.load("ad-copy", **copy | {"train.accumulate": 3}),
        "copy-prefix": Recipe.load("ad-copy-prefix", **copy),
        "ranks": Recipe.load("behavior", **quick | ranks),
        "eight": Recipe.load("behavior", **quick | {"train.optimizer": "adamw8bit"}),
        "dora": Recipe.load("behavior", **quick | {"lora.dora": True, "lora.dropout": 0.0}),
        "late": Recipe.load("behavior", **quick | {"lora.rank": 2}),
    }


ALL = tuple(recipes())


def data(folder: Path) -> Path:
    """The files of all jobs, in a new folder."""
    folder.mkdir()
    moods(folder, 64)
    copies(folder, 40)
    return folder


def orders(folder: Path, out: Path, names: Sequence[str] = ALL, **changes: Any) -> list[Order]:
    """Jobs by their name. folder: of their data. changes: of their recipes."""
    own = {name: recipe for name, recipe in recipes(**changes).items() if name in names}
    files = {name: "copies.csv" if recipe.task == "ad-copy" else "moods0.csv" for name, recipe in own.items()}
    return [Order(recipe, folder / files[name], out=out / name, name=name) for name, recipe in own.items()]


def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


@contextmanager
def plain_pages() -> Iterator[None]:
    """Reports without their pictures, which take half of the time of a training as small as these."""
    real = page._png
    page._png = lambda figure: b"a picture"
    try:
        yield
    finally:
        page._png = real


Moment = int | float
"""When a night is ended: at so many calls into the operating system, or after so many seconds of its own processor
time. However slow the machine is, it comes as far."""
NEVER: Moment = 10**9


def night(
    folder: Path, out: Path, names: Sequence[str] = ALL, at: Moment = NEVER, number: int = signal.SIGKILL
) -> None:
    """Train jobs in a process of its own, with a snapshot after every turn, and be sent a signal. Exit code 3 where a
    job did not come through. Writes how many calls and seconds it took."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Where Ctrl-C ended it.
    os.dup2(os.open(folder / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    began = process_time()
    if isinstance(at, float):
        Thread(target=_strike, args=(began + at, number), daemon=True).start()
        at = NEVER
    settings = Settings(pass_tokens=48, state=out / "state", snapshot_seconds=0)
    found: list[Any] = []
    with plain_pages():
        calls = dies_at(
            at,
            lambda: found.extend(train_many(orders(folder, out, names), base(), settings=settings)),
            number,
        )
    if not all(isinstance(result, Adapter) for result in found):
        os._exit(3)
    (out / "took").write_text(json.dumps([calls, process_time() - began]))


def _strike(at: float, number: int) -> None:
    while process_time() < at:
        sleep(0.005)
    os.kill(os.getpid(), number)


def ended(*given: Any) -> int | None:
    """Exit code of a night; None where it never ends."""
    process = begin(night, *given)
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        return None
    return process.exitcode


@dataclass(frozen=True)
class Whole:
    """A night that nothing befell.

    folder: of its data. out: of its adapters. names: of its jobs. calls, seconds: what it took, as `Moment` counts.
    """

    folder: Path
    out: Path
    names: tuple[str, ...]
    calls: int
    seconds: float


def whole(root: Path, names: Sequence[str] = ALL) -> Whole:
    """Train it. Raises AssertionError where it does not come through."""
    folder, out = data(root / "data"), root / "whole"
    assert ended(folder, out, names) == 0, (folder / "told").read_text()
    calls, seconds = json.loads((out / "took").read_text())
    return Whole(folder, out, tuple(names), calls, seconds)


def interrupted(
    own: Whole, root: Path, cases: int, seed: int = 0, ends: float = math.inf, counts: Counts | None = None
) -> Counts:
    """Nights, ended one to three times each at random moments by SIGKILL, SIGTERM and Ctrl-C, at calls and anywhere in
    turn, and resumed until they come through. ends: when no further one is begun, by `monotonic`."""
    counts, draw = counts or Counts(), random.Random(seed)
    for case in range(cases):
        if monotonic() > ends:
            break
        out, left = root / f"case{case}", draw.randint(1, 3)
        counts.cases += 1
        for turn in range(left):
            number = SIGNALS[(case + turn) % 3]
            at: Moment = draw.randint(1, own.calls // left)
            if draw.random() < 0.5:
                at = draw.uniform(0.0, own.seconds / left)
            counts.stuck += ended(own.folder, out, own.names, at, number) is None
        counts.stuck += ended(own.folder, out, own.names) != 0
        counts.stuck += (out / "state").exists()
        counts.compare(own.out, out, own.names)
    return counts


def changed(own: Whole, out: Path) -> Counts:
    """A night that was killed, and whose data were changed before it is resumed: told, and nothing is trained on a
    mixture. Put back, it goes on."""
    counts, settings = Counts(), Settings(pass_tokens=48, state=out / "state")
    ended(own.folder, out, own.names, own.calls // 3)
    path = own.folder / "moods0.csv"
    text = path.read_bytes()
    lines = text.splitlines(keepends=True)
    for other in (b"".join(lines[:-1]), text + lines[-1], text.replace(b"love", b"like", 1), None):
        counts.cases += 1
        path.unlink() if other is None else path.write_bytes(other)
        try:
            train_many(orders(own.folder, out, own.names), base(), settings=settings)
            counts.untold += 1
        except TrainingError as error:
            counts.untold += "other recipes, data or base" not in str(error)
        path.write_bytes(text)
    counts.stuck += ended(own.folder, out, own.names) != 0
    counts.compare(own.out, out, own.names)
    return counts


def odd(
    root: Path, words: Sequence[str] = ("nan", "inf", "-inf", "1e999"), rates: Sequence[float] = (1e6, 1e30)
) -> Counts:
    """Jobs that cannot go well, beside a good one: such learning rates, features and outcomes that are such words. Told
    as their own problem, and the good one is what it is alone."""
    counts, folder = Counts(), data(root / "data")
    (good,) = orders(folder, root / "good", ["lora"])
    rows = [f"u{i},a{i},{i},{i % 2}\n" for i in range(60)]
    files: dict[str, str] = {}
    for word in words:
        files[f"feature {word}"] = "user,ad,price,clicked\n" + "".join([*rows, f"u,a,{word},1\n"])
        files[f"outcome {word}"] = "user,ad,price,clicked\n" + "".join([*rows, f"u,a,5,{word}\n"])
    bad = {
        name: Order(Recipe.load("recommendation", **QUICK), _written(root / f"{name}.csv", text), name=name)
        for name, text in files.items()
    }
    for rate in rates:
        recipe = Recipe.load("ad-copy", **QUICK | {"write.max_new_tokens": 4})
        wild = recipe.model_copy(update={"train": recipe.train.model_copy(update={"learning_rate": rate})})
        bad[f"rate {rate}"] = Order(wild, folder / "copies.csv", name=f"rate {rate}")
    alone = train_many([good], base())[0]
    assert isinstance(alone, Adapter)
    *found, beside = train_many([*bad.values(), good], base())
    for name, result in zip(bad, found, strict=True):
        counts.cases += 1
        if isinstance(result, Adapter):
            # What a learning rate of 1e6 left is finite, and its gates or its report say what it is worth; a feature is
            # a text that may be any word.
            finite = all(bool(torch.isfinite(tensor).all()) for tensor in result.tensors.values())
            counts.untold += not finite or name.startswith("outcome")
        else:
            counts.untold += not isinstance(result, DataError | TrainingError)
    if isinstance(beside, Adapter):
        counts.differing += bool((weights(beside) - weights(alone)).abs().max() > 1e-4)
    else:
        counts.lost += 1
    return counts


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def one_place(root: Path, cases: int) -> Counts:
    """Two runs begun with the same --out: one trains, the other is refused at once and says who is there."""
    counts, folder = Counts(), data(root / "data")
    models.saved("llama", root / "base", tie_word_embeddings=False)
    for case in range(cases):
        counts.cases += 1
        out = root / f"out{case}"
        both = [
            begin(_commanded, folder / "moods0.csv", out, root / "base", root / f"{case}{each}")
            for each in "ab"
        ]
        for process in both:
            process.join(LIMIT)
        codes = sorted(process.exitcode if process.exitcode is not None else -99 for process in both)
        told = "".join((root / f"{case}{each}").read_text() for each in "ab")
        # One may be done before the other begins: that one is then a second training of the same.
        counts.stuck += codes not in ([0, 2], [0, 0])
        counts.untold += codes == [0, 2] and "another run writes to" not in told
        try:
            read(out)
        except (RepertoireError, OSError):
            counts.lost += 1
    return counts


def _commanded(path: Path, out: Path, of: Path, told: Path) -> None:
    from hub.cli import main

    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    main(
        [
            *("train", "behavior", str(path), "--out", str(out), "--base", str(of), "--quantization", "none"),
            *("--set", "train.max_steps=2", "--set", "data.max_tokens=64", "--set", "train.batch_size=8"),
        ]
    )


def many(root: Path, jobs: int) -> Counts:
    """A file of so many jobs, one with data that are not there: all others are trained."""
    counts, folder = Counts(jobs), data(root / "data")
    quick = {"train.max_steps": 1, "data.max_tokens": 32, "train.batch_size": 4, "lora.rank": 1}
    recipe = Recipe.load("behavior", **QUICK | quick)
    path = [folder / "moods0.csv"] * (jobs - 1) + [folder / "absent.csv"]
    asked = [Order(recipe, each, out=root / f"job{i}", name=f"job{i}") for i, each in enumerate(path)]
    with plain_pages():
        found = train_many(asked, base())
    counts.untold += not isinstance(found[-1], DataError)
    counts.lost += sum(not isinstance(each, Adapter) for each in found[:-1])
    made = [weights(read(root / f"job{i}")) for i in range(jobs - 1)]
    counts.differing += sum(not torch.allclose(each, made[0], atol=1e-4) for each in made)
    return counts


@dataclass(frozen=True)
class Held:
    """What a process holds. resident: bytes. objects: that the collector knows, of all types."""

    resident: int
    objects: int

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), len(gc.get_objects()))


def one_after_another(
    root: Path, rounds: int, warm: int, names: Sequence[str] = ALL, **changes: Any
) -> tuple[Counts, Held, Held]:
    """So many rounds of trainings in one process, each of one job; as `orders`. Returns what it holds after `warm` of
    them and after all too."""
    counts, folder, own, seen = Counts(), data(root / "data"), base(), []
    hooks = _hooks(own)
    for number in range(rounds):
        for order in orders(folder, root / "out", names, **changes):
            (found,) = train_many([order], own)
            counts.cases += 1
            counts.lost += not isinstance(found, Adapter)
            del found
        if number + 1 in (warm, rounds):
            seen.append(Held.now())
    counts.stuck += _hooks(own) != hooks
    return counts, seen[0], seen[-1]


def _hooks(own: Base) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in own.model.modules())
