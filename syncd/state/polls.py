"""What polling keeps: the cursor, what was seen of orders, how full compares went, and changes held until a poll's end.

A poll stages its pages (`staging`, see `syncd.state.seen`); a full compare also notes digests of segments of orders
(`syncd.state.stored_segments`), so that the next one need not look at what did not change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, select, update

from syncd.model import NO_ODD_ROWS, Baseline, FormedSegment, Hold, OddRows, Recorded, Seen
from syncd.state import missing, stored_segments
from syncd.state.read_models import PollView
from syncd.state.schema import cancellations, changes, clean, held_as, one_of, seen
from syncd.state.seen import StagingTransaction, being_cancelled, load, recorded
from syncd.state.store import Store, add_to_fact, all_facts, get_fact, instant, put_fact
from syncd.state.transitions import end_changes, release_held

POLLS_KEPT = 10
COMPARED_AT_ONCE = 100
"""Orders that a poll compares whatever the cursor says."""
NOT_FOUND = datetime(1970, 1, 1, tzinfo=UTC)
"""In `seen.unpaid_since`: the order's payment was taken back, and the shop did not show the order when it was looked
for."""
KEYS_AT_ONCE = 10_000
NO_CANCELLATION_TAKES = timedelta(minutes=5)
"""Far longer than the settings allow."""


class StoredPolls:
    """See `pipeline.poll.PollState` and the Protocols that it extends for the contracts of the methods.

    Methods that seldom have anything to write look in a reading transaction first: a writing one locks out others.
    """

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
        seconds: float | None = None,
        odd_rows: OddRows = NO_ODD_ROWS,
    ) -> None:
        """Note how a poll went. `error` None: well. `rows`: how many it read. `changes`: how many it found. `read`: the
        shop was read to the end despite the error. `seconds`: how long it took. `odd_rows`: those of this poll."""
        with self._store.write() as connection:
            before = get_fact(connection, "source") or {}
            ended = {**before, "last_poll_at": now.isoformat(), "last_error": error}
            if error is None or read:
                ended["last_success_at"] = now.isoformat()
                known = odd_rows_of(before).after(odd_rows, full=kind == "full")
                ended["odd_rows"] = {**asdict(known), "ahead_by": known.ahead_by.total_seconds()}
            ended["consecutive_failures"] = 0 if error is None else before.get("consecutive_failures", 0) + 1
            # Not in "polls": an older daemon that runs beside this one knows all that is there, and no more.
            took = [{"at": now.isoformat(), "seconds": seconds and round(seconds, 3)}, *before.get("took", [])]
            put_fact(connection, "source", {**ended, "took": took[:POLLS_KEPT]})
            poll = {"at": now.isoformat(), "kind": kind, "rows": rows, "changes": changes, "error": error}
            put_fact(connection, "polls", [poll, *(get_fact(connection, "polls") or [])][:POLLS_KEPT])

    def date_back_cancellations(self, now: datetime) -> None:
        decided_later = cancellations.c.decided_at >= now
        endless = (cancellations.c.state == "received") & (cancellations.c.claimed_until > now + NO_CANCELLATION_TAKES)
        with self._store.read() as connection:
            if not connection.execute(select(cancellations.c.id).where(decided_later | endless).limit(1)).first():
                return
        before = now - timedelta(microseconds=1)
        with self._store.write() as connection:
            connection.execute(update(cancellations).where(decided_later).values(decided_at=before))
            connection.execute(update(cancellations).where(endless).values(claimed_until=before))

    def has_failed(self) -> bool:
        with self._store.read() as connection:
            return bool((get_fact(connection, "source") or {}).get("consecutive_failures"))

    def column_sources(self) -> Mapping[str, str] | None:
        with self._store.read() as connection:
            columns: Mapping[str, str] | None = get_fact(connection, "columns")
            return columns

    def set_column_sources(self, definitions: Mapping[str, str]) -> None:
        with self._store.write() as connection:
            put_fact(connection, "columns", {**definitions})

    def set_key_definition(self, definition: str) -> None:
        """Note what the shop's own keys of orders are, as an opaque text. If it changed, the stored keys are forgotten,
        and polls learn them anew: an old key may belong to another order now, and all orders would be taken for
        renumbered ones."""
        with self._store.read() as connection:
            known = get_fact(connection, "keys")
        if known == definition:
            return
        while known is not None and self._forget_some_keys():
            pass
        with self._store.write() as connection:
            put_fact(connection, "keys", definition)

    def _forget_some_keys(self) -> int:
        """Forget the keys of some orders, so that other writers need not wait for a million of them; returns of how
        many. The digests go too: full compares would not look at orders that are otherwise unchanged."""
        with self._store.write() as connection:
            stored_segments.drop_digests(connection)
            return sum(
                connection.execute(
                    update(table)
                    .where(number.in_(select(number).where(table.c.shop_id.is_not(None)).limit(KEYS_AT_ONCE)))
                    .values(shop_id=None)
                ).rowcount
                for table, number in ((seen, seen.c.order_id), (cancellations, cancellations.c.id))
            )

    def numbers_by_shop_id(self, shop_ids: Iterable[str]) -> Mapping[str, set[str]]:
        """The numbers of the tracked orders with these keys. One key has several numbers if the shop showed it so."""
        found: dict[str, set[str]] = {}
        with self._store.read() as connection:
            known = select(seen.c.shop_id, seen.c.order_id).where(one_of(seen.c.shop_id, map(clean, shop_ids)))
            for shop_id, order_id in connection.execute(known):
                found.setdefault(shop_id, set()).add(order_id)
        return found

    def shop_ids(self, order_ids: Iterable[str]) -> Mapping[str, str]:
        """The shop's own keys of these orders, as far as they are known."""
        known = select(seen.c.order_id, seen.c.shop_id).where(one_of(seen.c.order_id, map(clean, order_ids)))
        with self._store.read() as connection:
            return {order_id: shop_id for order_id, shop_id in connection.execute(known) if shop_id}

    def tracked(self) -> int:
        with self._store.read() as connection:
            return get_fact(connection, "tracked") or 0

    def load(self, order_ids: Iterable[str]) -> Mapping[str, Seen]:
        with self._store.read() as connection:
            return load(connection, order_ids)

    @contextmanager
    def staging(self) -> Iterator[StagingTransaction]:
        with self._store.write() as connection:
            yield StagingTransaction(connection)

    def orders_to_compare(self, now: datetime) -> list[str]:
        answered = (cancellations.c.answered_again, cancellations.c.order_id.is_not(None))
        orders = select(cancellations.c.order_id).where(*answered).distinct().limit(COMPARED_AT_ONCE)
        unpaid = (
            select(seen.c.order_id)
            .where(seen.c.unpaid_since > NOT_FOUND, seen.c.unpaid_since != now)
            .limit(COMPARED_AT_ONCE)
        )
        with self._store.read() as connection:
            found = [*connection.execute(orders).scalars(), *connection.execute(unpaid).scalars()]
        return [*dict.fromkeys(found)]

    def orders_compared(self, order_ids: Collection[str], now: datetime) -> None:
        """The poll of `now` compared these orders with the shop. An order that it did not find there is not looked for
        again; if it is later seen unpaid again, IMSHOP is told."""
        with self._store.write() as connection:
            answered = (one_of(cancellations.c.order_id, order_ids), cancellations.c.answered_again)
            connection.execute(update(cancellations).where(*answered).values(answered_again=False))
            unpaid = (seen.c.unpaid_since.is_not(None), seen.c.unpaid_since != now)
            waiting = update(seen).where(one_of(seen.c.order_id, order_ids), *unpaid)
            connection.execute(waiting.values(unpaid_since=NOT_FOUND))

    def recorded(self, order_ids: Iterable[str]) -> Mapping[str, Recorded]:
        with self._store.read() as connection:
            return recorded(connection, order_ids)

    def seen_in(self, order_ids: Iterable[str], compare: int) -> Collection[str]:
        asked = {clean(order_id): order_id for order_id in order_ids}
        these = select(seen.c.order_id).where(one_of(seen.c.order_id, asked), seen.c.compared_in == compare)
        with self._store.read() as connection:
            return {asked[order_id] for order_id in connection.execute(these).scalars()}

    def start_compare(self) -> int:
        with self._store.write() as connection:
            compare = add_to_fact(connection, "compare", 1)
            stored_segments.drop_unmet(connection, compare - 1)
            return compare

    def digests(self, keys: Sequence[int] | None = None) -> Mapping[int, tuple[bytes, int]]:
        with self._store.read() as connection:
            return stored_segments.digests(connection, keys)

    def confirm_segments(self, keys: Sequence[int], compare: int) -> None:
        with self._store.write() as connection:
            stored_segments.confirm(connection, keys, compare)

    def replace_segments(self, formed: Sequence[FormedSegment], compare: int, since: datetime) -> None:
        with self._store.write() as connection:
            cancelled = being_cancelled(connection, (order_id for segment in formed for order_id in segment.all), since)
            stored_segments.replace(connection, formed, compare, cancelled)

    def unseen(self, compare: int, limit: int) -> Sequence[str]:
        with self._store.read() as connection:
            some = select(seen.c.order_id).where(missing.unseen_in(compare)).limit(limit)
            return connection.execute(some).scalars().all()

    def mark_missing(self, compare: int, now: datetime) -> int | None:
        with self._store.write() as connection:
            return missing.mark_unseen(connection, compare, now)

    def clear_refused_missing(self) -> None:
        with self._store.read() as connection:
            if not (missing.refused(all_facts(connection)) or get_fact(connection, "accepted_missing")):
                return
        with self._store.write() as connection:
            missing.clear_refusal(connection)

    def is_counting(self) -> bool:
        with self._store.read() as connection:
            return _held(connection, "counting") > 0

    def release_or_hold(self, max_changes: int, now: datetime) -> int:
        with self._store.read() as connection:
            if not _held(connection, "counting"):
                return 0
        with self._store.write() as connection:
            counted = _held(connection, "counting")
            if max_changes and counted > max_changes:
                connection.execute(update(changes).where(held_as("counting")).values(hold="guard"))
                return counted
            release_held(connection, now, "counting")
            return 0

    def resolve_unlisted(
        self, action: Callable[[str], Literal["push", "skip", "hold"]], max_changes: int, now: datetime
    ) -> None:
        with self._store.read() as connection:
            if all(action(status) == "hold" for status in unlisted(connection)):
                return
        with self._store.write() as connection:
            statuses = unlisted(connection)
            if skipped := [status for status in statuses if action(status) == "skip"]:
                end_changes(connection, "discarded", now, held_as("status"), one_of(changes.c.status, skipped))
            pushed = [status for status in statuses if action(status) == "push"]
            too_many = max_changes and sum(statuses[status] for status in pushed) > max_changes
            listed = one_of(changes.c.status, pushed)
            if too_many:
                connection.execute(update(changes).where(held_as("status"), listed).values(hold="guard"))
            elif pushed:
                release_held(connection, now, "status", listed)


def _held(connection: Connection, hold: Hold) -> int:
    return connection.execute(select(func.count()).select_from(changes).where(held_as(hold))).scalar_one()


def polls_of(facts: Mapping[str, Any]) -> Sequence[PollView]:
    took = {poll["at"]: poll["seconds"] for poll in facts.get("source", {}).get("took", ())}
    polls = facts.get("polls") or ()
    return tuple(
        PollView(**{**poll, "at": datetime.fromisoformat(poll["at"])}, seconds=took.get(poll["at"])) for poll in polls
    )


def odd_rows_of(fact: Mapping[str, Any]) -> OddRows:
    """What the fact "source" says of them."""
    known = fact.get("odd_rows")
    if known is None:
        return NO_ODD_ROWS
    return OddRows(
        **{**known, "order_ids": tuple(known["order_ids"]), "ahead_by": timedelta(seconds=known["ahead_by"])}
    )


def unlisted(connection: Connection) -> dict[str, int]:
    """How many changes are held because their status is not in the statuses file, by status."""
    counts = select(changes.c.status, func.count()).where(held_as("status")).group_by(changes.c.status)
    return dict(connection.execute(counts).all())
