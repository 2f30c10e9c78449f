"""Signals that ask a process to end wait for the end of a turn; a second one does not."""

import signal
from threading import Thread

import pytest

from recipes.runs.deferred import deferred


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_and_then_does_what_it_always_does(number: int) -> None:
    came: list[int] = []
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(number, lambda given, _: came.append(given))
    own = {each: signal.getsignal(each) for each in before}
    try:
        with deferred() as waits:
            signal.raise_signal(number)
            assert came == [] and waits.number == number
            signal.raise_signal(number)
            assert came == [number], "whoever asks twice means it"
        assert {each: signal.getsignal(each) for each in before} == own
        waits.deliver()
        assert came == [number, number]
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_without_a_signal_nothing_is_delivered_and_errors_pass() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError), deferred() as waits:
        raise ValueError
    waits.deliver()
    assert signal.getsignal(signal.SIGINT) is before


def test_what_is_ignored_stays_ignored_and_other_threads_hold_nothing_back() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred() as waits:
            signal.raise_signal(signal.SIGINT)
        assert waits.number is None

        def inside() -> None:
            with deferred() as waits:
                waits.deliver()

        thread = Thread(target=inside)
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
