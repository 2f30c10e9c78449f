"""Which files an adapter may come with, and how everything that is wrong with one is told at once."""

from collections.abc import Sequence

from adapters.format import CARD, CONFIG, WEIGHTS
from hub.errors import Refused

REQUIRED = (CONFIG, WEIGHTS)
ALLOWED = (*REQUIRED, CARD)
TEXT_LIMIT = 1 << 20  # bytes of a configuration or a card
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
CODE = (".py", ".so", ".sh")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_SHOWN = 20


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


def refused(where: str, problems: Sequence[str]) -> Refused:
    """The error that tells all that is wrong with what was to be published."""
    shown = "".join(f"\n  - {problem}" for problem in problems[:_SHOWN])
    more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return Refused(f"{where} cannot be published; nothing was written:{shown}{more}")
