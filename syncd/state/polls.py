"""Where polling stands: cursor, baseline, and how the last poll went.

What a full compare keeps from one time to the next: digests of segments, and which compare saw which order.

An order belongs to the segment it is marked with only if both carry the number of the same compare. So whoever leaves
a segment, or vanishes from it, needs no mark of its own. A segment that lost its digest stays until the next compare
starts: this one may have confirmed it, and its other orders are not missing.

Changes that are held, and what lets them go: the end of their poll, a status that is listed now, an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select, update

from syncd.model import Baseline, Hold, Seen
from syncd.state.identifiers import discard_parked
from syncd.state.schema import cancellations, changes, clean, end, held_as, let_go, seen, segments
from syncd.state.seen import StagingTransaction, being_cancelled, load
from syncd.state.store import Store, add_to_fact, all_facts, get_fact, in_chunks, instant, put_fact

POLLS_KEPT = 10
LOOKED_AT_ONCE = 100
"""Orders that a poll looks at because their buyers were answered from memory."""
LOOKED_FOR = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the time at which an order was seen unpaid that was not found when it was looked for."""
KEYS_AT_ONCE = 10_000
MISSING_AT_MOST = 10
"""One in so many tracked orders may go missing in one compare."""
FEW_MISSING = 9
"""And so many of a small shop's, whatever part of it they are: two archived orders of nine are no sign of a fault."""


class StoredPolls:
    """See `pipeline.poll.PollState`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def cursor(self) -> str | None:
        with self._store.read() as connection:
            cursor: str | None = get_fact(connection, "cursor")
            return cursor

    def set_cursor(self, cursor: str) -> None:
        with self._store.write() as connection:
            put_fact(connection, "cursor", cursor)

    def baseline(self) -> Baseline | None:
        with self._store.read() as connection:
            fact = get_fact(connection, "baseline")
        if fact is None:
            return None
        return Baseline(datetime.fromisoformat(fact["taken_at"]), instant(fact["newest"]))

    def set_baseline(self, baseline: Baseline) -> None:
        newest = baseline.newest and baseline.newest.isoformat()
        with self._store.write() as connection:
            put_fact(connection, "baseline", {"taken_at": baseline.taken_at.isoformat(), "newest": newest})

    def record_poll(
        self,
        now: datetime,
        error: str | None,
        *,
        kind: str = "incremental",
        rows: int = 0,
        changes: int = 0,
        read: bool = False,
    ) -> None:
        """Note how the last poll went; `error` None: well. `rows` it read, and so many `changes` it found. `read`: what
        the shop shows was read to its end all the same."""
        with self._store.write() as connection:
            before = get_fact(connection, "source") or {}
            ended = {**before, "last_poll_at": now.isoformat(), "last_error": error}
            if error is None or read:
                ended["last_success_at"] = now.isoformat()
            ended["consecutive_failures"] = 0 if error is None else before.get("consecutive_failures", 0) + 1
            put_fact(connection, "source", ended)
            poll = {"at": now.isoformat(), "kind": kind, "rows": rows, "changes": changes, "error": error}
            put_fact(connection, "polls", [poll, *(get_fact(connection, "polls") or [])][:POLLS_KEPT])

    def load(self, order_ids: Iterable[str]) -> Mapping[str, Seen]:
        with self._store.read() as connection:
            return load(connection, order_ids)

    @contextmanager
    def staging(self) -> Iterator[StagingTransaction]:
        with self._store.write() as connection:
            yield StagingTransaction(connection)

    def set_key_definition(self, definition: str) -> None:
        """What the shop's own keys of orders are from now on, in whatever words. If they were something else, those
        that are kept are forgotten, and polls learn them anew: a key that was one order's may be another's now, and all
        orders would be taken for renumbered ones."""
        with self._store.read() as connection:
            known = get_fact(connection, "keys")
        if known == definition:
            return
        while known is not None and self._forget_some_keys():
            pass
        with self._store.write() as connection:
            put_fact(connection, "keys", definition)

    def _forget_some_keys(self) -> int:
        """Of some orders at a time, so that a million of them hold up nobody; returns of how many. What full compares
        noted goes too: else they would not look at orders that are otherwise as they were."""
        with self._store.write() as connection:
            connection.execute(update(segments).where(segments.c.digest.is_not(None)).values(digest=None))
            return sum(
                connection.execute(
                    update(table)
                    .where(number.in_(select(number).where(table.c.shop_id.is_not(None)).limit(KEYS_AT_ONCE)))
                    .values(shop_id=None)
                ).rowcount
                for table, number in ((seen, seen.c.order_id), (cancellations, cancellations.c.id))
            )

    def numbers_by_shop_id(self, shop_ids: Iterable[str]) -> Mapping[str, set[str]]:
        """The numbers of the tracked orders with these keys of the shop's: more than one where a reading showed so."""
        found: dict[str, set[str]] = {}
        with self._store.read() as connection:
            for some in in_chunks(map(clean, shop_ids)):
                known = select(seen.c.shop_id, seen.c.order_id).where(seen.c.shop_id.in_(some))
                for shop_id, order_id in connection.execute(known):
                    found.setdefault(shop_id, set()).add(order_id)
        return found

    def shop_ids(self, order_ids: Iterable[str]) -> Mapping[str, str]:
        """The shop's own keys of those of the orders whose key is known."""
        found: dict[str, str] = {}
        with self._store.read() as connection:
            for some in in_chunks(map(clean, order_ids)):
                known = select(seen.c.order_id, seen.c.shop_id).where(seen.c.order_id.in_(some))
                found |= {order_id: shop_id for order_id, shop_id in connection.execute(known) if shop_id}
        return found

    def orders_to_compare(self, now: datetime) -> list[str]:
        """See `pipeline.poll.PollState`."""
        answered = (cancellations.c.answered_again, cancellations.c.order_id.is_not(None))
        orders = select(cancellations.c.order_id).where(*answered).distinct().limit(LOOKED_AT_ONCE)
        unpaid = (
            select(seen.c.order_id)
            .where(seen.c.unpaid_since > LOOKED_FOR, seen.c.unpaid_since != now)
            .limit(LOOKED_AT_ONCE)
        )
        with self._store.read() as connection:
            found = [*connection.execute(orders).scalars(), *connection.execute(unpaid).scalars()]
        return [*dict.fromkeys(found)]

    def orders_compared(self, order_ids: Collection[str], now: datetime) -> None:
        """The poll of `now` compared these orders with what they are in the shop. One that it did not find there is not
        looked for again; once it is seen unpaid again, that is told."""
        with self._store.write() as connection:
            for some in in_chunks(order_ids):
                these = update(cancellations).where(cancellations.c.order_id.in_(some), cancellations.c.answered_again)
                connection.execute(these.values(answered_again=False))
                unpaid = (seen.c.unpaid_since.is_not(None), seen.c.unpaid_since != now)
                waiting = update(seen).where(seen.c.order_id.in_(some), *unpaid)
                connection.execute(waiting.values(unpaid_since=LOOKED_FOR))

    def tracked(self) -> int:
        with self._store.read() as connection:
            return get_fact(connection, "tracked") or 0

    def start_compare(self) -> int:
        with self._store.write() as connection:
            connection.execute(delete(segments).where(segments.c.digest.is_(None)))
            return add_to_fact(connection, "compare", 1)

    def column_sources(self) -> Mapping[str, str] | None:
        with self._store.read() as connection:
            columns: Mapping[str, str] | None = get_fact(connection, "columns")
            return columns

    def set_column_sources(self, definitions: Mapping[str, str]) -> None:
        with self._store.write() as connection:
            put_fact(connection, "columns", {**definitions})

    def digests(self, keys: Sequence[int] | None = None) -> Mapping[int, tuple[bytes, int]]:
        known = select(segments.c.segment, segments.c.digest, segments.c.orders).where(segments.c.digest.is_not(None))
        if keys is not None:
            known = known.where(segments.c.segment.in_(keys))
        with self._store.read() as connection:
            return {key: (digest, orders) for key, digest, orders in connection.execute(known)}

    def confirm_segments(self, keys: Sequence[int], compare: int) -> None:
        with self._store.write() as connection:
            confirmed = update(segments).where(segments.c.segment.in_(keys)).values(confirmed_in=compare)
            connection.execute(confirmed)

    def replace_segment(
        self, key: int, order_ids: Sequence[str], digest: bytes | None, compare: int, since: datetime
    ) -> None:
        with self._store.write() as connection:
            if digest is not None and being_cancelled(connection, order_ids, since):
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
        with self._store.read() as connection:
            return [*connection.execute(select(seen.c.order_id).where(_unseen(compare)).limit(limit)).scalars()]

    def mark_missing(self, compare: int, now: datetime) -> int | None:
        with self._store.write() as connection:
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

    def clear_refused_missing(self) -> None:
        with self._store.read() as connection:
            if not (refused_missing(all_facts(connection)) or get_fact(connection, "accepted_missing")):
                return
        with self._store.write() as connection:
            _forget_refusal(connection)

    def is_counting(self) -> bool:
        with self._store.read() as connection:
            return _held(connection, "counting") > 0

    def settle(self, max_changes: int, now: datetime) -> int:
        with self._store.read() as connection:
            if not _held(connection, "counting"):
                return 0
        with self._store.write() as connection:
            counted = _held(connection, "counting")
            if max_changes and counted > max_changes:
                connection.execute(update(changes).where(held_as("counting")).values(hold="guard"))
                return counted
            let_go(connection, now, "counting")
            return 0

    def resolve_unlisted(
        self, verdict: Callable[[str], Literal["push", "skip", "hold"]], max_changes: int, now: datetime
    ) -> None:
        with self._store.read() as connection:
            if all(verdict(status) == "hold" for status in _unlisted(connection)):
                return
        with self._store.write() as connection:
            statuses = _unlisted(connection)
            for skipped in in_chunks(status for status in statuses if verdict(status) == "skip"):
                end(connection, "discarded", now, held_as("status"), changes.c.status.in_(skipped))
            pushed = [status for status in statuses if verdict(status) == "push"]
            tripped = max_changes and sum(statuses[status] for status in pushed) > max_changes
            for some in in_chunks(pushed):
                listed = changes.c.status.in_(some)
                if tripped:
                    connection.execute(update(changes).where(held_as("status"), listed).values(hold="guard"))
                else:
                    let_go(connection, now, "status", listed)


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


def _held(connection: Connection, hold: Hold) -> int:
    return connection.execute(select(func.count()).select_from(changes).where(held_as(hold))).scalar_one()


def _unlisted(connection: Connection) -> dict[str, int]:
    """How many changes wait for each status to be listed."""
    counts = select(changes.c.status, func.count()).where(held_as("status")).group_by(changes.c.status)
    return dict(connection.execute(counts).all())
