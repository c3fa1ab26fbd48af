"""What the checks of a database and those of an API say of orders: rows that cannot be used, orders as they would be
pushed now, keys that two orders share. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from syncd.doctor.findings import Finding, ok, warning
from syncd.model import Dropped, Order, Push, Skipped
from syncd.news import is_payment_news, payment_of
from syncd.pipeline.statuses_file import Statuses
from syncd.sources.columns import Layout
from syncd.sources.timestamps import instant, looks_like, moment

SAMPLES = 3
EXAMPLES = 3
LONGEST_TIME = 40
SET_THE_TIME = "Have the shop set it; until then only the full compare (SYNCD_POLL__RECONCILE) finds what changes there"
_PHONE = re.compile(r"\d{8,}(?=\d{2})")


@dataclass(frozen=True, slots=True)
class RowProblems:
    """Of `rows` rows, in no particular order: those that are no orders, fields of orders that cannot be read, and each
    `updated_at` that cannot be read, as it is written."""

    rows: int
    skipped: Sequence[Skipped]
    dropped: Sequence[Dropped]
    unreadable_times: Sequence[str]


@dataclass(frozen=True, slots=True)
class NewestRows:
    """The rows that changed last, newest first, or some rows if that is not known, and those of their `updated_at` that
    can be read, in UTC. `wall_clock`: these are written without an offset, so that the source's time zone decides what
    they mean. `whole_seconds`: none of them has a fraction."""

    rows: Sequence[Order | Skipped]
    times: Sequence[datetime]
    wall_clock: bool
    whole_seconds: bool


def newest_rows(rows: Sequence[Sequence[Any]], layout: Layout, zone: tzinfo) -> NewestRows:
    """`rows` as orders, in the order given, and their times."""
    moments = [when for row in rows if (when := _moment(layout.value(row, "updated_at")))]
    return NewestRows(
        rows=[layout.order(row) for row in rows],
        times=sorted((instant(when, zone) for when in moments), reverse=True),
        wall_clock=any(when.tzinfo is None for when in moments),
        whole_seconds=not any(when.microsecond for when in moments),
    )


def row_problems(rows: Sequence[Sequence[Any]], layout: Layout, *, with_times: bool) -> RowProblems:
    """What in these rows cannot be read. `with_times`: each `updated_at` too."""
    times = [layout.value(row, "updated_at") for row in rows] if with_times else []
    page = layout.page(rows)
    return RowProblems(
        rows=len(rows),
        skipped=page.skipped,
        dropped=[one for order in page.orders for one in order.dropped],
        unreadable_times=[str(time)[:LONGEST_TIME] for time in times if time is not None and _moment(time) is None],
    )


def _moment(raw: object) -> datetime | None:
    try:
        when = moment(raw)
        instant(when, UTC)  # a local time at the ends of the calendar has no instant
    except ValueError:
        return None
    return when


def row_findings(problems: RowProblems, as_time: Callable[[str], str | None] = lambda _form: None) -> Iterator[Finding]:
    """What is wrong with some of the rows. `as_time`: the expression that converts an updated_at of a form that
    `looks_like` knows into a time; None: it is not known."""
    among = f"of {problems.rows} rows read,"
    if problems.skipped:
        text = f"{among} {len(problems.skipped)} cannot be used: {few([row.detail for row in problems.skipped])}"
        yield warning("source", text, "Polls skip them. Correct them in the shop, or leave them out of the query")
    for field in dict.fromkeys(one.field for one in problems.dropped):
        details = [one.detail for one in problems.dropped if one.field == field]
        text = f"{among} {len(details)} have a {field} that cannot be read: {few(details)}"
        yield warning("source", text, f"Polls leave the {field} out. Let the query or the field's path give one text")
    forms = [looks_like(one) for one in problems.unreadable_times]
    for form in dict.fromkeys(forms):
        times = [one for one, its_form in zip(problems.unreadable_times, forms, strict=True) if its_form == form]
        text = f"{among} {len(times)} have an updated_at that cannot be read: {few(times)}"
        if form == "zero date":
            yield warning("source", text, SET_THE_TIME)
        elif form is None:
            yield warning("source", text, "Have it given as a time: text such as 2026-11-29 18:30:00, or unix time")
        else:
            expression = as_time(form)
            advice = f"Have it given as a time{f': {expression}' if expression else ', as text or unix time'}"
            yield warning("source", f"{text}. It looks like a {form}, not unix time", advice)


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


def shared_keys(orders: Sequence[Order]) -> Iterator[Finding]:
    """Does each of the shop's own keys belong to one order, and each number?"""
    numbers: dict[str, set[str]] = {}
    keys: dict[str, set[str]] = {}
    for order in orders:
        if order.shop_id:
            numbers.setdefault(order.shop_id, set()).add(order.order_id)
            keys.setdefault(order.order_id, set()).add(order.shop_id)
    shared = next(((key, found) for key, found in numbers.items() if len(found) > 1), None)
    if shared:
        advice = "They are treated as two orders. Give a key that only one order has as shop_id"
        what = f"shop_id {shared[0]} belongs to orders {' and '.join(sorted(shared[1])[:2])}"
        yield warning("source", what, advice)
    several = next(((number, found) for number, found in keys.items() if len(found) > 1), None)
    if several:
        advice = "Nothing is pushed of the one that came later. Give a number that only one order has as order_id"
        what = f"order_id {several[0]} belongs to the orders with shop_id {' and '.join(sorted(several[1])[:2])}"
        yield warning("source", what, advice)


def few(texts: Sequence[str]) -> str:
    """The first few of them, for a finding."""
    return "; ".join(texts[:EXAMPLES]) + ("; …" if len(texts) > EXAMPLES else "")
