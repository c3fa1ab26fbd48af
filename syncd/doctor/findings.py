"""What the doctor says: findings, each with advice unless it is ok; checks that make findings within a time limit; and
the preview of a push, by which a person sees whether the query is right."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from syncd.deadline import DeadlineError, ThreadError, iterate_within
from syncd.errors import SyncdError
from syncd.model import Order, Push, Skipped
from syncd.news import is_payment_news, payment_of
from syncd.pipeline.statuses_file import Statuses

log = logging.getLogger("syncd")

Area: TypeAlias = Literal["settings", "source", "state", "imshop", "http", "cancel"]
Level: TypeAlias = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` is what was found, without any secret; `advice` is what to do. `ok` needs no advice, and neither does the
    text of a SyncdError, which has its own.

    A warning should be looked at; with a fault, statuses do not reach buyers.
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


@dataclass(frozen=True, slots=True)
class Check:
    """`question` is what it finds out. `seconds`: its time limit, if it needs more than the others; the limit starts
    again whenever the value of `progress` changes."""

    area: Area
    question: str
    run: Callable[[], Iterator[Finding]]
    seconds: float = 0.0
    progress: Callable[[], object] = lambda: None


def run_check(check: Check, seconds: float) -> Iterator[Finding]:
    """Yield the check's findings as it makes them, and a fault if it fails or a step takes longer than `seconds`.

    It runs in a thread of its own, which is abandoned when the time is up: a driver's call cannot be interrupted.
    """
    seconds = max(seconds, check.seconds)
    try:
        yield from iterate_within(check.run, seconds, f"check-{check.area}", check.progress)
    except DeadlineError:
        advice = "Check whether the server that is asked is locked or overloaded"
        yield fault(check.area, f"{check.question} No answer within {seconds:g} s", advice)
    except ThreadError as error:
        yield fault(check.area, f"{check.question} {error}")
    except SyncdError as error:
        yield fault(check.area, str(error))
    except Exception as error:  # the boundary: one check that fails must not prevent the others
        log.exception("check_crashed")
        what = f"{check.question} Unexpected error ({type(error).__name__}); the log has its traceback"
        yield fault(check.area, what, "Please report it")


_PHONE = re.compile(r"\d{8,}(?=\d{2})")


def push_preview(row: Order | Skipped, statuses: Statuses, body: Callable[[Push], bytes], now: datetime) -> Finding:
    """The order as it would be pushed now if it were new. `body` writes the body of the push."""
    if isinstance(row, Skipped):
        advice = "Correct that row in the shop, or leave it out of the query"
        return warning("source", f"a row would be skipped: {row.detail}", advice)
    action = statuses.action(row.status)
    if action != "push":
        what = {"skip": "never be pushed", "hold": "be held"}[action]
        return ok("source", f"order {row.order_id} would {what}, as the statuses file says for {row.status!r}")
    fields = json.loads(body(_push(row, statuses, now)))
    if "userId" in fields:  # it may be a phone number: its last two digits are shown
        fields["userId"] = _PHONE.sub(lambda found: "*" * len(found[0]), fields["userId"])
    if "key" in fields:
        fields["key"] = "***"
    return ok("source", f"order {row.order_id} would be pushed as {json.dumps(fields, ensure_ascii=False)}")


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
