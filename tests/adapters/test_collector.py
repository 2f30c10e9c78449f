"""The cyclic garbage collector: held back, as it was afterwards; and errors that are kept."""

import gc
from collections.abc import Iterator

import pytest

from adapters.collector import without_collector, without_frames


@pytest.fixture
def as_before() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_and_is_as_it_was_also_after_an_error(enabled: bool, as_before: None) -> None:
    (gc.enable if enabled else gc.disable)()
    with pytest.raises(ImportError), without_collector():
        with without_collector():
            pass
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled() == enabled


def raised(error: Exception, cause: Exception | None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def test_a_kept_error_and_its_causes_hold_no_frames_and_the_callers_keeps_its_own() -> None:
    cause = raised(ValueError("cause"), None)
    try:
        raise KeyError("the caller's")
    except KeyError as own:
        kept = without_frames(raised(RuntimeError("kept"), cause))
        assert own.__traceback__ is not None
    assert kept.__traceback__ is None and kept.__cause__ is cause and cause.__traceback__ is None
    assert kept.__context__ is None
    circular = raised(kept, kept)
    assert without_frames(circular) is kept and kept.__traceback__ is None
