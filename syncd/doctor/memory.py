"""The state: whether a daemon could work with it, and what waits in it for an operator."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

from syncd.doctor.finding import Finding, fault, ok, warning
from syncd.doctor.timing import Observations, Observed
from syncd.errors import StateError
from syncd.state import State, Summary, open_state
from syncd.state.look import Look, damage, look, state_file
from syncd.state.views import ChangeView

QUICK_CHECK_SECONDS = 6.0
CHANGES_LOOKED_AT = 500


def examine_state(url: str, redact: Callable[[str], str]) -> Iterator[Finding]:
    """What is there, whether it can be written, and whether a daemon runs on it. Nothing is made or upgraded."""
    file = state_file(url)
    found = look(url, redact)
    yield from _standing(found, str(file.absolute() if file else found.place))
    if file:
        yield from _permissions(file)
    if found.standing == "current":
        with closing(open_state(url, redact=redact, create=False)) as state:
            yield _daemon(state)
            yield from _waiting(state.summary())


def examine_file(url: str, redact: Callable[[str], str]) -> Iterator[Finding]:
    """Whether a SQLite state is sound."""
    file = state_file(url)
    if file is None or not file.exists():
        return
    try:
        found = damage(url, redact, QUICK_CHECK_SECONDS)
    except TimeoutError:
        yield ok("state", f"{file} is too large to be checked for damage within {QUICK_CHECK_SECONDS:g} s")
        return
    if found:
        advice = "Restore a backup, or move the file away to start over with a new baseline"
        yield fault("state", f"{file} is damaged: {found}", advice)
    else:
        yield ok("state", f"{file} is not damaged")


def daemon_runs(url: str, redact: Callable[[str], str]) -> bool:
    """Whether a daemon works with this state now. StateError."""
    if look(url, redact).standing != "current":
        return False
    with closing(open_state(url, redact=redact, create=False)) as state:
        return state.lease().holder() is not None


def observations(url: str, redact: Callable[[str], str], interval: timedelta) -> Observations:
    """The last changes that polls found by what the shop says of their time. None where the state cannot be read: that
    is told elsewhere."""
    with suppress(StateError):
        if look(url, redact).standing == "current":
            with closing(open_state(url, redact=redact, create=False)) as state:
                return Observations([*_by_cursor(state.changes(limit=CHANGES_LOOKED_AT))], interval)
    return Observations()


def _by_cursor(changes: Iterable[ChangeView]) -> Iterator[Observed]:
    for one in changes:
        if one.found_by == "cursor" and one.source_updated_at:
            yield Observed(one.order_id, one.detected_at, one.source_updated_at)


def _standing(found: Look, place: str) -> Iterator[Finding]:
    match found.standing:
        case "current":
            yield ok("state", f"{place} is there, and of this version")
        case "older":
            yield ok("state", f"{place} is there; the next start brings it up to this version")
        case "foreign":
            text = f"{place} holds the tables of another program, and syncd's would be added"
            yield warning("state", text, "Name a file or a database of its own in SYNCD_STATE__URL")
        case "absent":
            yield ok("state", f"{place} is not there yet; the first start makes it")
    if not found.may_create:
        yield fault("state", f"the login may not make tables in {place}", "Grant it CREATE on the schema")


def _permissions(file: Path) -> Iterator[Finding]:
    directory = file.absolute().parent
    if not directory.is_dir():
        yield fault("state", f"there is no directory {directory}", "Make it, and give it to syncd's user")
    elif not os.access(directory, os.W_OK | os.X_OK):
        yield fault("state", f"this user may not write in {directory}", "Give it to syncd's user")
    if not file.exists():
        return
    if not os.access(file, os.R_OK | os.W_OK):
        yield fault("state", f"this user may not read and write {file}", "Give it to syncd's user")
    elif file.stat().st_mode & 0o077:
        yield warning("state", f"other users may read {file}, and it holds orders", f"Run: chmod 600 {file}")


def _daemon(state: State) -> Finding:
    holder = state.lease().holder()
    return ok("state", f"a daemon works with it ({holder})" if holder else "no daemon works with it now")


def _waiting(summary: Summary) -> Iterator[Finding]:
    """What the state says about the work so far, and what of it needs a hand."""
    changes = summary.changes
    yield ok("state", f"{summary.tracked} orders are tracked, {changes['pending']} changes wait to be pushed")
    if failures := summary.source.consecutive_failures:
        why = (summary.source.last_error or "").rstrip(".")
        text = f"the last {failures} polls failed: {why}"
        yield warning("state", text, "If the source is well now, the next poll mends it")
    if summary.missing_refused:
        text = f"the last full compare missed {summary.missing_refused} orders, and forgot none of them"
        yield warning("state", text, "If they are really gone, run: syncd release")
    if summary.pause:
        text = f"delivery is paused ({summary.pause.reason}): {summary.pause.detail}"
        yield warning("state", text, "A running daemon tries again by itself")
    if held := changes["held"]:
        why = ", ".join(f"{count} by {reason}" for reason, count in summary.held.items())
        advice = "Look: syncd changes --state held. Then let them go (syncd release), or not (syncd discard --held)"
        yield warning("state", f"{held} changes are held ({why})", advice)
    if dead := changes["dead"]:
        advice = "Look: syncd changes --state dead. Then: syncd retry --all-dead, or syncd discard --all-dead"
        yield warning("state", f"{dead} changes are dead: IMSHOP was never told", advice)
