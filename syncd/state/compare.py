"""What a full compare keeps from one time to the next: digests of segments, and which compare saw which order.

An order belongs to the segment it is marked with only if both carry the number of the same compare. So whoever leaves
a segment, or vanishes from it, needs no mark of its own. A segment that lost its digest stays until the next compare
starts: this one may have confirmed it, and its other orders are not missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select, update

from syncd.state.facts import add_to_fact, all_facts, get_fact, put_fact
from syncd.state.numbers import discard_parked
from syncd.state.standing import unsettled
from syncd.state.store import Store, in_chunks
from syncd.state.tables import seen, segments

MISSING_AT_MOST = 10
"""One in so many tracked orders may go missing in one compare."""
FEW_MISSING = 9
"""And so many of a small shop's, whatever part of it they are: two archived orders of nine are no sign of a fault."""


class ComparePart(Store):
    """See `syncd.reconcile.ScannedState`, and `syncd.poll.PollState` for columns."""

    def tracked(self) -> int:
        with self.read() as connection:
            return get_fact(connection, "tracked") or 0

    def start_compare(self) -> int:
        with self.write() as connection:
            connection.execute(delete(segments).where(segments.c.digest.is_(None)))
            return add_to_fact(connection, "compare", 1)

    def columns_from(self) -> Mapping[str, str] | None:
        with self.read() as connection:
            columns: Mapping[str, str] | None = get_fact(connection, "columns")
            return columns

    def columns_are_from(self, definitions: Mapping[str, str]) -> None:
        with self.write() as connection:
            put_fact(connection, "columns", {**definitions})

    def digests(self, keys: Sequence[int] | None = None) -> Mapping[int, tuple[bytes, int]]:
        known = select(segments.c.segment, segments.c.digest, segments.c.orders).where(segments.c.digest.is_not(None))
        if keys is not None:
            known = known.where(segments.c.segment.in_(keys))
        with self.read() as connection:
            return {key: (digest, orders) for key, digest, orders in connection.execute(known)}

    def confirm(self, keys: Sequence[int], compare: int) -> None:
        with self.write() as connection:
            confirmed = update(segments).where(segments.c.segment.in_(keys)).values(confirmed_in=compare)
            connection.execute(confirmed)

    def resegment(
        self, key: int, order_ids: Sequence[str], digest: bytes | None, compare: int, since: datetime
    ) -> None:
        with self.write() as connection:
            if digest is not None and unsettled(connection, order_ids, since):
                digest = None
            orders = 0
            for ids in in_chunks(order_ids):
                left = select(seen.c.segment).where(seen.c.order_id.in_(ids), seen.c.segment.is_not(None))
                connection.execute(update(segments).where(segments.c.segment.in_(left)).values(digest=None))
                joined = update(seen).where(seen.c.order_id.in_(ids)).values(segment=key, compared_in=compare)
                orders += connection.execute(joined).rowcount
            connection.execute(delete(segments).where(segments.c.segment == key))
            formed = {"segment": key, "digest": digest, "orders": orders}
            connection.execute(insert(segments), {**formed, "formed_in": compare, "confirmed_in": compare})

    def unseen(self, compare: int, limit: int) -> Sequence[str]:
        with self.read() as connection:
            return [*connection.execute(select(seen.c.order_id).where(_unseen(compare)).limit(limit)).scalars()]

    def miss(self, compare: int, now: datetime) -> int | None:
        with self.write() as connection:
            unseen = _unseen(compare)
            missing = connection.execute(select(func.count()).select_from(seen).where(unseen)).scalar_one()
            tracked, accepted = (get_fact(connection, name) or 0 for name in ("tracked", "accepted_missing"))
            if missing > accepted and (missing == tracked or missing > accepted + _lightly(tracked)):
                put_fact(connection, "refused_missing", {"compare": compare, "orders": missing})
                return None
            _forget_refusal(connection)
            connection.execute(update(seen).where(unseen).values(missing_since=now))
            discard_parked(connection, now)
            unmet = (segments.c.formed_in != compare) & (segments.c.confirmed_in != compare)
            connection.execute(delete(segments).where(unmet))
            add_to_fact(connection, "tracked", -missing)
            return missing

    def all_seen(self) -> None:
        with self.read() as connection:
            if not (refused_missing(all_facts(connection)) or get_fact(connection, "accepted_missing")):
                return
        with self.write() as connection:
            _forget_refusal(connection)


def accept_missing(connection: Connection) -> int:
    """Let the next compare forget as many orders as the last one refused to forget; returns how many that are."""
    if orders := refused_missing(all_facts(connection)):
        put_fact(connection, "accepted_missing", orders)
    return orders


def refused_missing(facts: Mapping[str, Any]) -> int:
    """How many orders the last compare that came to its end refused to forget. One that runs now has not yet said."""
    refused = facts.get("refused_missing")
    return int(refused["orders"]) if refused else 0


def _lightly(tracked: int) -> float:
    """How many of the tracked orders may go missing at once without anybody being asked."""
    return max(tracked / MISSING_AT_MOST, FEW_MISSING)


def _forget_refusal(connection: Connection) -> None:
    for name, nothing in (("refused_missing", None), ("accepted_missing", 0)):
        if get_fact(connection, name):
            put_fact(connection, name, nothing)


def _unseen(compare: int) -> ColumnElement[bool]:
    """The tracked orders that neither this compare saw itself nor any segment that it confirmed covers."""
    covered = exists().where(
        segments.c.segment == seen.c.segment,
        segments.c.formed_in == seen.c.compared_in,
        segments.c.confirmed_in == compare,
    )
    return and_(seen.c.missing_since.is_(None), seen.c.compared_in != compare, ~covered)
