"""The inbox: what buyers want cancelled is on disk before anything is tried, and each is applied by one at a time.

received ──► accepted      the order counts as seen, and IMSHOP as told, with the cancelled status: no echo
        └──► refused       the shop said no
        └──► failed        the shop did not decide; asked again, or by an operator, it is applied again

A decision stands while the order is as it was decided, and for REPEATED in any case: the same request again is answered
with it. If the order was seen to change since, the buyer asks for something new.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, insert, select, update

from syncd.model import Asked, Cancellation, Change, Decision, Ruling, Seen
from syncd.state.meant import completed, of_the_same_order
from syncd.state.seen import SeenPart, StagingTransaction, load, told_of
from syncd.state.tables import CLAIMED, cancellations, canonical, changes, clean, in_state, seen
from syncd.state.waiting import end

REPEATED = timedelta(minutes=10)
"""So long a request counts as the same one again, whatever the shop shows meanwhile: some take a while to show it."""
UNFINISHED = "syncd ended while it was being applied, so it may have been applied; look at the order, or retry it"

_COLUMNS = [cancellations.c[field.name] for field in fields(Cancellation)]
_later = cancellations.alias("later")


@dataclass(frozen=True, slots=True)
class Received:
    """A cancellation in the inbox. `mine`: whoever gets this must apply it and have it decided; nobody else will."""

    cancellation: Cancellation
    mine: bool


class CancellationsPart(SeenPart):
    """See `syncd.cancel.desk.Inbox`."""

    def receive(self, asked: Asked, token: str, now: datetime, until: datetime) -> Received:
        with self.write() as connection:
            known = completed(connection, asked)
            order = None if known.order_id is None else load(connection, [known.order_id]).get(known.order_id)
            row = _row(connection, of_the_same_order(known))
            if row is not None and _stands(row, order, now):
                again = {"asked": row.asked + 1}
                return Received(_changed(connection, row.id, again), mine=False)
            if row is not None and row.state in ("received", "failed"):
                return Received(_claimed(connection, row, until, asked=row.asked + 1), mine=True)
            return Received(_inserted(connection, known, token, now, until), mine=True)

    def take_again(self, cancellation_id: int, now: datetime, until: datetime) -> Received | None:
        """For an operator: a cancellation that failed or was refused, to be applied again. `mine` False: it is not to
        be, for it is being applied, was accepted, or a newer one of its order was asked for. None: there is none."""
        with self.write() as connection:
            row = _row(connection, cancellations.c.id == cancellation_id)
            if row is None:
                return None
            is_last = not connection.execute(select(_is_followed(row))).scalar()
            being_applied = row.state == "received" and row.claimed_until > now
            if row.state == "accepted" or being_applied or not is_last:
                return Received(_cancellation(row), mine=False)
            return Received(_claimed(connection, row, until), mine=True)

    def decide(self, mine: Cancellation, ruling: Ruling, now: datetime, *, answered: bool) -> Cancellation:
        """Write down what came of an attempt; returns the cancellation as it then stands.

        `answered`: IMSHOP hears of it, so an accepted one is nothing that it must be told. What comes of an attempt
        whose time was up, and which another one replaced, counts only if it was accepted.
        """
        with self.write() as connection:
            row = _row(connection, cancellations.c.id == mine.id)
            if row is None:
                return mine
            replaced = row.state != "received" or row.attempts != mine.attempts
            if row.state == "accepted" or (replaced and ruling.state != "accepted"):
                return _cancellation(row)
            known = completed(connection, Asked(mine.generation, mine.order_id, mine.imshop_uuid, mine.reason))
            order_id = known.order_id
            before = None if order_id is None else load(connection, [order_id]).get(order_id)
            if order_id is not None and answered and ruling.state == "accepted" and ruling.status is not None:
                _see_cancelled(connection, before or Seen(order_id, {}, None), mine, ruling, now)
            decided = {
                "order_id": order_id,
                "state": ruling.state,
                "decided_at": now,
                "status": ruling.status,
                "message": ruling.message,
                "error": ruling.error,
                "in_doubt": ruling.in_doubt or (row.in_doubt and ruling.state == "failed"),
                "order_status": None if before is None else str(before.content["status"]),
            }
            return _changed(connection, mine.id, decided)

    def give_up_unfinished(self, claimed_until: datetime, now: datetime) -> int:
        """Those that were to be applied by then have failed: whoever applied them is gone. Returns how many."""
        left = (cancellations.c.state == "received", cancellations.c.claimed_until <= claimed_until)
        failed = {"state": "failed", "decided_at": now, "error": UNFINISHED, "in_doubt": True}
        with self.write() as connection:
            return connection.execute(update(cancellations).where(*left).values(failed)).rowcount

    def cancellation(self, cancellation_id: int) -> Cancellation | None:
        with self.read() as connection:
            row = _row(connection, cancellations.c.id == cancellation_id)
        return None if row is None else _cancellation(row)

    def cancellations(self, order_id: str | None = None, limit: int | None = None) -> list[Cancellation]:
        """Newest first; `limit` None: all of them."""
        of_order = [] if order_id is None else [cancellations.c.order_id == order_id]
        newest = select(*_COLUMNS).where(*of_order).order_by(cancellations.c.id.desc()).limit(limit)
        with self.read() as connection:
            return [_cancellation(row) for row in connection.execute(newest)]


def _stands(row: Row[Any], order: Seen | None, now: datetime) -> bool:
    """Whether a request is answered with what is being, or was, decided."""
    if row.state in ("received", "failed"):
        return row.state == "received" and bool(row.claimed_until > now)
    if now - row.decided_at < REPEATED:
        return True
    status = None if order is None else order.content["status"]
    if row.state == "accepted":
        return row.status is None or status in (None, row.status)
    return bool(status == row.order_status)


def _see_cancelled(connection: Connection, before: Seen, mine: Cancellation, ruling: Ruling, now: datetime) -> None:
    """From now on the order counts as seen with the cancelled status, and IMSHOP as told. What waited to be told of it
    is void; what is on its way just now may reach IMSHOP after the answer, and then the cancelled status follows it."""
    is_new = not before.content
    texts = {"status": ruling.status} | ({"message": ruling.message} if "message" in before.content else {})
    content = {**before.content, **texts}
    told = content if is_new else before.told and {**before.told, **texts}
    after = replace(before, content=content, told=told, revision=before.revision + 1, missing=False)
    if is_new:
        after = replace(after, imshop_uuid=mine.imshop_uuid)
    _tell_status(connection, clean(before.order_id), texts)
    staging = StagingTransaction(connection)
    of_order = changes.c.order_id == clean(before.order_id)
    overtaken = connection.execute(select(changes.c.content).where(CLAIMED, of_order)).scalars().all()
    if any(content["status"] != ruling.status for content in overtaken):
        staging.store([Decision(after, _told_after_all(before, after, ruling))], now, counting=False)
    else:
        staging.store([Decision(after, void=True)], now, counting=False)
    end(connection, "superseded", now, in_state("dead", "refused"), of_order)


def _tell_status(connection: Connection, order_id: str, texts: dict[str, str | None]) -> None:
    """What IMSHOP knows if nothing comes of a push that is on its way; `see` keeps that while one is."""
    row = connection.execute(select(seen.c.content, seen.c.told).where(seen.c.order_id == order_id)).first()
    known = None if row is None else told_of(row.content, row.told)
    if known is not None:
        told = update(seen).where(seen.c.order_id == order_id)
        connection.execute(told.values(told=canonical({**known, **texts})))


def _told_after_all(before: Seen, after: Seen, ruling: Ruling) -> Change:
    return Change(
        order_id=after.order_id,
        revision=after.revision,
        content=after.content,
        previous_status=str(before.content["status"]),
        message=ruling.message,
        tracking_url=None,
        user_id=None,
        imshop_uuid=after.imshop_uuid,
        with_payment=False,
        source_updated_at=None,
        found_by="full",
    )


def _inserted(connection: Connection, asked: Asked, token: str, now: datetime, until: datetime) -> Cancellation:
    row = {
        "token": token,
        "generation": asked.generation,
        "order_id": asked.order_id,
        "imshop_uuid": asked.imshop_uuid,
        "reason": asked.reason,
        "state": "received",
        "received_at": now,
        "asked": 1,
        "attempts": 1,
        "claimed_until": until,
        "in_doubt": False,
    }
    return _cancellation(connection.execute(insert(cancellations).returning(*_COLUMNS), row).one())


def _claimed(connection: Connection, row: Row[Any], until: datetime, **values: object) -> Cancellation:
    """One that was left unfinished may have been applied. By now its order may be known."""
    in_doubt = row.in_doubt or row.state == "received"
    known = completed(connection, Asked(row.generation, row.order_id, row.imshop_uuid, row.reason))
    again = {"state": "received", "attempts": row.attempts + 1, "claimed_until": until, "in_doubt": in_doubt}
    again |= {"order_id": known.order_id, "imshop_uuid": known.imshop_uuid}
    return _changed(connection, row.id, {**again, **values})


def _changed(connection: Connection, cancellation_id: int, values: dict[str, Any]) -> Cancellation:
    change = update(cancellations).where(cancellations.c.id == cancellation_id).values(values)
    return _cancellation(connection.execute(change.returning(*_COLUMNS)).one())


def _row(connection: Connection, *which: ColumnElement[bool]) -> Row[Any] | None:
    newest = select(*_COLUMNS, cancellations.c.order_status).where(*which).order_by(cancellations.c.id.desc())
    found: Row[Any] | None = connection.execute(newest.limit(1)).first()  # type: ignore[assignment]  # of so many columns
    return found


def _is_followed(row: Row[Any]) -> ColumnElement[bool]:
    same = _later.c.order_id == row.order_id if row.order_id else _later.c.imshop_uuid == row.imshop_uuid
    return exists().where(same, _later.c.id > row.id)


def _cancellation(row: Row[Any]) -> Cancellation:
    return Cancellation(*row[: len(_COLUMNS)])
