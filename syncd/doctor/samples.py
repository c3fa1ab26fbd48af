"""Orders as they would be pushed now, for a person who must see whether the query means what it should."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from syncd.doctor.finding import Finding, ok, warning
from syncd.model import Order, Push, Skipped
from syncd.news import is_payment_news, payment_of
from syncd.statuses import Statuses

_PHONE = re.compile(r"\d{8,}(?=\d{2})")


def shown(row: Order | Skipped, statuses: Statuses, body: Callable[[Push], bytes], now: datetime) -> Finding:
    """The push of this order, which `body` writes: its UUID is taken to be its own, and the order to be new."""
    if isinstance(row, Skipped):
        return warning("source", f"would be skipped: {row.detail}", "Mend that row, or leave it out of the query")
    verdict = statuses.verdict(row.status)
    if verdict != "push":
        words = {"skip": "never be pushed", "hold": "be held"}[verdict]
        return ok("source", f"order {row.order_id} would {words}: so the statuses file says of {row.status!r}")
    fields = json.loads(body(_push(row, statuses, now)))
    return ok("source", f"order {row.order_id} would be pushed as {json.dumps(_masked(fields), ensure_ascii=False)}")


def _masked(fields: dict[str, Any]) -> dict[str, Any]:
    """Without the key, which may be sent as a field, and of what may be a phone number only the last two digits."""
    if "userId" in fields:
        fields["userId"] = _PHONE.sub(lambda found: "*" * len(found[0]), fields["userId"])
    return fields | ({"key": "***"} if "key" in fields else {})


def _push(order: Order, statuses: Statuses, now: datetime) -> Push:
    return Push(
        change_id=0,
        order_id=order.order_id,
        revision=0,
        status=order.status,
        code=statuses.code(order.status),
        message=order.message or statuses.message(order.status),
        tracking_url=order.tracking_url,
        user_id=order.user_id,
        imshop_uuid=order.imshop_uuid,
        uuid_is_shared=False,
        payment=payment_of(order.content) if is_payment_news(order.content, None) else None,
        detected_at=now,
        source_updated_at=order.updated_at,
        attempts=0,
        refusals=0,
        failing_since=None,
        in_doubt=False,
    )
