"""The file that is answered, read as its adapter's training files were written, where it is written so too."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.errors import RepertoireError, RequestError
from hub.bulk.asking import GROUP, Asking, first_reference, stops
from hub.storage.names import members
from recipes import DataError
from recipes.answer import Voice, read_columns
from recipes.data import streamed
from recipes.options import FormatOptions

if TYPE_CHECKING:
    from hub.registry.registry import Registry
    from recipes.data import Table


def read_rows(
    registry: "Registry",
    asking: Asking,
    data: Path,
    written: FormatOptions | None = None,
    read: "Table | None" = None,
) -> tuple["Table", FormatOptions]:
    """The rows of a file, and how they were taken to be written.

    What is said of the file holds. Else it is read by the `data.format` of the adapter's recipe; where that does not
    fit it, such as a Parquet file or one that has a header, by its own first lines.

    Args:
        registry: that answers.
        asking: what is asked; without a reference, the first adapter that a row names tells.
        data: the file.
        written: what is said of how it is written.
        read: the file as that or its first lines say, where somebody has read it already.

    Raises:
        DataError: with everything that is wrong with the file.
        RepertoireError: the adapter that is named for all rows cannot answer.
    """
    if written is not None:
        return read or streamed(data, written), written
    if not asking.reference:
        read = read or streamed(data)
    voices = _voices(registry, asking, read)
    found: list[tuple[Table, FormatOptions]] = []
    for voice in voices:
        own = voice.recipe.data.format
        if own != FormatOptions() and own not in (each for _, each in found):
            try:
                found.append((streamed(data, own), own))
            except DataError:
                continue
            if _fits(*found[-1], voices, asking):
                return found[-1]
    try:
        return read or streamed(data), FormatOptions()
    except DataError:
        if found:  # the columns that it lacks are told when they are looked for
            return found[0]
        raise


def _voices(registry: "Registry", asking: Asking, read: "Table | None") -> list[Voice]:
    """The adapters whose recipes tell how the file may be written."""
    try:
        named = asking.reference
        if not named and read is not None:
            named = first_reference(asking, read, registry.hub.resolve)
        return [registry.voice(each) for each in members(named)]
    except RepertoireError as error:
        if asking.by is None or stops(error):
            raise
        return []  # each row tells why its own adapter does not answer


def _fits(table: "Table", own: FormatOptions, voices: Sequence[Voice], asking: Asking) -> bool:
    """Whether a file, read by a format, has the columns that the adapters read, and no header where none should be."""
    first = next(iter(table.rows), None)
    if own.columns is not None and first is not None and [*map(str, first.cells.values())] == own.columns:
        return False
    named = {role: name for role, name in asking.columns.items() if role != GROUP}
    try:
        for voice in voices:
            read_columns(voice, table.columns, named)
    except RequestError:
        return False
    return True
