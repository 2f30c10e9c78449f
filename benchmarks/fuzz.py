"""Lies for the readers, by coverage: atheris (libFuzzer) looks for bytes that take new ways through their code.

    python -m benchmarks.fuzz 100000

The first byte of an input says what the rest is: a safetensors file, the seed of one that lies, a configuration, the
seed of one that lies, a name, or a record. Exit code 0 when every input was read rightly or refused as it should be.
`benchmarks.faults` runs it and keeps the count.
"""

import random
import sys
from collections.abc import Callable

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(
    include=["adapters.format.files", "adapters.format.config", "hub.storage.names", "hub.catalogue.records"]
):
    import adapters.format.config
    import adapters.format.files  # noqa: F401
    import hub.catalogue.records
    import hub.storage.names

from hub.errors import BadName, Damaged
from tests.adapters.lies import examine, examine_config, lie, lying_config, true_file


def _name(data: bytes) -> None:
    """A name that is taken is one folder below another, three deep, in one spelling."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        reference = hub.names.parse(text)
    except BadName:
        return
    parts = reference.name.split("/")
    assert len(parts) == 3 and str(reference) in (text, text.removesuffix("@latest"))
    assert all(part.isascii() and part.strip(".") and not set(part) & set("/\\:\0 ") for part in parts)


def _record(data: bytes) -> None:
    try:
        hub.records.from_bytes(data, "acme/spring/behavior", 1)
    except Damaged:
        return


_KINDS: tuple[Callable[[bytes], object], ...] = (
    examine,
    lambda data: examine(lie(random.Random(data))),
    examine_config,
    lambda data: examine_config(lying_config(random.Random(data))),
    _name,
    _record,
)


def one(data: bytes) -> None:
    """One input; an error that nobody expects ends the run, and libFuzzer shows it."""
    if data:
        _KINDS[data[0] % len(_KINDS)](data[1:])


def main(cases: int) -> None:
    """So many inputs; ends the process."""
    seeds = [bytes([kind]) + true_file(random.Random(0)) for kind in (0, 2)]
    for seed in [*seeds, b"\4acme/spring/behavior@3", b'\5{"format": 1}', b"\5" + b"[" * 9999]:
        one(seed)
    atheris.Setup(
        [
            sys.argv[0],
            f"-runs={cases}",
            "-max_len=4096",
            "-timeout=10",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            "-verbosity=0",
        ],
        one,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]))
