"""Whether statuses reach buyers, and what is in the way. Pure: all that is known comes in, reasons come out.

The status page, `syncd status`, /readyz, the line of `systemctl status`, notices, `syncd once --cron`, the doctor and
the metrics all say what `judge` finds. Red (`bad`): buyers are not told now. Amber (`warning`): a person is needed
soon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from shlex import quote

from syncd.pipeline.statuses_file import Statuses
from syncd.reasons import KINDS, Reason, ReasonKind, Severity, Verdict
from syncd.state import Recent, Summary
from syncd.symptoms import common_lag, mismatches, refusals, slow_polls, unusual_quiet, unusual_refusals, usual_interval

PAUSES = {
    "unauthorized": "Delivery is paused: IMSHOP does not accept the key",
    "unreachable": "Delivery is paused: IMSHOP cannot be reached",
    "tls": "Delivery is paused: no TLS connection to IMSHOP",
    "redirect": "Delivery is paused: IMSHOP's address has moved",
    "no_answer": "Delivery is paused: IMSHOP does not answer",
}
"""By the reason of the pause."""
_GOES_ON = "Run syncd check. Nothing is lost: the changes are sent once IMSHOP accepts them again"
_START = "Start it: sudo systemctl start syncd, or see that cron runs. If it runs, read its log: journalctl -u syncd"
REFUSALS_OF_A_NEW_SHOP = 5
"""So many refusals and no delivery are no accident."""
REFUSALS_SAY_NOW = timedelta(days=1)
"""What IMSHOP refused longer ago says little of what it would do now."""
LONGEST_COMPARE = timedelta(hours=2)
"""While a full compare reads a slow API, no poll ends."""
_AFTER_PAUSE = {
    "unauthorized": "Correct SYNCD_IMSHOP__API_KEY or SYNCD_IMSHOP__AUTH, then restart syncd",
    "redirect": "Correct SYNCD_IMSHOP__URL, then restart syncd",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long something lasts before it is told in a notice: a `fault`; a change that waits (`waiting`), which counts
    from then on only. `source`: from when on a shop that cannot be read is bad. `certificate`: how long before its
    end."""

    fault: timedelta = timedelta(minutes=5)
    waiting: timedelta = timedelta(minutes=15)
    source: timedelta = timedelta(minutes=10)
    certificate: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known.

    summary, recent   None: the state cannot be read, and `state_fault` says why
    state_fault       why the state cannot be read or written
    file_fault        why its file is not the one that the daemon works with
    faults            of the daemon itself, in sentences
    is_run            whether a daemon works with this state, as far as is known
    stands_by         which daemon polls and pushes instead of this one, in a sentence
    interval          from one poll to the next
    statuses          the statuses file, and its path
    other_settings    the daemon works with other settings than are written now
    """

    summary: Summary | None
    recent: Recent | None = None
    state_fault: str | None = None
    file_fault: str | None = None
    faults: Sequence[str] = ()
    is_run: bool = True
    stands_by: str | None = None
    interval: timedelta = timedelta(days=1)
    statuses: Statuses = field(default_factory=Statuses)
    statuses_file: str = "SYNCD_STATUSES__FILE"
    other_settings: bool = False


def unreadable(error: str) -> Verdict:
    """The state, and with it everything else, cannot be read."""
    return Verdict([*_of_state(Situation(None, state_fault=error), Patience())])


def judge(situation: Situation, now: datetime, patience: Patience | None = None) -> Verdict:
    """What is in the way now, that included which has not lasted long enough for a notice."""
    patience = patience or Patience()
    summary, recent = situation.summary, situation.recent or Recent()
    own = [*_of_state(situation, patience), *_of_daemon(situation)]
    if summary is None:
        return Verdict(own, frozenset(KINDS) - {"state", "daemon"})
    interval = situation.interval if situation.is_run else usual_interval(summary.polls, situation.interval)
    reasons = [
        *own,
        *_of_polls(summary, situation, interval, now, patience),
        *_of_delivery(summary, recent, now, patience),
        *_of_changes(summary, recent, situation),
        *_of_answers(recent, situation),
        *_of_rows(summary),
        *_of_times(summary, recent, interval),
        *_of_durations(summary, interval),
        *_of_certificate(summary, now, patience),
    ]
    order = ("bad", "warning", "good")
    return Verdict(sorted(reasons, key=lambda reason: order.index(reason.severity)), _unknown(reasons, summary, now))


def _unknown(reasons: Sequence[Reason], summary: Summary, now: datetime) -> frozenset[ReasonKind]:
    """The kinds that may be there behind another one, or that nobody looked for. That one of them is not among the
    reasons does not say that it is over."""
    found = {reason.kind for reason in reasons}
    unknown: set[ReasonKind] = set() if summary.certificate_ends else {"certificate"}
    if "quiet" not in found and unusual_quiet(summary, now):
        unknown.add("quiet")
    if "future" in found:
        unknown.add("zone")
    return frozenset(unknown)


def _of_state(situation: Situation, patience: Patience) -> Iterator[Reason]:
    if situation.summary is None:
        what = "The state cannot be read: nothing is polled or pushed"
        do = "Mend this first; syncd check says more. Then it goes on by itself"
    elif situation.state_fault:
        what = "The state cannot be written: nothing is polled or pushed"
        do = "Mend this first; syncd check says more. Then it goes on by itself"
    elif situation.file_fault:
        what = "The state's file was deleted or replaced: what the daemon finds out is lost when it ends"
        do = "If no file is there, put a backup there, else a new baseline is taken. Then: sudo systemctl restart syncd"
    else:
        return
    detail = situation.state_fault or situation.file_fault
    yield Reason("state", "bad", what, do, "check", detail, lasts=patience.fault)


def _of_daemon(situation: Situation) -> Iterator[Reason]:
    if situation.faults:
        do = "Read its log: journalctl -u syncd. Then restart it: sudo systemctl restart syncd"
        yield Reason("daemon", "bad", "The daemon has a fault", do, "check", "; ".join(situation.faults))
    if situation.stands_by:
        what = "This daemon stands by"
        do = "Nothing to do: this one takes over if the other fails"
        yield Reason("standby", "good", what, do, "status", situation.stands_by)
    if situation.other_settings:
        what = "The daemon works with other settings than are written now"
        yield Reason("settings", "warning", what, "Try them with syncd check, then restart syncd", "check")


def _of_polls(
    summary: Summary, situation: Situation, interval: timedelta, now: datetime, patience: Patience
) -> Iterator[Reason]:
    source = summary.source
    last_good = source.last_success_at
    was_read = last_good is not None and last_good == source.last_poll_at
    if source.consecutive_failures and not was_read:
        yield Reason(
            "source",
            "warning" if last_good and now - last_good < patience.source else "bad",
            "The shop cannot be read: what changes there is not seen",
            "Run syncd check. The next poll tries again; after a change of the settings restart syncd",
            "check",
            source.last_error,
            since=last_good,
            lasts=patience.fault,
        )
    elif last_good is None:
        do = "Wait: the first poll reads every order. Then see: syncd status" if situation.is_run else _START
        yield Reason("first", "warning", "No poll has ended yet", do, "status", lasts=patience.source)
    elif now - last_good >= max(patience.source, 2 * interval):
        is_working = situation.is_run and now - last_good < max(LONGEST_COMPARE, 4 * interval)
        severity: Severity = "warning" if is_working else "bad"
        yield Reason("late", severity, "The last poll was long ago", _START, "status", since=last_good)
    if summary.missing_refused:
        what = "Orders missing from the shop, none of them forgotten: {count}"
        do = "If they are really gone, run: syncd release"
        yield _counted("missing", what, do, "status", summary.missing_refused)
    elif source.consecutive_failures and was_read:
        what = "It is not known whether orders are gone"
        do = "Nothing to do: the next full compare finds out. To know it now, run: syncd reconcile"
        yield Reason("missing", "warning", what, do, "status", source.last_error)
    if summary.lost_at:
        what = "A new baseline was taken, because the state was lost: nobody is told what changed meanwhile"
        do = "Tell the buyers who should know: syncd resync ORDER. Then accept it: syncd release --baseline"
        yield Reason("lost", "warning", what, do, "status", since=summary.lost_at)


def _of_delivery(summary: Summary, recent: Recent, now: datetime, patience: Patience) -> Iterator[Reason]:
    if pause := summary.pause:
        what = PAUSES.get(pause.reason, "Delivery is paused")
        do = _AFTER_PAUSE.get(pause.reason, _GOES_ON)
        yield Reason("paused", "bad", what, do, "check", pause.detail, since=pause.since, lasts=patience.fault)
    if pushes := unusual_refusals(summary, recent):
        began = pushes[-1].ended_at
        refused = refusals(pushes)
        what = "IMSHOP refused {refused} of the last {pushes} pushes"
        if refused == len(pushes):
            what = "IMSHOP refused the last {refused} of {pushes} pushes"
        is_sure = summary.refusals.is_unusual or refused >= REFUSALS_OF_A_NEW_SHOP
        yield Reason(
            "refusals",
            "bad" if is_sure and now - pushes[0].ended_at < REFUSALS_SAY_NOW else "warning",
            what,
            "Ask IMSHOP why, or correct the settings and restart syncd. Then push again: syncd retry --refused {since}",
            "changes",
            next(push.error for push in pushes if push.refused),
            {"refused": refused, "pushes": len(pushes), "since": _whole_hours(now - began)},
            since=began,
            lasts=patience.fault,
        )
    since = recent.waiting_since
    if since and now - since >= patience.waiting:
        stalls = summary.last_delivered_at is None or summary.last_delivered_at < since
        yield Reason(
            "waiting",
            "bad" if stalls and not summary.pause else "warning",
            "Nothing is delivered, though changes wait" if stalls else "A change has been waiting for a long time",
            "See IMSHOP's answers: syncd changes --state pending",
            "changes --state pending",
            since=since,
            because="paused",
        )
    elif (quiet := unusual_quiet(summary, now)) and not (pushes or summary.pause):
        values = {"span": quiet, "longest": summary.longest_quiet}
        what = "Nothing was delivered for {span}; before, this shop changed nothing for {longest} at most"
        do = "If orders did change in the shop, run: syncd check. Then run: syncd reconcile"
        yield Reason("quiet", "warning", what, do, "check", values=values, since=summary.last_delivered_at)


def _whole_hours(span: timedelta) -> str:
    return f"{max(0, span // timedelta(hours=1)) + 1}h"


def _of_changes(summary: Summary, recent: Recent, situation: Situation) -> Iterator[Reason]:
    """The guard counts for the length of a poll, so what it holds meanwhile is none yet."""
    unlisted = summary.held.get("status", 0)
    if held := summary.changes["held"] - summary.held.get("counting", 0) - unlisted:
        what = "Held changes wait for your decision: {count}"
        do = "See: syncd changes --state held. Then run syncd release or syncd discard --held"
        yield _counted("held", what, do, "changes --state held", held)
    if unlisted:
        yield Reason(
            "unlisted",
            "warning",
            "Changes held, because the statuses file does not list their code: {count}",
            "List the code in {file}: {codes}. Then they go by themselves; see: syncd changes --state held",
            "changes --state held",
            values={"count": unlisted, "file": situation.statuses_file, "codes": codes_in_words(recent.unlisted)},
            count=unlisted,
        )
    if dead := summary.changes["dead"]:
        what = "Changes were given up, and IMSHOP was never told: {count}"
        do = "See: syncd changes --state dead. Then run syncd retry --all-dead or syncd discard --all-dead"
        yield _counted("dead", what, do, "changes --state dead", dead)
    if failed := summary.cancellations_failed:
        what = "Cancellations without a decision: {count}"
        do = "See: syncd cancellations. Fix the cause, then run: syncd cancellations retry ID"
        yield _counted("cancellations", what, do, "cancellations", failed)


def codes_in_words(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{code} ({count})" for code, count in codes.items())


def _of_answers(recent: Recent, situation: Situation) -> Iterator[Reason]:
    if not (wrong := mismatches(recent.pushes, situation.statuses)):
        return
    yield Reason(
        "mismatch",
        "warning",
        "Statuses that IMSHOP shows otherwise than the statuses file expects: {count}",
        "Have IMSHOP map the code, or correct its `imshop` in {file}. Then run: syncd resync {orders}",
        "status",
        "; ".join(text for _, text in wrong.values()),
        {
            "count": len(wrong),
            "file": situation.statuses_file,
            "orders": " ".join(quote(push.order_id) for push, _ in wrong.values()),
        },
        count=len(wrong),
    )


def _of_rows(summary: Summary) -> Iterator[Reason]:
    if skipped := summary.odd_rows.skipped:
        yield Reason(
            "skipped",
            "warning",
            "Rows of the shop cannot be read as orders: {count}",
            "Correct these rows in the shop (or the query, and restart syncd). Then run: syncd reconcile",
            "check",
            summary.odd_rows.example,
            {"count": skipped},
            count=skipped,
        )


def _of_times(summary: Summary, recent: Recent, interval: timedelta) -> Iterator[Reason]:
    """A row of the future is right only in a shop of another time zone or clock. So is a change that is found whole
    half hours after its time, again and again: polls are not that late."""
    do = "Run syncd check. Correct SYNCD_SOURCE__TIMEZONE or the shop's clock, then restart syncd"
    if ahead := summary.odd_rows.ahead:
        values = {"count": ahead, "span": summary.odd_rows.ahead_by}
        what = "Rows of the shop are dated in the future, by up to {span}: {count}"
        yield Reason("future", "warning", what, do, "check", values=values, count=ahead)
    elif lag := common_lag(recent.lags, interval):
        what = "Changes are found {span} after the time that the shop gives them"
        if lag < timedelta():
            what = "Changes are found {span} before the time that the shop gives them"
        yield Reason("zone", "warning", what, do, "check", values={"span": abs(lag)})


def _of_durations(summary: Summary, interval: timedelta) -> Iterator[Reason]:
    if seconds := slow_polls(summary.polls, interval):
        what = "Polls take longer than their interval: {seconds} s, each {interval} s"
        do = "Run syncd check: the cursor's column may lack an index. Or raise SYNCD_POLL__INTERVAL, then restart syncd"
        values = {"seconds": f"{seconds:.1f}", "interval": f"{interval.total_seconds():g}"}
        yield Reason("slow", "warning", what, do, "check", values=values)


def _of_certificate(summary: Summary, now: datetime, patience: Patience) -> Iterator[Reason]:
    if (ends := summary.certificate_ends) and ends - now < patience.certificate:
        what = "IMSHOP's certificate has ended" if ends <= now else "IMSHOP's certificate ends in {span}"
        do = "Ask IMSHOP to renew it. See it with: syncd check"
        yield Reason("certificate", "warning", what, do, "check", values={"span": ends - now})


def _counted(kind: ReasonKind, what: str, do: str, command: str, count: int) -> Reason:
    return Reason(kind, "warning", what, do, command, values={"count": count}, count=count)
