"""repertoire doctor: what was found on this machine, and what to do about each fault."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer
from rich.table import Table
from rich.text import Text

from adapters.base import RESTFUL, settle_threads, thread_settings
from hub.cli.options import Json
from hub.cli.output import document, show

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

DISTRIBUTION = "adapter-repertoire"
PACKAGES = ("adapters", "hub", "recipes")
_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "fault": ("FAULT", "red")}
_GIB = 2**30


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. fix: what to do, for a note or a fault."""

    name: str
    status: Literal["ok", "note", "fault"]
    found: str
    fix: str = ""


def doctor(as_json: Json = False) -> None:
    """Check this machine: versions, torch, the GPU, 4-bit weights, clashes, memory. Exits with 1 for a fault.

    Example: `repertoire doctor`
    """
    checks = list(examine())
    sound = all(check.status != "fault" for check in checks)
    if as_json:
        document({"ok": sound, "checks": [asdict(check) for check in checks]})
    else:
        table = Table("", "what", "found", "what to do")
        for check in checks:
            word, colour = _MARKS[check.status]
            table.add_row(Text(word, colour), check.name, check.found, check.fix)
        show(table, "All is well." if sound else "There are faults; the last column says what to do.")
    if not sound:
        raise typer.Exit(1)


def examine() -> Iterator[Check]:
    """Every check, the most basic first; none of them raises."""
    yield Check("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from versions(_requirements())
    yield from clashes()
    yield from hidden(Path.cwd())
    yield from accelerator()
    yield starter()
    yield memory()
    yield disk(Path.cwd())


def versions(requirements: Sequence[str]) -> Iterator[Check]:
    """Whether every package is there in a version that fits.

    Args:
        requirements: such as `torch>=2.9`.
    """
    from importlib import metadata

    from packaging.requirements import Requirement

    sound = []
    for requirement in map(Requirement, requirements):
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Check(requirement.name, "fault", "not installed", f"pip install '{requirement}'")
            continue
        if requirement.specifier.contains(found, prereleases=True):
            sound.append(f"{requirement.name} {found}")
        else:
            yield Check(requirement.name, "fault", found, f"pip install '{requirement}'")
    if not requirements:
        fix = "pip install -e . in the checkout, or use its .venv"
        yield Check("packages", "note", f"{DISTRIBUTION} is not installed: versions were not compared", fix)
    if sound:
        yield Check("packages", "ok", ", ".join(sound))


def clashes() -> Iterator[Check]:
    """Whether another distribution installs a package with one of our names: then either may be imported."""
    from importlib import metadata

    owners = metadata.packages_distributions()
    for package in PACKAGES:
        others = sorted({owner for owner in owners.get(package, ()) if owner.lower() != DISTRIBUTION})
        if others:
            fix = f"pip uninstall {' '.join(others)}, or install {DISTRIBUTION} in an environment of its own"
            yield Check(package, "fault", f"{', '.join(others)} also installs a package `{package}`", fix)


def hidden(folder: Path) -> Iterator[Check]:
    """Whether something else than our package is imported under its name, by this program or by one that Python runs
    from a folder: `python -m`, scripts and notebooks look there first, the command `repertoire` does not."""
    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    home = Path(__file__).resolve().parents[2]
    for package in PACKAGES:
        ours, here = home / package, PathFinder.find_spec(package, [str(folder), *sys.path])
        if (other := _stranger(find_spec(package), ours)) is not None:
            fix = f"rename or remove {other}, or take it off PYTHONPATH"
            yield Check(package, "fault", f"imported from {other}, not from {ours}", fix)
        elif (other := _stranger(here, ours)) is not None:
            fix = f"rename {other}, or run them elsewhere"
            if not (
                other.suffix or (other / "__init__.py").is_file()
            ):  # a plain folder hides only what comes last
                fix = f"install {DISTRIBUTION} again (make, or pip install -e .), or rename {other}"
            yield Check(package, "note", f"{other} hides it from scripts and notebooks here", fix)


def _stranger(spec: "ModuleSpec | None", ours: Path) -> Path | None:
    """Where a package is imported from, if not from our folder; None where it is ours, or nothing is found."""
    if spec is None:
        return None
    if spec.origin is None:  # a plain folder without an __init__.py, or several
        places = [Path(place) for place in spec.submodule_search_locations or ()]
    else:
        places = [Path(spec.origin)]
    for place in places:
        found = place.parent if place.name == "__init__.py" else place
        if found.resolve() != ours:
            return found
    return None


def accelerator() -> Iterator[Check]:
    """torch, the GPU, and bitsandbytes tried for real on the device that a base would use."""
    try:
        import torch
    except Exception as error:  # a broken binary raises anything
        yield Check("torch", "fault", f"cannot be imported: {error}", "install torch again for this machine")
        return
    yield Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")
    yield threads(os.environ, settle_threads())
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        found = f"{torch.cuda.get_device_name()}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
        yield Check("GPU", "ok", found)
    elif shutil.which("nvidia-smi"):
        built = (
            f"torch is built for CUDA {torch.version.cuda}"
            if torch.version.cuda
            else "torch is built for the CPU"
        )
        yield Check(
            "GPU", "fault", f"there is a driver, but {built} and sees no GPU", "install a CUDA build of torch"
        )
    else:
        fix = "nothing for small bases; use a GPU for those with billions of parameters"
        yield Check("GPU", "note", "none; everything runs on the CPU", fix)
    yield from quantization()


def threads(environment: Mapping[str, str], set_here: Mapping[str, str]) -> Check:
    """Whether programs of this environment wait without spinning, in as many threads as they have CPU time for.

    Args:
        environment: of this process.
        set_here: what of it this command has set itself, so that other programs lack it.
    """
    theirs = {name: value for name, value in environment.items() if name not in set_here}
    lacking = thread_settings(theirs)
    if not lacking:
        return Check("threads", "ok", "how idle ones wait is set")
    found = "idle ones spin, which costs most beside other programs"
    if "OMP_NUM_THREADS" in lacking:
        found = f"more than the {lacking['OMP_NUM_THREADS']} cores of this container's quota"
    if set_here:
        found = f"right in this command; in others, {found}"
    wanted = {**RESTFUL, **lacking} if lacking.keys() & RESTFUL.keys() else lacking
    settings = " ".join(f"{name}={value}" for name, value in wanted.items())
    fix = f"call adapters.base.settle_threads() before torch is imported, or export {settings}"
    return Check("threads", "note", found, fix)


def quantization() -> Iterator[Check]:
    """A small layer in each quantization, forward and backward, compared with the same layer unquantized."""
    try:
        import torch

        from adapters.base import nf4_compile_fault, quantization_fault
    except Exception as broken:
        yield Check(
            "adapters", "fault", f"cannot be imported: {broken}", "mend the faults above, then try again"
        )
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    kinds: tuple[Literal["nf4", "int8"], ...] = ("nf4", "int8")
    for kind in kinds:
        error = quantization_fault(kind, device, dtype)
        name = f"bitsandbytes {kind}"
        if error is None:
            yield Check(name, "ok", f"forward and backward are right on {device}")
        else:
            fix = "pip install --upgrade bitsandbytes; until then use --quantization none"
            yield Check(name, "fault", f"does not work on {device}: {error}", fix)
    if device.type == "cpu":
        yield compiled_products(nf4_compile_fault())


def compiled_products(fault: str | None) -> Check:
    """Whether 4-bit products are compiled for this processor; fault: why they are not."""
    if fault is None:
        return Check("4-bit products", "ok", "compiled for this processor")
    found = f"not compiled ({fault}): a base takes nine times its memory, or about twice the time"
    fix = "install a C compiler, such as gcc"
    return Check("4-bit products", "note", found, fix)


def starter() -> Check:
    """Whether the embedded base came along."""
    weights = Path(__file__).parents[2] / "adapters" / "starter" / "weights" / "model.safetensors"
    if not weights.is_file():
        return Check(
            "starter",
            "fault",
            "the embedded base has no weights",
            f"install {DISTRIBUTION} again, or make starter",
        )
    return Check("starter", "ok", f"{weights.stat().st_size / 1e6:.1f} MB")


def memory() -> Check:
    """Memory of this machine."""
    import psutil

    state = psutil.virtual_memory()
    found = f"{state.available / _GIB:.1f} of {state.total / _GIB:.1f} GiB free"
    if state.available < 2 * _GIB:
        return Check("memory", "note", found, "close other programs: the starter needs about 2 GiB to train")
    return Check("memory", "ok", found)


def disk(folder: Path) -> Check:
    """Room for hubs and adapters."""
    state = shutil.disk_usage(folder)
    found = f"{state.free / _GIB:.1f} of {state.total / _GIB:.1f} GiB free here"
    if state.free < _GIB:
        return Check("disk", "note", found, "free some space before you train or publish")
    return Check("disk", "ok", found)


def installed_version() -> str | None:
    """Of the distribution; None where it runs from a checkout and was not installed."""
    from importlib import metadata

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def _requirements() -> list[str]:
    """What the installed distribution declares, without its extras."""
    from importlib import metadata

    if installed_version() is None:
        return []
    return [text for text in metadata.requires(DISTRIBUTION) or () if "extra ==" not in text]
