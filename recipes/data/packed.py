"""What a file is by its first bytes, whatever it is called; and its content where it is packed by gzip or Zstandard."""

import gzip
import io
import zlib
from errno import EINVAL
from pathlib import Path
from typing import BinaryIO, cast

from adapters.shell_words import in_shell

_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_KINDS = {b"PK\x03\x04": ".xlsx", b"\xd0\xcf\x11\xe0": ".xls", b"PAR1": ".parquet"}
_ENDINGS = (".gz", ".zst")
_UNPACK = {"gzip": "gzip -dc", "zstd": "zstd -dc"}
_DAMAGED = (EOFError, zlib.error, ValueError)  # of pyarrow the last, which its own errors are


def ending(path: Path) -> str:
    """The ending that says what a file is: `.csv` of clicks.csv.gz."""
    return plain_name(path).suffix.lower()


def plain_name(path: Path) -> Path:
    """A path without the ending of a packing: clicks.csv of clicks.csv.gz."""
    return path.with_suffix("") if path.suffix.lower() in _ENDINGS else path


def through(path: Path, command: str | None, out: Path) -> str:
    """The line of a shell that writes a file, unpacked and as a command makes it, into another one. command: reads what
    is given to it; None for a packed file that is unpacked alone."""
    how = packing(path)
    first, *more = [each for each in (how and _UNPACK[how], command) if each]
    return " | ".join([f"{first} < {in_shell(path)}", *more]) + f" > {in_shell(out)}"


def packing(path: Path) -> str | None:
    """How a file is packed: gzip, zstd, or None."""
    with path.open("rb") as file:
        return _of(file.read(4), _PACKED)


def kind(path: Path) -> str | None:
    """The ending that the content would have, where its first bytes tell: .xlsx, .xls or .parquet."""
    with unpacked(path) as file:
        return _of(read(file, 4), _KINDS)


def unpacked(path: Path) -> BinaryIO:
    """The content of a file, packed or not."""
    how = packing(path)
    if how is None:
        return path.open("rb")
    if how == "gzip":
        return cast(BinaryIO, gzip.open(path))
    from pyarrow import input_stream  # a slow import, and only Zstandard needs it

    return cast(BinaryIO, io.BufferedReader(input_stream(path, compression="zstd")))


def read(file: BinaryIO, most: int = -1) -> bytes:
    """Bytes of a file, packed or not. Raises OSError, also where what is packed is damaged."""
    try:
        return file.read(most)
    except (OSError, *_DAMAGED) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise OSError(EINVAL, f"it is packed and damaged: {error}") from None


def _of(head: bytes, signatures: dict[bytes, str]) -> str | None:
    return next((name for signature, name in signatures.items() if head.startswith(signature)), None)
