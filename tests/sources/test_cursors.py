"""How far a source was read by time: the newest row counts, however its timestamps are written."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from syncd.sources.cursors import TimeCursor

PRESENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raws", "newest"),
    [
        (["2025-01-01 00:00:00", "2025-03-01 00:00:00", "2025-02-01 00:00:00"], datetime(2025, 3, 1, tzinfo=UTC)),
        (["1700000000", "999999999"], datetime.fromtimestamp(1_700_000_000, UTC)),
        (["2025-01-01", "2030-01-01"], datetime(2025, 1, 1, tzinfo=UTC)),
        (["2025-01-01", "whatever!!"], datetime(2025, 1, 1, tzinfo=UTC)),
        ([1_700_000_000, "2025-01-01 00:00:00", None], datetime(2025, 1, 1, tzinfo=UTC)),
        ([datetime(2025, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)], datetime(2025, 1, 1, tzinfo=UTC)),  # noqa: DTZ001
        ([Decimal("NaN"), Decimal(1_700_000_000)], datetime.fromtimestamp(1_700_000_000, UTC)),
    ],
)
def test_newest_of_many_rows_is_reached(raws: list[Any], newest: datetime) -> None:
    cursor = TimeCursor(None, PRESENT, UTC)
    cursor.note_all(raws)
    reached = cursor.newest()
    assert reached
    assert reached[1] == newest
