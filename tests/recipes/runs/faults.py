"""What can befall a training, as scenarios that count what came of it: tests run them short,
`benchmarks/training_faults.py` long.

cases       how often it struck
differing   adapters that are not, bit for bit, those of the training that nothing befell
lost        adapters that are not there at the end
stuck       trainings that did not end as they should
untold      faults that were not told as a problem of their own job or file
"""

import gc
import math
import os
import random
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from adapters import Adapter, Base
from adapters.errors import RepertoireError
from adapters.format.files import read
from recipes import Order, Recipe, Settings, train_many
from recipes.errors import DataError, TrainingError
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


def recipes() -> dict[str, Recipe]:
    """LoRA, Prefix, ad copy by both, AdaLoRA, 8-bit moments, and one that waits for a slot: eight jobs."""
    ranks = {"lora.adalora": {"target_rank": 4}, "train.optimizer": "adamw8bit", "train.accumulate": 2}
    copy = {"write.max_new_tokens": 4}
    return {
        "lora": Recipe.load("behavior", **QUICK | {"lora.dropout": 0.1}),
        "prefix": Recipe.load("behavior-prefix", **QUICK | {"train.batch_size": 5}),
        "copy": Recipe.load("ad-copy", **QUICK | copy | {"train.accumulate": 3}),
        "copy-prefix": Recipe.load("ad-copy-prefix", **QUICK | copy),
        "ranks": Recipe.load("behavior", **QUICK | ranks),
        "eight": Recipe.load("behavior", **QUICK | {"train.optimizer": "adamw8bit"}),
        "dora": Recipe.load("behavior", **QUICK | {"lora.dora": True, "lora.dropout": 0.0}),
        "late": Recipe.load("behavior", **QUICK | {"lora.rank": 2}),
    }


def data(folder: Path) -> Path:
    """The files of all jobs, in a new folder."""
    folder.mkdir()
    moods(folder, 64)
    copies(folder, 40)
    return folder


def orders(folder: Path, out: Path) -> list[Order]:
    """All jobs. folder: of their data."""
    files = {
        name: "copies.csv" if recipe.task == "ad-copy" else "moods0.csv" for name, recipe in recipes().items()
    }
    return [
        Order(recipe, folder / files[name], out=out / name, name=name) for name, recipe in recipes().items()
    ]


def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


def night(
    folder: Path, out: Path, life: int = 10**9, number: int = signal.SIGKILL, state: Path | None = None
) -> None:
    """Train all in a process of its own, with a snapshot after every turn, and be sent a signal at so many calls into
    the operating system. Exit code 3 where a job did not come through."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Warnings of a full disk, and where Ctrl-C ended it.
    os.dup2(os.open(folder / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    settings = Settings(pass_tokens=48, state=state or out / "state", snapshot_seconds=0)
    found: list[Any] = []
    calls = dies_at(
        life, lambda: found.extend(train_many(orders(folder, out), base(), settings=settings)), number
    )
    if not all(isinstance(result, Adapter) for result in found):
        os._exit(3)
    (out / "calls").write_text(str(calls))


def ended(*given: Any) -> int | None:
    """Exit code of a night; None where it never ends."""
    process = begin(night, *given)
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        return None
    return process.exitcode


def interrupted(
    root: Path, cases: int, seed: int = 0, ends: float = math.inf, counts: Counts | None = None
) -> Counts:
    """Nights of eight jobs, ended one to three times each at random moments by SIGKILL, SIGTERM and Ctrl-C, and resumed
    until they come through. ends: when no further one is begun, by `monotonic`."""
    counts = counts or Counts()
    folder, whole = data(root / "data"), root / "whole"
    if ended(folder, whole) != 0:
        counts.stuck += 1
        return counts
    calls, draw = int((whole / "calls").read_text()), random.Random(seed)
    for case in range(cases):
        if monotonic() > ends:
            break
        out, left = root / f"case{case}", draw.randint(1, 3)
        counts.cases += 1
        for turn in range(left):
            number = SIGNALS[(case + turn) % 3]
            if ended(folder, out, draw.randint(1, calls // left), number) is None:
                counts.stuck += 1
        counts.stuck += ended(folder, out) != 0
        counts.stuck += (out / "state").exists()
        counts.compare(whole, out, recipes())
    return counts


def changed(root: Path) -> Counts:
    """A night that was killed, and whose data were changed before it is resumed: told, and nothing is trained on a
    mixture. Put back, it goes on."""
    counts, folder, whole, out = Counts(), data(root / "data"), root / "whole", root / "out"
    ended(folder, whole)
    calls = int((whole / "calls").read_text())
    ended(folder, out, calls // 3)
    path = folder / "moods0.csv"
    text = path.read_bytes()
    lines = text.splitlines(keepends=True)
    for other in (b"".join(lines[:-1]), text + lines[-1], text.replace(b"love", b"like", 1), None):
        counts.cases += 1
        path.unlink() if other is None else path.write_bytes(other)
        try:
            train_many(orders(folder, out), base(), settings=Settings(pass_tokens=48, state=out / "state"))
            counts.untold += 1
        except TrainingError as error:
            counts.untold += "other recipes, data or base" not in str(error)
        path.write_bytes(text)
    counts.stuck += ended(folder, out) != 0
    counts.compare(whole, out, recipes())
    return counts


def full_disk(root: Path, kilobytes: Iterable[int], ends: float = math.inf) -> Counts:
    """A file system that is full after so many kilobytes, for the adapters and the snapshots: each job that could not
    be written says so, and with room again the run comes through. Raises OSError where none can be mounted."""
    counts, folder, whole, disk = Counts(), data(root / "data"), root / "whole", root / "disk"
    ended(folder, whole)
    disk.mkdir()
    for size in kilobytes:
        if monotonic() > ends:
            break
        _mount(disk, f"size={size}k")
        try:
            counts.cases += 1
            code = ended(folder, disk / "out")
            counts.stuck += code not in (0, 1, 3)
            _mount(disk, "remount,size=64m")
            counts.stuck += ended(folder, disk / "out") != 0
            counts.compare(whole, disk / "out", recipes())
        finally:
            subprocess.run(["umount", disk], check=True)
    return counts


def _mount(disk: Path, options: str) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True)
    if done.returncode:
        raise OSError(done.stderr.decode())


def odd(root: Path) -> Counts:
    """Jobs that cannot go well, each beside a good one: learning rates of 1e6 and 1e30, features and outcomes that are
    no numbers. Told as their own problem, and the good one is what it is alone."""
    counts, folder = Counts(), data(root / "data")
    good = orders(folder, root / "good")[0]
    rows = [f"u{i},a{i},{i},{i % 2}\n" for i in range(60)]
    files: dict[str, str] = {}
    for word in ("nan", "inf", "-inf", "1e999"):
        files[f"feature {word}"] = "user,ad,price,clicked\n" + "".join([*rows, f"u,a,{word},1\n"])
        files[f"outcome {word}"] = "user,ad,price,clicked\n" + "".join([*rows, f"u,a,5,{word}\n"])
    bad = {
        name: Order(Recipe.load("recommendation", **QUICK), _written(root / f"{name}.csv", text), name=name)
        for name, text in files.items()
    }
    for rate in (1e6, 1e30):
        recipe = Recipe.load("ad-copy", **QUICK | {"write.max_new_tokens": 4})
        wild = recipe.model_copy(update={"train": recipe.train.model_copy(update={"learning_rate": rate})})
        bad[f"rate {rate}"] = Order(wild, folder / "copies.csv", name=f"rate {rate}")
    alone = train_many([good], base())[0]
    assert isinstance(alone, Adapter)
    for name, order in bad.items():
        counts.cases += 1
        found, beside = train_many([order, good], base())
        if isinstance(found, Adapter):
            # What a learning rate of 1e6 left is finite, and its gates or its report say what it is worth; a feature is
            # a text that may be any word.
            finite = all(bool(torch.isfinite(tensor).all()) for tensor in found.tensors.values())
            counts.untold += not finite or name.startswith("outcome")
        else:
            counts.untold += not isinstance(found, DataError | TrainingError)
        if not isinstance(beside, Adapter):
            counts.lost += 1
        else:
            counts.differing += bool((weights(beside) - weights(alone)).abs().max() > 1e-4)
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
    found = train_many(asked, base())
    counts.untold += not isinstance(found[-1], DataError)
    counts.lost += sum(not isinstance(each, Adapter) for each in found[:-1])
    made = [weights(read(root / f"job{i}")) for i in range(jobs - 1)]
    counts.differing += sum(not torch.allclose(each, made[0], atol=1e-4) for each in made)
    return counts


def one_after_another(root: Path, jobs: int, warm: int) -> tuple[Counts, list[int]]:
    """So many trainings in one process. Returns the resident bytes after `warm` of them and after all too."""
    counts, folder, seen = Counts(), data(root / "data"), []
    own = base()
    hooks = _hooks(own)
    quick = {"train.max_steps": 2, "data.max_tokens": 32}
    for number in range(jobs):
        recipe = Recipe.load(("behavior", "behavior-prefix")[number % 2], **QUICK | quick)
        (found,) = train_many([Order(recipe, folder / "moods0.csv", out=root / "out", name="one")], own)
        counts.cases += 1
        counts.lost += not isinstance(found, Adapter)
        if number + 1 in (warm, jobs):
            gc.collect()
            resident = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append(resident * os.sysconf("SC_PAGE_SIZE"))
    counts.stuck += _hooks(own) != hooks
    return counts, seen


def _hooks(own: Base) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in own.model.modules())
