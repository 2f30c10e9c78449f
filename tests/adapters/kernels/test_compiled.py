"""A C file becomes a library, once; what is wrong is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.kernels import compiled as module
from adapters.kernels.compiled import CompileFault, compiled

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiled on Linux only")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A C file, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "answer.c"
    file.write_text("int answer(void) { return 42; }")
    try:
        compiled(file)
    except CompileFault as fault:
        pytest.skip(str(fault))
    return file


def libraries(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "adapter-repertoire").iterdir())


def test_compiled_once_and_again_for_another_source(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [first] = libraries(source.parent)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
        assert compiled(source).answer() == 42
    source.write_text("int answer(void) { return 43; }")
    assert compiled(source).answer() == 43
    assert len(libraries(source.parent)) == 2 and first in libraries(source.parent)


def test_a_library_that_others_may_have_written_is_made_again(source: Path) -> None:
    [library] = libraries(source.parent)
    library.unlink()
    library.write_bytes(b"not one of ours")
    library.chmod(0o666)
    assert compiled(source).answer() == 42


def test_a_folder_that_cannot_be_written_needs_no_cache(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(source))  # a file
    assert compiled(source).answer() == 42


def test_what_is_missing_is_told(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source.write_text("int answer(void) { return }")
    with pytest.raises(CompileFault, match=r"failed: .*error"):
        compiled(source)
    source.write_text("int lacking(void); int answer(void) { return lacking(); }")
    with pytest.raises(CompileFault, match="lacking"):
        compiled(source)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompileFault, match="install gcc"):
        compiled(source)
    monkeypatch.setattr(module.sys, "platform", "darwin")
    with pytest.raises(CompileFault, match="Linux only"):
        compiled(source)
