"""The inbox: a buyer's cancellation is on disk before it is applied, and one process or thread at a time applies it.

    received ──► accepted      the order is stored as seen, and IMSHOP as told, with the cancelled status: no echo
            └──► refused       by the shop
            └──► failed        the shop did not decide; the next request, or an operator, has it applied again

A decision is valid until the order is seen with another status than the one it was decided at (the column `stands`).
Until then the same request is answered with it; after that, the same request is a new cancellation.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, select, update

from syncd.model import CancelDecision, Cancellation, CancelRequest, Change, Decision, InboxEntry, Order, Seen
from syncd.state.identifiers import OrderIdentifiers, of_same_order, of_shop_id, resolve_order
from syncd.state.schema import CLAIMED, cancellations, canonical, changes, clean, in_state, seen
from syncd.state.seen import StagingTransaction, load
from syncd.state.store import Store
from syncd.state.told import TOLD_IN_DOUBT, told_of
from syncd.state.transitions import end_changes

UNFINISHED = "syncd ended while it was being applied, so it may have been applied; look at the order, or retry it"
DECIDED = ("accepted", "refused")
CANCELLATION_COLUMNS = [cancellations.c[field.name] for field in fields(Cancellation)]
_later = cancellations.alias("later")


class StoredInbox:
    """See `syncd.cancel.service.Inbox` for the contracts of the methods."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def receive(self, request: CancelRequest, token: str, now: datetime, until: datetime) -> InboxEntry:
        with self._store.write() as connection:
            order = resolve_order(connection, request.order_id, request.imshop_uuid)
            row = _row(connection, of_same_order(order))
            if row is not None and _is_answer(row, now) and not (order.by_former_number and row.state in DECIDED):
                return _answered(connection, row, 1, now)
            if row is not None and row.state == "accepted":
                _doubt_answer(connection, row)
            if row is not None and row.state in ("received", "failed"):
                return InboxEntry(_claimed(connection, row, until, asked=row.asked + 1), is_ours=True)
            return InboxEntry(_inserted(connection, request, order, token, now, until), is_ours=True)

    def identify(self, cancellation: Cancellation, found: Order, since: datetime, now: datetime) -> InboxEntry:
        """Store the order's number and key as they were looked up in the shop after `since`.

        If another cancellation of the same order, under another number, is being applied or was decided, this one is
        deleted and the other one returned, with `is_ours` False. A decision from before the look-up that contradicts it
        is not valid any more.
        """
        assert found.shop_id is not None
        with self._store.write() as connection:
            row = _row(connection, cancellations.c.id == cancellation.id)
            if row is None or row.state != "received" or row.attempts != cancellation.attempts:
                return InboxEntry(
                    cancellation, is_ours=True
                )  # too late: another attempt replaced this one, and decides
            key = clean(found.shop_id)
            tracked = connection.execute(select(seen.c.order_id).where(seen.c.shop_id == key)).scalars().all()
            number = tracked[0] if len(tracked) == 1 else found.order_id
            other = _row(connection, of_shop_id(key), cancellations.c.id != cancellation.id)
            if other is not None and _is_contradicted(other, found.status, since):
                _changed(connection, other.id, {"stands": False})
            elif other is not None and _is_answer(other, now):
                connection.execute(delete(cancellations).where(cancellations.c.id == cancellation.id))
                return _answered(connection, other, cancellation.asked, now)
            known = {"order_id": number, "shop_id": found.shop_id}
            return InboxEntry(_changed(connection, cancellation.id, known), is_ours=True)

    def claim_again(self, cancellation_id: int, now: datetime, until: datetime) -> InboxEntry | None:
        """Claim a failed or refused cancellation for an operator, to apply it again. `is_ours` False: it must not be
        applied, because it is being applied, was accepted, or its order has a newer one. None: it does not exist."""
        with self._store.write() as connection:
            row = _row(connection, cancellations.c.id == cancellation_id)
            if row is None:
                return None
            is_last = not connection.execute(select(_is_followed(row))).scalar()
            being_applied = row.state == "received" and row.claimed_until > now
            if row.state == "accepted" or being_applied or not is_last:
                return InboxEntry(cancellation_of(row), is_ours=False)
            return InboxEntry(_claimed(connection, row, until), is_ours=True)

    def decide(
        self,
        cancellation: Cancellation,
        decision: CancelDecision,
        now: datetime,
        *,
        answered: bool,
        shown: str | None = None,
    ) -> Cancellation:
        """Record the result of an attempt; returns the cancellation as it is then.

        `answered`: IMSHOP gets the decision as an answer, so an accepted one need not be pushed. `shown`: the order's
        status in the shop, if it was looked up; if the order was last seen with another one, a refusal is not valid for
        later requests. The result of an attempt that another one replaced counts only if it is `accepted`.
        """
        with self._store.write() as connection:
            row = _row(connection, cancellations.c.id == cancellation.id)
            if row is None:
                return cancellation
            replaced = row.state != "received" or row.attempts != cancellation.attempts
            if row.state == "accepted" or (replaced and decision.state != "accepted"):
                return cancellation_of(row)
            order_id = resolve_order(connection, row.order_id, row.imshop_uuid).order_id
            before = None if order_id is None else load(connection, [order_id]).get(order_id)
            accepted = decision.state == "accepted"
            if order_id is not None and answered and accepted and decision.status is not None:
                _see_cancelled(connection, before or Seen(order_id, {}, None), row, decision, now)
            status = None if before is None else str(before.content["status"])
            decided = {
                "order_id": order_id,
                "state": decision.state,
                "decided_at": now,
                "status": decision.status,
                "message": decision.message,
                "error": decision.error,
                "in_doubt": decision.in_doubt or (row.in_doubt and decision.state == "failed"),
                "order_status": decision.status if accepted else status,
                "stands": decision.lasts and (accepted or shown in (None, status)),
            }
            return _changed(connection, row.id, decided)

    def fail_unfinished(self, claimed_until: datetime, now: datetime) -> int:
        """Mark cancellations as failed whose claim ended by then: the process that applied them is gone. Returns how
        many."""
        left = (cancellations.c.state == "received", cancellations.c.claimed_until <= claimed_until)
        failed = {"state": "failed", "decided_at": now, "error": UNFINISHED, "in_doubt": True}
        with self._store.write() as connection:
            return connection.execute(update(cancellations).where(*left).values(failed)).rowcount

    def cancellation(self, cancellation_id: int) -> Cancellation | None:
        with self._store.read() as connection:
            row = _row(connection, cancellations.c.id == cancellation_id)
        return None if row is None else cancellation_of(row)


def _is_answer(row: Row[Any], now: datetime) -> bool:
    """Whether a request is answered with this cancellation: it is being applied, or its decision is valid."""
    if row.state == "received":
        return bool(row.claimed_until > now)
    return row.state != "failed" and bool(row.stands)


def _is_contradicted(row: Row[Any], status: str, since: datetime) -> bool:
    """Whether the decision was made before `since` at another status than the shop showed after that."""
    return row.state in DECIDED and row.decided_at < since and row.order_status not in (None, status)


def _answered(connection: Connection, row: Row[Any], times: int, now: datetime) -> InboxEntry:
    """Count requests that are answered with this cancellation. IMSHOP knows an accepted one from that answer: it may
    have been an operator's, of which IMSHOP was not told."""
    if row.state == "accepted" and row.status is not None and row.order_id is not None:
        before = load(connection, [row.order_id]).get(row.order_id)
        is_known = before and before.told and before.content["status"] == before.told["status"] == row.status
        if not is_known:
            decision = CancelDecision("accepted", row.status, row.message)
            _see_cancelled(connection, before or Seen(row.order_id, {}, None), row, decision, now)
    again = {"asked": row.asked + times, "answered_again": row.state in DECIDED}
    return InboxEntry(_changed(connection, row.id, again), is_ours=False)


def _doubt_answer(connection: Connection, row: Row[Any]) -> None:
    """IMSHOP asks again for a cancellation that was accepted: it may never have got that answer."""
    before = connection.execute(select(seen.c.content, seen.c.told).where(seen.c.order_id == row.order_id)).first()
    known = None if before is None else told_of(before.content, before.told)
    if known is not None and known["status"] == row.status:
        connection.execute(update(seen).where(seen.c.order_id == row.order_id).values(told=TOLD_IN_DOUBT))


def _see_cancelled(
    connection: Connection, before: Seen, row: Row[Any], decision: CancelDecision, now: datetime
) -> None:
    """Store the order as seen with the cancelled status, and IMSHOP as told. Changes of it that wait are superseded. A
    push that is under way may reach IMSHOP before or after the answer: so the cancelled status is pushed after it, and
    until then it is unknown which of the two IMSHOP heard last."""
    is_new = not before.content
    texts = {"status": decision.status} | ({"message": decision.message} if "message" in before.content else {})
    content = {**before.content, **texts}
    told = content if is_new else before.told and {**before.told, **texts}
    after = before._replace(content=content, told=told, revision=before.revision + 1, missing=False)
    if is_new:
        after = after._replace(imshop_uuid=row.imshop_uuid, shop_id=row.shop_id)
    _set_told_status(connection, clean(before.order_id), texts)
    staging = StagingTransaction(connection)
    of_order = changes.c.order_id == clean(before.order_id)
    being_sent = connection.execute(select(changes.c.content).where(CLAIMED, of_order)).scalars().all()
    if any(content["status"] != decision.status for content in being_sent):
        connection.execute(update(changes).where(CLAIMED, of_order).values(in_doubt=True))
        staging.store([Decision(after, _cancelled_status(before, after, decision))], now, counting=False)
    else:
        staging.store([Decision(after, void=True)], now, counting=False)
    end_changes(connection, "superseded", now, in_state("dead", "refused"), of_order)


def _set_told_status(connection: Connection, order_id: str, texts: dict[str, str | None]) -> None:
    """Set what IMSHOP knows if a push under way fails; staging keeps that value during a push."""
    row = connection.execute(select(seen.c.content, seen.c.told).where(seen.c.order_id == order_id)).first()
    known = None if row is None else told_of(row.content, row.told)
    if known is not None:
        told = update(seen).where(seen.c.order_id == order_id)
        connection.execute(told.values(told=canonical({**known, **texts})))


def _cancelled_status(before: Seen, after: Seen, decision: CancelDecision) -> Change:
    """A change of the cancelled status and nothing else: whatever it does not push, IMSHOP must not count as told."""
    texts = {column: value if column in ("status", "message") else None for column, value in after.content.items()}
    return Change(
        order_id=after.order_id,
        revision=after.revision,
        content=texts,
        previous_status=str(before.content["status"]),
        message=decision.message,
        tracking_url=None,
        user_id=None,
        imshop_uuid=after.imshop_uuid,
        with_payment=False,
        source_updated_at=None,
        found_by="full",
    )


def _inserted(
    connection: Connection, request: CancelRequest, order: OrderIdentifiers, token: str, now: datetime, until: datetime
) -> Cancellation:
    row = {
        "token": token,
        "generation": request.generation,
        "order_id": order.order_id,
        "imshop_uuid": order.imshop_uuid,
        "shop_id": order.shop_id,
        "reason": request.reason,
        "state": "received",
        "received_at": now,
        "asked": 1,
        "attempts": 1,
        "claimed_until": until,
        "in_doubt": False,
    }
    return cancellation_of(connection.execute(insert(cancellations).returning(*CANCELLATION_COLUMNS), row).one())


def _claimed(connection: Connection, row: Row[Any], until: datetime, **values: object) -> Cancellation:
    """Claim a cancellation again. If it is unfinished it may have been applied. Its order may be known by now."""
    in_doubt = row.in_doubt or row.state == "received"
    order = resolve_order(connection, row.order_id, row.imshop_uuid)
    again = {"state": "received", "attempts": row.attempts + 1, "claimed_until": until, "in_doubt": in_doubt}
    again |= {"order_id": order.order_id, "imshop_uuid": order.imshop_uuid, "shop_id": order.shop_id or row.shop_id}
    return _changed(connection, row.id, {**again, "stands": True, **values})


def _changed(connection: Connection, cancellation_id: int, values: dict[str, Any]) -> Cancellation:
    change = update(cancellations).where(cancellations.c.id == cancellation_id).values(values)
    return cancellation_of(connection.execute(change.returning(*CANCELLATION_COLUMNS)).one())


def _row(connection: Connection, *which: ColumnElement[bool]) -> Row[Any] | None:
    columns = (*CANCELLATION_COLUMNS, cancellations.c.stands, cancellations.c.order_status)
    newest = select(*columns).where(*which).order_by(cancellations.c.id.desc()).limit(1)
    found: Row[Any] | None = connection.execute(newest).first()
    return found


def _is_followed(row: Row[Any]) -> ColumnElement[bool]:
    """Whether there is a newer cancellation of the same order."""
    same = _later.c.order_id == row.order_id if row.order_id else _later.c.imshop_uuid == row.imshop_uuid
    return exists().where(same, _later.c.id > row.id)


def cancellation_of(row: Row[Any]) -> Cancellation:
    return Cancellation(*row[: len(CANCELLATION_COLUMNS)])
