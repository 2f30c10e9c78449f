"""While a face imports what it offers, the garbage collector rests; in a command it never passes over that again."""

import gc
import sys
from types import ModuleType

import pytest

from adapters.lazy import lazy, owns_process

HOME = sys.modules[lazy.__module__]  # under its name the package has the function


@pytest.mark.parametrize("own", [True, False])
def test_what_is_there_when_torch_arrives_is_never_passed_over_again_in_a_command(
    own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[bool] = []

    def imported(name: str) -> ModuleType:
        assert not gc.isenabled()
        monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
        module = ModuleType(name)
        module.__dict__.update(first=1, second=2)
        return module

    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    monkeypatch.setattr(HOME, "import_module", imported)
    monkeypatch.setattr(HOME, "_own_process", False)
    monkeypatch.setitem(sys.modules, "offers", ModuleType("offers"))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    if own:
        owns_process()
    get, _ = lazy("offers", {"offers.home": ["first", "second"]})
    assert (get("first"), get("second")) == (1, 2)
    assert frozen == [False] * own
    assert gc.isenabled()
