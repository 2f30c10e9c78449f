"""Numbers and times as people read them."""

import pytest

from hub.cli.output import in_bytes, minute


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (10**16, "10000.0 TB")],
)
def test_bytes_have_a_unit(count: int, told: str) -> None:
    assert in_bytes(count) == told


def test_times_are_told_to_the_minute() -> None:
    assert minute("2026-03-01T09:30:12.5+00:00") == "2026-03-01 09:30"
