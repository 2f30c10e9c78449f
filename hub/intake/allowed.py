"""Which files an adapter may come with, what may lie beside them, and how all that is wrong is told at once."""

import re
from collections.abc import Iterable, Sequence

from adapters.bounds import TEXT_BYTES, WEIGHTS_BYTES
from adapters.format import CARD, CONFIG, WEIGHTS
from hub.errors import Refused

REQUIRED = (CONFIG, WEIGHTS)
ALLOWED = (*REQUIRED, CARD)
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
CODE = (".py", ".so", ".sh")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_SHOWN = 20
# What trainers and tokenizers leave beside an adapter. Pickles among them are never read.
_TRAINING = {
    "training_args.bin",
    "optimizer.pt",
    "optimizer.bin",
    "scheduler.pt",
    "scaler.pt",
    "random_states_0.pkl",
    # Of DeepSpeed, which writes a script into each checkpoint.
    "zero_to_fp32.py",
}
_RANDOM_STATE = re.compile(r"rng_state(_\d+)?\.pth")
_HARMLESS = tuple(
    ".json .jsonl .md .txt .model .jinja .yaml .yml .csv .log .png .jpg .jpeg .gif .svg .webp .pdf .ipynb "
    ".gitattributes .gitignore .ds_store".split()
)
_BARE = {"license", "notice", "latest", "thumbs"}


def why_not(name: str) -> str:
    """Why a file of this name has no place in a version."""
    lower = name.lower()
    if lower.endswith(PICKLES):
        return "pickle can run code; save the weights as safetensors"
    if lower.endswith(CODE):
        return "code is never taken"
    if lower.endswith(ARCHIVES):
        return "archives are never taken"
    return f"a version holds {', '.join(ALLOWED)}"


def size_problem(name: str, size: int) -> str | None:
    """Why a file of so many bytes is not taken, before one of them is read; None where it is."""
    return (WEIGHTS_BYTES if name == WEIGHTS else TEXT_BYTES).problem(size, name)


def refused(where: str, problems: Sequence[str]) -> Refused:
    """The error that tells all that is wrong with what was to be published."""
    shown = "".join(f"\n  - {problem}" for problem in problems[:_SHOWN])
    more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return Refused(f"{where} cannot be published; nothing was written:{shown}{more}")


def sort_out(names: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """What is taken of an adapter's folder, what is passed over, and what stands against taking any of it.

    Args:
        names: of its files, those of folders in it as `folder/file`.
    """
    wanted: list[str] = []
    left: list[str] = []
    problems: list[str] = []
    below: dict[str, int] = {}
    here = {name for name in names if "/" not in name}
    for name in names:
        top, slash, _ = name.partition("/")
        if slash:
            below[top] = below.get(top, 0) + 1
    for name in sorted(here):
        if name in ALLOWED:
            wanted.append(name)
        elif name == "adapter_model.bin" and WEIGHTS not in here:
            problems.append(
                f"{name} is the only weights here, and pickle can run code; save them as safetensors"
            )
        elif name == "adapter_model.bin" or _is_left(name):
            left.append(name)
        elif name.lower().endswith((*CODE, *PICKLES, *ARCHIVES)):
            problems.append(f"{name} does not belong to an adapter ({why_not(name)})")
        else:
            problems.append(
                f"{name} may be part of what the adapter is, and is not known here; let the adapter be moved "
                "into a folder of its own"
            )
    problems += [f"{name} is missing" for name in REQUIRED if name not in here]
    left += [
        f"{folder}/ ({count} {'file' if count == 1 else 'files'})" for folder, count in sorted(below.items())
    ]
    return wanted, left, problems


def folder_below(where: str, names: Iterable[str]) -> str | None:
    """The one folder in a folder that holds an adapter, as `save_pretrained` makes it for an adapter with a name.

    Args:
        where: the outer folder, for the message.
        names: of its files, those of folders in it as `folder/file`.

    Returns:
        None where the outer folder holds one itself, or none does.

    Raises:
        Refused: several hold one.
    """
    given = set(names)
    if CONFIG in given:
        return None
    found = sorted(name.removesuffix(f"/{CONFIG}") for name in given if name.endswith(f"/{CONFIG}"))
    found = [folder for folder in found if "/" not in folder]
    if len(found) > 1:
        raise Refused(
            f"{where} holds {len(found)} adapters: {', '.join(found)}; give the folder of one, such as "
            f"{where}/{found[0]}"
        )
    return found[0] if found else None


def _is_left(name: str) -> bool:
    lower = name.lower()
    return (
        lower in _TRAINING
        or _RANDOM_STATE.fullmatch(lower) is not None
        or lower.endswith(_HARMLESS)
        or lower.split(".")[0] in _BARE
        or lower.startswith("events.out.tfevents")
    )
