"""Ready-made values of the model, for tests that care about one field of them."""

from __future__ import annotations

from datetime import UTC, datetime

from syncd.model import Push

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
