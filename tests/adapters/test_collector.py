"""The cyclic garbage collector: held back, as it was afterwards; and errors that are kept."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from adapters import collector
from adapters.collector import coming_and_going, walk_at_times, without_collector, without_frames


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


def test_objects_that_come_and_go_bring_no_walk_over_everything() -> None:
    walks: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            walks.append(info["generation"])

    many = len(gc.get_objects()) // 2
    gc.callbacks.append(note)
    try:
        for _ in range(3):
            with coming_and_going():
                rows = [[number] for number in range(many)]
            others = [[number] for number in range(20_000)]  # gives the collector its turns
            del rows, others
    finally:
        gc.callbacks.remove(note)
    assert walks and 2 not in walks


def test_what_a_program_has_frozen_stays_so() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with coming_and_going():
            rows = [[number] for number in range(1000)]
        assert rows and gc.isenabled()
        assert frozen / 2 < gc.get_freeze_count() <= frozen
    finally:
        gc.unfreeze()
    with coming_and_going():
        pass
    assert gc.get_freeze_count() == 0


class Loop:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.me = self


def test_garbage_of_between_is_found_at_once_and_that_of_within_at_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collector, "_walked", collector.monotonic())
    between = weakref.ref(Loop())
    walk_at_times()
    assert between() is None
    with coming_and_going():
        held = Loop()
    within = weakref.ref(held)
    del held
    walk_at_times()
    assert within() is not None, "it is as old as what stays"
    monkeypatch.setattr(collector, "_walked", collector.monotonic() - 1000)
    walk_at_times()
    assert within() is None
