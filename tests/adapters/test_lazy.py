"""While a face imports what it offers, the cyclic garbage collector rests; it is as it was afterwards."""

import gc
import sys
from types import ModuleType

import pytest

from adapters.lazy import collecting_later


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_and_is_as_it_was_also_after_an_error(enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ImportError), collecting_later():
            with collecting_later():
                pass
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_what_is_there_when_torch_arrives_is_never_passed_over_again(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[bool] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    with collecting_later():
        pass
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with collecting_later():
        pass
    assert frozen == []
    with collecting_later():
        monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert frozen == [False]
