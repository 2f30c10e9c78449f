"""Public names of a package that load on first use: torch takes seconds to import, and listing a hub needs none of it.

if TYPE_CHECKING:
    from adapters.base.base import Base, load_base
else:
    __getattr__, __dir__ = lazy(__name__, {"adapters.base.base": ["Base", "load_base"]})
"""

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from adapters.collector import without_collector

_own_process = False


def lazy(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package (PEP 562). names: module -> what the package offers of it.

    No module of the package may be called as one of the names: once imported, it would stand where the name should.
    """
    homes = {name: module for module, offered in names.items() for name in offered}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        heavy = "torch" not in sys.modules
        with without_collector():
            module = import_module(homes[name])
            if _own_process and heavy and "torch" in sys.modules:
                gc.freeze()
        value = getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *homes})


def owns_process() -> None:
    """This process is a command of ours. The cyclic garbage collector rests while anybody imports what is offered; here
    it also never again passes over what was made until torch was there: that stays, and going through it takes as long
    as a sixth of the import, several times over. What else lives in the process of a library's user is theirs."""
    global _own_process
    _own_process = True
