"""Ways to spoil a hub, and what a look at it then finds."""

import shutil
from collections.abc import Callable
from pathlib import Path

from adapters.format import files
from hub.hub import Hub
from hub.storage.layout import blob
from tests.hub.tiny import NAME

OTHER = "globex/launch/ad-copy"


HOME = f"adapters/{NAME}"


def weights(hub: Hub, reference: str = f"{NAME}@1") -> str:
    return blob(hub.resolve(reference).record.file(files.WEIGHTS).sha256)


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def found(hub: Hub, target: str = "") -> set[tuple[str, str, str]]:
    """Kind, path and level of all findings."""
    return {(one.kind, one.where, one.level) for one in hub.verify(target).findings}


Break = Callable[[Hub, Path], None]


def flip(hub: Hub, root: Path) -> None:
    path = root / weights(hub)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    rewrite(path, bytes(data))


def plant(path: str, make: Callable[[Path], object]) -> Break:
    def do(hub: Hub, root: Path) -> None:
        target = root / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        make(target)

    return do


def written(data: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(data)
        path.chmod(0o444)

    return make


FOLDER = f"{HOME}/v000001"
