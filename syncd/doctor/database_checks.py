"""The shop's database: whether polls work, how well, and what they would make of its orders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import partial

from syncd.doctor.cancel_checks import keys_of_two
from syncd.doctor.clock_checks import PollHistory, clock_difference, replication_finding, time_precision, zone_findings
from syncd.doctor.database_inspection import DatabaseInspection, RowProblems
from syncd.doctor.findings import Check, Finding, ok, push_preview, warning
from syncd.doctor.planner import IndexUse
from syncd.model import Push
from syncd.pipeline.statuses_file import Statuses
from syncd.sources import DatabaseSource
from syncd.sources.columns import CURSORS, KNOWN
from syncd.sources.timestamps import is_zero_date, looks_like

SAMPLES = 3
KEYS_COMPARED = 1000
EXAMPLES = 3
UNTIMED = "Have the shop set it; until then only the full compare (SYNCD_POLL__RECONCILE) finds what changes there"


class DatabaseChecks:
    """Each method is a check of its own and may raise SourceError. `body` writes the body of a push; `now` is this
    machine's clock; `index` makes the index that polls of this platform want; `observed` is what polls found lately."""

    def __init__(
        self,
        shop: DatabaseSource,
        statuses: Statuses,
        body: Callable[[Push], bytes],
        now: Callable[[], datetime],
        index: str | None = None,
        observed: Callable[[], PollHistory] = PollHistory,
        inspect: Callable[[DatabaseSource], DatabaseInspection] = DatabaseInspection.of,
    ) -> None:
        self._index = index
        self._observed = observed
        self._shop = shop
        self._inspect = partial(inspect, shop)
        self._statuses = statuses
        self._body = body
        self._now = now

    def checks(self) -> Sequence[Check]:
        return (
            Check("source", "Does the query run?", self.columns),
            Check("source", "Can its rows be read?", self.rows),
            Check("source", "Does every order say when it changed?", self.times),
            Check("source", "Which orders changed last?", self.samples),
            Check("source", "What time is it there?", self.clock),
            Check("source", "Is the database a replica?", self.replica),
            Check("source", "Do polls go by an index?", self.index),
            Check("source", "May the login write?", self.login),
        )

    def columns(self) -> Iterator[Finding]:
        """Does the query run, and which of its columns are used?"""
        columns = self._shop.columns()
        yield ok("source", f"{self._inspect().database}: the query gives {', '.join(columns.used)}")
        there = {*columns.used, *columns.ignored} | ({*CURSORS} if self._shop.has_cursor() else {"sequence"})
        unused = [name for name in KNOWN if name not in there]
        if unused:
            yield ok("source", f"what it might give too: {', '.join(unused)}")
        yield from (_ignored(name, columns.used) for name in columns.ignored)
        if "paid" in columns.used and "payment_id" not in columns.used:
            advice = "Give the query a column payment_id: paid without one is not sent"
            yield warning("source", "payments cannot be told: there is a column paid, but no payment_id", advice)
        if not self._shop.has_cursor():
            advice = "If the shop keeps the time of an order's last change, have the query give it as updated_at"
            yield warning("source", "without a column updated_at every poll reads and compares all orders", advice)

    def samples(self) -> Iterator[Finding]:
        """Which orders changed last, and how would they be pushed?"""
        newest = self._inspect().newest()
        for row in newest.rows[:SAMPLES]:
            yield push_preview(row, self._statuses, self._body, self._now())
        if newest.times:
            yield time_precision(newest)
            yield from zone_findings(newest, self._shop.now(), self._shop.timezone, self._observed())
        if self._shop.gives("shop_id"):
            yield from keys_of_two(self._shop.sample(KEYS_COMPARED).orders)

    def rows(self) -> Iterator[Finding]:
        """Can its rows be read?"""
        look = self._inspect().row_problems()
        if not look.rows:
            advice = "See that the query names the right tables and conditions; then this is right for an empty shop"
            yield warning("source", "the query gives no rows", advice)
            return
        faults = [*row_findings(look, self._inspect().as_time)]
        yield from faults
        if not faults:
            yield ok("source", f"all of the {look.rows} rows looked at can be read")

    def times(self) -> Iterator[Finding]:
        """Does every order say when it changed?"""
        inspection = self._inspect()
        if not inspection.goes_by_time:
            return
        untimed = inspection.rows_without_time(EXAMPLES + 1)
        if untimed.nulls:
            yield warning("source", f"orders have NULL as updated_at: {_few(untimed.nulls)}", UNTIMED)
        else:
            yield ok("source", "no order has NULL as updated_at")
        for value, ids in untimed.written.items():
            what = f"an updated_at that cannot be read: {value}" if is_zero_date(value) else f"{value} as updated_at"
            text = f"orders have {what}, which is not NULL, but no time either: {_few(ids)}"
            yield warning("source", text, UNTIMED)

    def clock(self) -> Iterator[Finding]:
        """What time is it there?"""
        before = self._now()
        there = self._shop.now()
        yield clock_difference(there - (before + (self._now() - before) / 2))

    def replica(self) -> Iterator[Finding]:
        """Is the database a replica?"""
        if found := replication_finding(self._inspect().replication()):
            yield found

    def index(self) -> Iterator[Finding]:
        """Do polls go by an index?"""
        if not self._shop.has_cursor():
            return
        plan = self._inspect().index_use()
        if plan is None:
            yield ok("source", "cannot tell on this kind of database whether there is an index for what polls go by")
            return
        cursor = "sequence" if "sequence" in self._shop.columns().used else "updated_at"
        yield index_finding(plan, cursor, self._index, lambda: self._inspect().is_small())

    def login(self) -> Iterator[Finding]:
        """May the login write?"""
        may = self._inspect().may_write()
        if may is None:
            yield ok("source", "cannot tell on this kind of database whether the login may write; syncd never does")
        elif may:
            advice = "syncd never writes there; to be safe from mistakes, give it a login that may only read"
            yield warning("source", f"the login may {_few(may)}", advice)
        else:
            yield ok("source", "the login may only read, as far as can be told")

    def close(self) -> None:
        self._shop.close()


def index_finding(plan: IndexUse, cursor: str, preset_index: str | None, is_small: Callable[[], bool]) -> Finding:
    """Whether polls find what changed by an index, and what makes one. `preset_index`: what is known to make it on this
    platform."""
    found = plan.origin
    column = f"{found.table.written} ({found.column})" if found else ""
    if plan.by_index:
        return ok("source", f"polls find what changed by an index{f' on {column}' if column else ''}")
    holds_none = found is not None and plan.index is None
    if plan.depends_on_size and not holds_none and is_small():
        there = f"; {plan.index} is there, on {column}" if plan.index else ""
        return ok("source", f"too few rows to tell whether polls find what changed by an index{there}")
    if plan.by_index is None:
        return ok("source", f"cannot tell from the database's plan whether polls find {cursor} by an index")
    create = preset_index or (plan.create if holds_none else None)
    rows = f" ({plan.rows:,} rows or so)" if plan.rows else ""
    whole = f"every poll reads all of {found.table.written}{rows}" if found else "every poll reads all orders"
    if create:
        what = f"no index leads to {column}, the column behind {cursor}" if found else f"no index leads to {cursor}"
        return warning("source", f"{whole}: {what}", f"Have one made: {create};")
    if plan.index:
        advice = "See that the query compares that column with nothing but :since, and have its statistics renewed"
        return warning("source", f"{whole}, though {plan.index} is an index with {column}: it is not used", advice)
    advice = "Have the query give a column as it is, with an index on it; a generated column can hold what is computed"
    return warning("source", f"{whole}: {cursor} is no column of one table, and no index leads to it", advice)


def _ignored(name: str, used: Collection[str]) -> Finding:
    if name == "tracking_number":
        if "tracking_url" in used:
            return ok("source", "of the columns tracking_url and tracking_number the first is used")
        advice = "Set SYNCD_SOURCE__TRACKING_TEMPLATE, or give the whole URL as tracking_url"
        return warning("source", "the column tracking_number is not used: nothing says how to make a URL of it", advice)
    near = get_close_matches(name, KNOWN, 1, cutoff=0.75)
    if near:
        return warning("source", f"the column {name} is ignored", f"If it is meant to be {near[0]}, name it so")
    return ok("source", f"the column {name} is ignored")


def row_findings(look: RowProblems, as_time: Callable[[str], str | None] = lambda _form: None) -> Iterator[Finding]:
    """What is wrong with some of the rows. `as_time`: how an updated_at of a certain form can be made a time."""
    among = f"of {look.rows} rows looked at,"
    if look.skipped:
        text = f"{among} {len(look.skipped)} cannot be read: {_few([row.detail for row in look.skipped])}"
        yield warning("source", text, "Polls skip them; mend them, or leave them out of the query")
    for field in dict.fromkeys(one.field for one in look.dropped):
        details = [one.detail for one in look.dropped if one.field == field]
        text = f"{among} {len(details)} have a {field} that cannot be read: {_few(details)}"
        yield warning("source", text, f"Polls leave the {field} out; let the query or the field's path give one text")
    forms = [looks_like(one) for one in look.unreadable_times]
    for form in dict.fromkeys(forms):
        bad = [one for one, its_form in zip(look.unreadable_times, forms, strict=True) if its_form == form]
        text = f"{among} {len(bad)} have an updated_at that cannot be read: {_few(bad)}"
        if form == "zero date":
            yield warning("source", text, UNTIMED)
        elif form is None:
            yield warning("source", text, "Have it given as a time: text such as 2026-11-29 18:30:00, or unix time")
        else:
            written = as_time(form)
            advice = f"Have it given as a time{': ' if written else ', as text or unix time'}{written or ''}"
            yield warning("source", f"{text}: it looks like a {form}, and is no unix time", advice)


def _few(texts: Sequence[str]) -> str:
    return "; ".join(texts[:EXAMPLES]) + ("; …" if len(texts) > EXAMPLES else "")
