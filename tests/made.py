"""Ready-made values of the model, for tests that care about one field of them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from syncd.model import Push
from syncd.state import State
from syncd.state.counts import read_counts

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def push(order_id: str = "00000007", change_id: int = 1) -> Push:
    return Push(
        change_id=change_id,
        order_id=order_id,
        revision=1,
        status="packed",
        code="packed",
        message=None,
        tracking_url=None,
        user_id=None,
        imshop_uuid=None,
        uuid_is_shared=False,
        payment=None,
        detected_at=NOON,
        source_updated_at=None,
        attempts=0,
        refusals=0,
        failing_since=None,
        in_doubt=False,
    )


def check_counts(state: State) -> None:
    """The changes that were counted as they were written are those that are there."""
    rows = text("SELECT state, CASE state WHEN 'held' THEN hold END, count(*) FROM changes GROUP BY 1, 2")
    with state.store.read() as connection:
        there = connection.execute(rows).all()
        counted, held = read_counts(connection)
    found = {name: sum(number for change, _, number in there if change == name) for name, _, _ in there}
    assert counted == found
    assert held == {hold: number for change, hold, number in there if change == "held"}
