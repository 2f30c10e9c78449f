"""Public names of a package that load on first use: torch takes seconds to import, and listing a hub needs none of it.

if TYPE_CHECKING:
    from adapters.base.base import Base, load_base
else:
    __getattr__, __dir__ = lazy(__name__, {"adapters.base.base": ["Base", "load_base"]})
"""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any


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
        with collecting_later():
            module = import_module(homes[name])
        value = getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *homes})


@contextmanager
def collecting_later() -> Iterator[None]:
    """Meanwhile the cyclic garbage collector rests, and where torch was imported it passes over all that was made until
    then never again: that stays, and going through it takes as long as a sixth of the import, several times over."""
    enabled, heavy = gc.isenabled(), "torch" not in sys.modules
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if heavy and "torch" in sys.modules:
                gc.freeze()
            gc.enable()
