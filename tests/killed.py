"""A process that is killed at its n-th call into the operating system, for real, with SIGKILL: from outside at the
kernel's door, by ptrace, or, where many run beside each other, by its own hand just before the call."""

import ctypes
import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

_CALLS = ("open", "fsync", "link", "unlink", "rename", "replace", "mkdir", "close", "scandir", "utime")

_TRACEME, _SETOPTIONS = 0, 0x4200
_CONTINUE = 24  # PTRACE_SYSCALL stops at the next system call, before and after it
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x100000  # TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, EXITKILL
_ALL = 0x40000000  # __WALL: threads too
_SYSCALL = signal.SIGTRAP | 0x80
_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_ptrace.restype = ctypes.c_long


def killed_at(stop: int, call: Callable[[], object]) -> bool:
    """Run `call` in a child process and kill it at the n-th stop of any of its threads: each system call has two, on
    its way in and on its way out. False where the call ended before. Raises AssertionError where it failed, OSError
    where this machine does not let processes be traced."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _trace(_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            call()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise OSError("this machine does not let a process be traced")
    _trace(_SETOPTIONS, child, _OPTIONS)
    _trace(_CONTINUE, child)
    stops = 0
    while True:
        thread, status = os.waitpid(-1, _ALL)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if thread != child:
                continue
            assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "what was to be killed failed"
            return os.WIFSIGNALED(status)
        passed_on = os.WSTOPSIG(status)
        if passed_on == _SYSCALL:
            stops += 1
            if stops == stop:
                os.kill(child, signal.SIGKILL)
                continue
        if passed_on in (_SYSCALL, signal.SIGTRAP, signal.SIGSTOP):
            passed_on = 0
        if _ptrace(_CONTINUE, thread, None, passed_on) and ctypes.get_errno() != 3:  # ESRCH: it is gone
            raise OSError(ctypes.get_errno(), "ptrace")


def dies_at(life: int, call: Callable[[], object], number: int = signal.SIGKILL) -> int:
    """Run `call` in this process, a child that nobody needs afterwards, and be killed at its n-th call of the kinds
    that write. However slow the machine is, it comes as far. Returns how many calls it made, where that was fewer.
    number: the signal; one that only asks to end is sent once."""
    calls = itertools.count(1)

    def mortal(real: Any) -> Any:
        def wrapped(*given: Any, **options: Any) -> Any:
            at = next(calls)
            if at == life or (at > life and number == signal.SIGKILL):
                os.kill(os.getpid(), number)
            return real(*given, **options)

        return wrapped

    for name in _CALLS:
        setattr(os, name, mortal(getattr(os, name)))
    call()
    return next(calls) - 1


def _trace(request: int, process: int, data: int | None = None) -> None:
    if _ptrace(request, process, None, data):
        raise OSError(ctypes.get_errno(), "ptrace")
