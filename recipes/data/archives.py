"""Archives, which may hold several files, and packings that are not read: told as such, with the command that unpacks.

clicks.zip, month.tar.gz, tickets.7z, log.csv.bz2, and a .zip that is called .csv
"""

import io
import zipfile
from pathlib import Path

from adapters.shell_words import in_shell
from recipes.data.packed import packing, plain_name, read, through, unpacked
from recipes.errors import Problem

_ZIP, _TAR_AT = b"PK\x03\x04", 257
_OTHERS = {b"7z\xbc\xaf\x27\x1c": (".7z", "7z x"), b"Rar!\x1a\x07": (".rar", "unrar x")}
_ONE_FILE = {b"BZh": ("bzip2", "bzip2"), b"\xfd7zXZ\x00": ("xz", "xz")}
_DOCUMENTS = ("[Content_Types].xml", "mimetype", "Index/")  # in workbooks and the like, which are .zip too
_ENDINGS = {"bzip2": ".bz2", "xz": ".xz"}
_LISTED = 3


def archived(path: Path) -> Problem | None:
    """What to do with an archive; None for a file of any other kind. Raises OSError."""
    with unpacked(path) as file:
        head = read(file, _TAR_AT + 5)
    name, beside = str(path), path.parent / path.name.split(".")[0]
    if head.startswith(_ZIP):
        return _zipped(path, beside)
    if head[_TAR_AT:] == b"ustar":
        fix = f"Unpack it, and name the files inside: tar -xf {in_shell(name)} -C {in_shell(path.parent)}"
        return Problem(name, "the file is an archive (.tar)", fix)
    if packing(path) is not None:
        return _again(path, head)
    for begins, (ending, command) in _OTHERS.items():
        if head.startswith(begins):
            fix = f"Unpack it, and name the files inside: {command} {in_shell(name)}"
            return Problem(name, f"the file is an archive ({ending})", fix)
    for begins, (how, command) in _ONE_FILE.items():
        if head.startswith(begins):
            plain = path.name.removesuffix(_ENDINGS[how])
            out = path.with_name(plain if plain != path.name else f"{path.stem}-unpacked{path.suffix}")
            fix = f"Unpack it, or pack it as .gz or .zst: {command} -dc {in_shell(name)} > {in_shell(out)}"
            return Problem(name, f"the file is packed by {how}, which is not read", fix)
    return None


def _again(path: Path, head: bytes) -> Problem | None:
    """What to do with a file that is packed, and packed in that once more."""
    inside = {**_OTHERS, **_ONE_FILE, b"\x1f\x8b": (".gz", ""), b"\x28\xb5\x2f\xfd": (".zst", "")}
    found = next((what for begins, (what, _) in inside.items() if head.startswith(begins)), None)
    if found is None:
        return None
    return Problem(
        str(path), f"the file is packed, and what it holds is packed too ({found})", _once_unpacked(path)
    )


def _once_unpacked(path: Path) -> str:
    plain = plain_name(path)
    out = plain if plain != path else path.with_name(f"{path.stem}-unpacked{path.suffix}")
    return f"Unpack it, and name what it holds: {through(path, None, out)}"


def _zipped(path: Path, beside: Path) -> Problem | None:
    packed = packing(path) is not None
    try:
        with unpacked(path) as file, zipfile.ZipFile(io.BytesIO(read(file)) if packed else file) as found:
            names = [each for each in found.namelist() if not each.endswith("/")]
    except (zipfile.BadZipFile, NotImplementedError):
        return None
    if any(each.startswith(_DOCUMENTS) for each in names):
        return None
    held = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    if packed:
        fix = _once_unpacked(path)
        return Problem(str(path), f"the file is an archive (.zip) of {held}, packed once more", fix)
    folder = f"{beside}-unpacked"
    fix = f"Unpack it, and name the files inside: python -m zipfile -e {in_shell(path)} {in_shell(folder)}"
    return Problem(str(path), f"the file is an archive (.zip) of {held or 'nothing'}", fix)
