"""Any cell that a file or a program can hold: a text, or what it is instead, and never what Python calls it."""

import decimal
import uuid
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest

from recipes.tasks.templates import NotText, text_of

MOMENT = datetime(2026, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("caf\u00e9 ".encode(), "caf\u00e9"),
        (bytearray(b"good"), "good"),
        (memoryview(b"good"), "good"),
        (np.bytes_(b"good"), "good"),
        ([b"a", {"b": b"c"}], "a, b: c"),
        ({b"k": 1}, "k: 1"),
        (decimal.Decimal("120.00"), "120.00"),
        (decimal.Decimal("NaN"), ""),
        (decimal.Decimal("sNaN"), ""),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (MOMENT, "2026-01-02T03:04:05"),
        (MOMENT.replace(tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(hours=3), "3:00:00"),
        (np.datetime64(MOMENT), "2026-01-02T03:04:05"),
        (np.datetime64("2026-01-02T03:04:05", "ns"), "2026-01-02T03:04:05"),
        (np.datetime64("2026-01-02T03:04:05.123456789", "ns"), "2026-01-02T03:04:05.123456789"),
        (np.array([MOMENT], "M8[ns]"), "2026-01-02T03:04:05"),
        (np.datetime64("NaT"), ""),
        (np.timedelta64(3, "h"), "3:00:00"),
        (np.bool_(True), "true"),
        (np.int8(3), "3"),
        (np.array(["a", "b"]), "a, b"),
        (np.float64("nan"), ""),
    ],
)
def test_a_cell_is_its_text_whatever_its_type(cell: Any, text: str) -> None:
    assert text_of(cell) == text


def test_what_pandas_has_is_as_python_has_it() -> None:
    pandas = pytest.importorskip("pandas")
    assert text_of(pandas.NA) == text_of(pandas.NaT) == ""
    assert text_of(pandas.Timestamp(MOMENT)) == "2026-01-02T03:04:05"
    assert text_of(pandas.Timestamp("2026-01-02T03:04:05.123456789")) == "2026-01-02T03:04:05.123456789"
    assert text_of(pandas.Series([1, 2])) == "1, 2"


class Strange:
    """Of no type that a file has."""


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (b"\xff\xfe", "holds bytes that are no UTF-8 text"),
        ([b"\xff"], "holds bytes that are no UTF-8 text"),
        (Strange(), "is of the type Strange, which is no text"),
        ({"a": Strange()}, "is of the type Strange"),
        ({"x"}, "is of the type set"),
        ("thank you \ud83d", "holds half a character (the surrogate U+D83D)"),
        ({"\ud83d": 1}, "holds half a character"),
        (["a", "\udc00"], "holds half a character (the surrogate U+DC00)"),
    ],
)
def test_what_is_no_text_is_told(cell: Any, told: str) -> None:
    with pytest.raises(NotText) as caught:
        text_of(cell)
    assert told in caught.value.what


def test_what_is_nested_too_deep_is_told() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    with pytest.raises(NotText, match="more than 100 deep"):
        text_of(deep)
