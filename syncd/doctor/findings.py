"""What the doctor says: one finding a line, and what to do about it where it is not well.

A check that ends: by itself, by an error that becomes a finding, or because its time is up.

Orders as they would be pushed now, for a person who must see whether the query means what it should.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from syncd.deadline import DeadlineError, ThreadError, iterate_within
from syncd.errors import SyncdError
from syncd.model import Order, Push, Skipped
from syncd.news import is_payment_news, payment_of
from syncd.pipeline.statuses_file import Statuses

Area: TypeAlias = Literal["settings", "source", "state", "imshop", "http", "cancel"]
Level: TypeAlias = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` is what was found, without any secret; `advice` what to do. `ok` needs no advice; where an error of this
    project is told, its own text says what to do.

    A warning is worth a look; with a fault, statuses do not reach buyers.
    """

    area: Area
    level: Level
    text: str
    advice: str | None = None


def ok(area: Area, text: str) -> Finding:
    return Finding(area, "ok", text)


def warning(area: Area, text: str, advice: str) -> Finding:
    return Finding(area, "warning", text, advice)


def fault(area: Area, text: str, advice: str | None = None) -> Finding:
    return Finding(area, "fault", text, advice)


log = logging.getLogger("syncd")


@dataclass(frozen=True, slots=True)
class Check:
    """`question` is what it finds out, in a person's words. `seconds`: the time that it needs, where that is more than
    others have; `progress`: changes with each step of it, and the time is counted anew from there."""

    area: Area
    question: str
    run: Callable[[], Iterator[Finding]]
    seconds: float = 0.0
    progress: Callable[[], object] = lambda: None


def run_check(check: Check, seconds: float) -> Iterator[Finding]:
    """The check's findings as it makes them, and one more if it fails or a step of it takes longer than `seconds`.

    It runs in a thread of its own, which is left behind when time is up: a driver's call cannot be interrupted.
    """
    seconds = max(seconds, check.seconds)
    try:
        yield from iterate_within(check.run, seconds, f"check-{check.area}", check.progress)
    except DeadlineError:
        advice = "See whether what is asked there is locked or overloaded"
        yield fault(check.area, f"{check.question} No answer within {seconds:g} s", advice)
    except ThreadError as error:
        yield fault(check.area, f"{check.question} {error}")
    except SyncdError as error:
        yield fault(check.area, str(error))
    except Exception as error:  # the boundary: one check that fails must not keep the others from being made
        log.exception("check_crashed")
        what = f"{check.question} That failed in a way nobody foresaw ({type(error).__name__})"
        yield fault(check.area, what, "Please report it")


_PHONE = re.compile(r"\d{8,}(?=\d{2})")


def push_preview(row: Order | Skipped, statuses: Statuses, body: Callable[[Push], bytes], now: datetime) -> Finding:
    """The push of this order, which `body` writes: its UUID is taken to be its own, and the order to be new."""
    if isinstance(row, Skipped):
        return warning("source", f"would be skipped: {row.detail}", "Mend that row, or leave it out of the query")
    action = statuses.action(row.status)
    if action != "push":
        words = {"skip": "never be pushed", "hold": "be held"}[action]
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
