"""What the state tells people: figures for each scrape, the delivery log, one order's story."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, select

from syncd.model import CHANGE_STATES, ChangeState, Hold
from syncd.state.compare import refused_missing
from syncd.state.facts import all_facts, instant, pause_of
from syncd.state.numbers import NumbersPart
from syncd.state.tables import DUE_SOMETIME, WAITING, attempts, cancellations, changes, former_numbers, in_state, seen
from syncd.state.views import AttemptView, ChangeView, SeenView, SourceStatus, Story, Summary

PAGE = 500
"""Changes read in one go, so that no transaction is open while somebody reads them."""

_ENDED = select(changes.c.state, func.count()).where(~WAITING).group_by(changes.c.state)
_PENDING = select(func.count()).select_from(changes).where(in_state("pending"))
_HELD = select(changes.c.hold, func.count()).where(in_state("held")).group_by(changes.c.hold)
_OLDEST = select(func.min(changes.c.detected_at)).where(in_state("pending"))
_NEXT_DUE = select(func.min(changes.c.next_attempt_at)).where(DUE_SOMETIME)

_later = cancellations.alias("later")
_CANCELLATIONS_FAILED = (
    select(func.count())
    .select_from(cancellations)
    .where(
        cancellations.c.state == "failed",
        ~exists().where(_later.c.order_id == cancellations.c.order_id, _later.c.id > cancellations.c.id),
    )
)
"""Cancellations that nobody decided, and that were not asked for anew since."""


class ReportsPart(NumbersPart):
    def summary(self) -> Summary:
        """The state in figures; cheap enough for each scrape."""
        with self.read() as connection:
            facts = all_facts(connection)
            held: dict[Hold, int] = dict(connection.execute(_HELD).all())
            counts: dict[ChangeState, int] = dict(connection.execute(_ENDED).all())
            counts |= {"pending": connection.execute(_PENDING).scalar_one(), "held": sum(held.values())}
            failed = connection.execute(_CANCELLATIONS_FAILED).scalar_one()
            oldest, next_due = connection.execute(_OLDEST).scalar(), connection.execute(_NEXT_DUE).scalar()
        return Summary(
            tracked=facts.get("tracked", 0),
            changes={state: counts.get(state, 0) for state in CHANGE_STATES},
            held=held,
            oldest_pending_at=oldest,
            next_due_at=next_due,
            source=_source_status(facts.get("source", {})),
            pause=pause_of(facts.get("pause")),
            last_delivered_at=instant(facts.get("last_delivered_at")),
            missing_refused=refused_missing(facts),
            cancellations_failed=failed,
        )

    def changes(
        self, state: ChangeState | None = None, order_id: str | None = None, limit: int | None = None
    ) -> Iterator[ChangeView]:
        """Changes with their history, newest first; `limit` None: all of them. `order_id` may be a former number."""
        conditions = [] if state is None else [changes.c.state == state]
        conditions += [] if order_id is None else [changes.c.order_id == self.current_number(order_id)]
        left, before = limit, None
        while left is None or left > 0:
            with self.read() as connection:
                page = _page(connection, conditions, before, PAGE if left is None else min(PAGE, left))
            yield from page
            if len(page) < PAGE:
                return
            before, left = page[-1].id, None if left is None else left - PAGE

    def story(self, order_id: str) -> Story:
        """Everything about one order, also one that is not tracked any more, by its number or a former one."""
        order_id = self.current_number(order_id)
        tried = (
            select(attempts)
            .join(changes, changes.c.id == attempts.c.change_id)
            .where(changes.c.order_id == order_id)
            .order_by(attempts.c.id)
        )
        with self.read() as connection:
            row = connection.execute(select(seen).where(seen.c.order_id == order_id)).first()
            tries = [attempt_view(attempt) for attempt in connection.execute(tried)]
            former = connection.execute(select(former_numbers.c.former).where(former_numbers.c.order_id == order_id))
            before = sorted(former.scalars())
        known = None if row is None else _seen_view(row)
        return Story(order_id, known, list(self.changes(order_id=order_id)), tries, before)


def _page(
    connection: Connection, conditions: list[ColumnElement[bool]], before: int | None, size: int
) -> list[ChangeView]:
    older = [] if before is None else [changes.c.id < before]
    newest_first = select(changes).where(*conditions, *older).order_by(changes.c.id.desc()).limit(size)
    return [change_view(row) for row in connection.execute(newest_first)]


def change_view(row: Row[Any]) -> ChangeView:
    return ChangeView(
        id=row.id,
        order_id=row.order_id,
        status=row.status,
        previous_status=row.previous_status,
        state=row.state,
        detected_at=row.detected_at,
        source_updated_at=row.source_updated_at,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if row.state == "pending" else None,
        delivered_at=row.ended_at if row.state == "delivered" else None,
        last_error=row.last_error,
        imshop_uuid=row.answered_uuid or row.imshop_uuid,
        imshop_status=row.imshop_status,
        found_by=row.found_by,
        hold=row.hold,
        message=row.message,
        tracking_url=row.tracking_url,
    )


def _seen_view(row: Row[Any]) -> SeenView:
    return SeenView(
        content=row.content,
        told=row.content if row.told is None else json.loads(row.told),
        imshop_uuid=row.imshop_uuid,
        shop_id=row.shop_id,
        first_seen_at=row.first_seen_at,
        changed_at=row.changed_at,
        missing_since=row.missing_since,
        acknowledged_status=row.acknowledged_status,
        acknowledged_at=row.acknowledged_at,
        acknowledged_uuid=row.acknowledged_uuid,
    )


def attempt_view(row: Row[Any]) -> AttemptView:
    return AttemptView(row.change_id, row.started_at, row.ended_at, row.result, row.http_status, row.detail)


def _source_status(fact: dict[str, Any]) -> SourceStatus:
    return SourceStatus(
        last_poll_at=instant(fact.get("last_poll_at")),
        last_success_at=instant(fact.get("last_success_at")),
        last_error=fact.get("last_error"),
        consecutive_failures=fact.get("consecutive_failures", 0),
    )
