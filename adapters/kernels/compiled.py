"""A C file of ours as a library, compiled where it runs, for the processor that runs it.

Wheels stay the same for all machines, and products use whatever instructions there are. Compiling takes a second and is
done once: the library is kept in the user's cache under a digest of the source, the compiler and the processor.
Threads are those of PyTorch: the library is linked with no OpenMP of its own, and finds the one that torch has loaded.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-fPIC", "-fopenmp")


class CompileFault(Exception):
    """Why there is no library, and what to do about it."""


def compiled(source: Path, extra: Sequence[str] = ()) -> ctypes.CDLL:
    """Load the library of a C file; compile it first where that was not done yet.

    Args:
        source: the C file.
        extra: flags after those for this processor.

    Raises:
        CompileFault: there is no compiler, or what it makes cannot be loaded.
    """
    if sys.platform != "linux":
        raise CompileFault(f"compiled on Linux only, not on {platform.system()}")
    compiler = _compiler()
    native = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
    command = [*compiler, *_FLAGS, native, *extra]
    told = [source.read_text(encoding="utf-8"), shlex.join(command), _version(compiler), _processor()]
    name = f"{source.stem}-{hashlib.sha256(chr(0).join(told).encode()).hexdigest()[:32]}.so"
    errors = []
    for folder in (_cache(), None):
        try:
            with tempfile.TemporaryDirectory(prefix="repertoire-") as passing:
                library = (folder or Path(passing)) / name
                if not _ours(library):
                    library.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    _compile(command, source, library)
                return ctypes.CDLL(str(library))
        except OSError as error:  # a full or read-only disk, one without execution, no OpenMP in torch
            errors.append(str(error))
    raise CompileFault("; ".join(dict.fromkeys(errors)))


def _compile(command: Sequence[str], source: Path, library: Path) -> None:
    """Compile and link beside the library, which then appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        unlinked, linked = Path(folder) / "unlinked.o", Path(folder) / "linked.so"
        _call([*command, "-c", str(source), "-o", str(unlinked)])
        _call([command[0], "-shared", str(unlinked), "-o", str(linked)])
        linked.chmod(0o700)
        os.replace(linked, library)


def _call(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=120
        )
    except subprocess.TimeoutExpired as error:
        raise CompileFault(f"{command[0]} did not end within two minutes") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        told = next((line for line in lines if "error" in line), lines[0])
        raise CompileFault(f"{command[0]} failed: {told[:200]}")


def _compiler() -> list[str]:
    """The user's own, or the first that is found."""
    own = shlex.split(os.environ.get("CC", ""))
    for candidate in (own, ["cc"], ["gcc"], ["clang"]):
        if candidate and (found := shutil.which(candidate[0])):
            return [found, *candidate[1:]]
    raise CompileFault("there is no C compiler; install gcc (on Debian: apt-get install gcc libc6-dev)")


def _version(compiler: Sequence[str]) -> str:
    """Another compiler at the same place makes another library."""
    place = os.path.realpath(compiler[0])
    return f"{place} {os.stat(place).st_size} {os.stat(place).st_mtime_ns}"


def _processor() -> str:
    """What decides about instructions: homes are shared between machines."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8", errors="replace").splitlines() if told.is_file() else []
    wanted = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)})) or platform.processor()


def _cache() -> Path:
    own = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(own) if os.path.isabs(own) else Path(os.path.expanduser("~")) / ".cache"
    return home / "adapter-repertoire"


def _ours(library: Path) -> bool:
    """Whether a library lies there that nobody else can have written."""
    try:
        for place in (library, library.parent):
            state = place.stat()
            if state.st_uid != os.getuid() or state.st_mode & 0o022:
                return False
    except OSError:
        return False
    return True
