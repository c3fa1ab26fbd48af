"""The shop's database: whether polls work, how well, and how they would read its orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import partial

from syncd.doctor.clock_checks import PollHistory, clock_difference, replication_finding, time_precision, zone_findings
from syncd.doctor.database_inspection import DatabaseInspection
from syncd.doctor.findings import Check, Finding, ok, warning
from syncd.doctor.order_checks import EXAMPLES, SAMPLES, SET_THE_TIME, few, push_preview, row_findings, shared_keys
from syncd.doctor.planner import IndexUse
from syncd.model import Push
from syncd.pipeline.statuses_file import Statuses
from syncd.sources.columns import CURSORS, KNOWN
from syncd.sources.database import DatabaseSource
from syncd.sources.timestamps import is_zero_date

KEYS_COMPARED = 1000


class DatabaseChecks:
    """Each method is a check of its own and may raise SourceError.

    body       writes the body of a push
    now        this machine's clock
    index      a statement that creates the index for polls of this platform, from its preset
    history    what polls found lately
    inspect    how the database is asked; a test may answer instead
    """

    def __init__(
        self,
        source: DatabaseSource,
        statuses: Statuses,
        body: Callable[[Push], bytes],
        now: Callable[[], datetime],
        index: str | None = None,
        history: Callable[[], PollHistory] = PollHistory,
        inspect: Callable[[DatabaseSource], DatabaseInspection] = DatabaseInspection.of,
    ) -> None:
        self._source = source
        self._statuses = statuses
        self._body = body
        self._now = now
        self._index = index
        self._history = history
        self._inspect = partial(inspect, source)

    def checks(self) -> Sequence[Check]:
        return (
            Check("source", "Does the query run?", self.columns),
            Check("source", "Can its rows be read?", self.rows),
            Check("source", "Does every order say when it changed?", self.times),
            Check("source", "Which orders changed last?", self.samples),
            Check("source", "What time is it there?", self.clock),
            Check("source", "Is the database a replica?", self.replica),
            Check("source", "Do polls use an index?", self.index),
            Check("source", "May the login write?", self.login),
        )

    def columns(self) -> Iterator[Finding]:
        """Does the query run, and which of its columns are used?"""
        columns = self._source.columns()
        yield ok("source", f"{self._inspect().database}: the query gives {', '.join(columns.used)}")
        given = {*columns.used, *columns.ignored} | ({*CURSORS} if self._source.has_cursor() else {"sequence"})
        if unused := [name for name in KNOWN if name not in given]:
            yield ok("source", f"the query may also give {', '.join(unused)}")
        for name in columns.ignored:
            near = get_close_matches(name, KNOWN, 1, cutoff=0.75)
            if name == "tracking_number" and "tracking_url" in columns.used:
                yield ok("source", "of the columns tracking_url and tracking_number the first is used")
            elif name == "tracking_number":
                text = "the column tracking_number is not used: no setting says how to make a URL of it"
                advice = "Set SYNCD_SOURCE__TRACKING_TEMPLATE, or give the whole URL as tracking_url"
                yield warning("source", text, advice)
            elif near:
                yield warning("source", f"the column {name} is ignored", f"If {near[0]} is meant, give it that name")
            else:
                yield ok("source", f"the column {name} is ignored")
        if "paid" in columns.used and "payment_id" not in columns.used:
            advice = "Give the query a column payment_id: paid without one is not sent"
            yield warning("source", "payments cannot be pushed: there is a column paid, but no payment_id", advice)
        if not self._source.has_cursor():
            advice = "If the shop keeps the time of an order's last change, have the query give it as updated_at"
            yield warning("source", "without a column updated_at every poll reads and compares all orders", advice)

    def rows(self) -> Iterator[Finding]:
        """Can its rows be read?"""
        problems = self._inspect().row_problems()
        if not problems.rows:
            advice = "Check that the query names the right tables and conditions. In an empty shop this is right"
            yield warning("source", "the query gives no rows", advice)
            return
        findings = [*row_findings(problems, self._inspect().as_time)]
        yield from findings or [ok("source", f"all of the {problems.rows} rows read can be used")]

    def times(self) -> Iterator[Finding]:
        """Does every order say when it changed?"""
        inspection = self._inspect()
        if not inspection.goes_by_time:
            return
        found = inspection.rows_without_time(EXAMPLES + 1)
        if found.nulls:
            yield warning("source", f"orders have NULL as updated_at: {few(found.nulls)}", SET_THE_TIME)
        else:
            yield ok("source", "no order has NULL as updated_at")
        for value, ids in found.never.items():
            what = f"an updated_at that cannot be read: {value}" if is_zero_date(value) else f"{value} as updated_at"
            yield warning("source", f"orders have {what}, which is neither NULL nor a time: {few(ids)}", SET_THE_TIME)
        if two_ways := inspection.times_written_in_two_ways():
            one, another = two_ways
            what = f"updated_at is written in different ways, {one} and {another}, which do not sort as times do"
            advice = "Have the query give all of them in one way; until then polls overlook some of what changes"
            yield warning("source", what, advice)

    def samples(self) -> Iterator[Finding]:
        """Which orders changed last, and how would they be pushed?"""
        newest = self._inspect().newest()
        for row in newest.rows[:SAMPLES]:
            yield push_preview(row, self._statuses, self._body, self._now())
        if newest.times:
            yield time_precision(newest)
            yield from zone_findings(newest, self._source.now(), self._source.timezone, self._history())
        if self._source.gives("shop_id"):
            yield from shared_keys(self._source.sample(KEYS_COMPARED).orders)

    def clock(self) -> Iterator[Finding]:
        """What time is it there? The question takes a while; the clock there is compared with the middle of it."""
        before = self._now()
        there = self._source.now()
        yield clock_difference(there - (before + (self._now() - before) / 2))

    def replica(self) -> Iterator[Finding]:
        """Is the database a replica?"""
        if found := replication_finding(self._inspect().replication()):
            yield found

    def index(self) -> Iterator[Finding]:
        """Do polls use an index?"""
        if not self._source.has_cursor():
            return
        use = self._inspect().index_use()
        if use is None:
            yield ok("source", "cannot tell on this kind of database whether polls use an index")
            return
        cursor = "sequence" if self._source.gives("sequence") else "updated_at"
        yield index_finding(use, cursor, self._index, lambda: self._inspect().is_small())

    def login(self) -> Iterator[Finding]:
        """May the login write?"""
        privileges = self._inspect().write_privileges()
        if privileges is None:
            yield ok("source", "cannot tell on this kind of database whether the login may write; syncd never does")
        elif privileges:
            advice = "syncd never writes there. As a safeguard, give it a login that may only read"
            yield warning("source", f"the login {few(privileges)}", advice)
        else:
            yield ok("source", "the login may only read, as far as can be told")

    def close(self) -> None:
        self._source.close()


def index_finding(use: IndexUse, cursor: str, preset_index: str | None, is_small: Callable[[], bool]) -> Finding:
    """Whether polls find what changed by an index, and what creates one. `cursor`: the name of the column that polls
    go by. `preset_index`: the statement that creates the index on this platform, where it is known."""
    origin = use.origin
    column = f"{origin.table.written} ({origin.column})" if origin else ""
    if use.by_index:
        return ok("source", f"polls find what changed by an index{f' on {column}' if column else ''}")
    has_no_index = origin is not None and use.index is None
    if use.depends_on_size and not has_no_index and is_small():
        there = f"; {use.index} is there, on {column}" if use.index else ""
        return ok("source", f"too few rows to tell whether polls find what changed by an index{there}")
    if use.by_index is None:
        return ok("source", f"cannot tell from the database's plan whether polls find {cursor} by an index")
    rows = f" (about {use.rows:,} rows)" if use.rows else ""
    reads_all = f"every poll reads all of {origin.table.written}{rows}" if origin else "every poll reads all orders"
    if create := preset_index or (use.create if has_no_index else None):
        what = f"{column}, the column that {cursor} comes from, has no index" if origin else f"{cursor} has no index"
        return warning("source", f"{reads_all}: {what}", f"Create one: {create};")
    if use.index:
        text = f"{reads_all}, though {use.index} is an index with {column}: it is not used"
        advice = "Check that the query compares that column with nothing but :since, and have its statistics renewed"
        return warning("source", text, advice)
    text = f"{reads_all}: {cursor} is not a column of one table, so no index is used"
    advice = "Have the query give a column unchanged, with an index on it; a generated column can hold a computed value"
    return warning("source", text, advice)
