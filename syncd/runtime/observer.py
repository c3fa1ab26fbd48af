"""Turns the results of polls, pushes and cancellations into log lines and metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Literal

from syncd.errors import LeaseLostError, SourceError, StateError
from syncd.logs import fields
from syncd.model import Cancellation, Outcome, Pause
from syncd.pipeline.staging import REDEFINED, PollResult
from syncd.pipeline.statuses_file import Statuses

if TYPE_CHECKING:  # commands that count nothing load no Prometheus client
    from syncd.runtime.metrics import Metrics

log = logging.getLogger("syncd")

ODD_ROWS_REMEMBERED = 1000

Writer = Literal["poll", "delivery"]
"""Who writes the state. A disk that is nearly full has room for what one of them writes, and none for the other."""


class Observer:
    """Logs and counts. One a process; `metrics` None: it only logs. What lasts is logged once, and once when it is
    over."""

    def __init__(
        self,
        metrics: Metrics | None,
        statuses: Callable[[], Statuses],
        note_fault: Callable[[str | None], None] = lambda _fault: None,
    ) -> None:
        """`note_fault`: is told each change of `state_fault`."""
        self._tell_fault = note_fault
        self._metrics = metrics
        self._statuses = statuses
        self._pause: Pause | None = None
        self._failing: str | None = None
        self._missing: str | None = None
        self._mismatches: dict[str, str] = {}
        self._odd: set[tuple[str | None, ...]] = set()
        self._lost = False
        self._unwritable: dict[Writer, str] = {}
        self._one_thread = Lock()

    @property
    def state_fault(self) -> str | None:
        """Why the state cannot be written now: by each writer, as far as they differ."""
        with self._one_thread:
            return self._faults_in_words()

    def _faults_in_words(self) -> str | None:
        return "; ".join(dict.fromkeys(self._unwritable.values())) or None

    @contextmanager
    def writing(self, writer: Writer, *, proves: bool = True) -> Iterator[None]:
        """Remember a StateError raised within, until a write of the same writer succeeds. `proves` False: success
        within proves nothing, since nothing may have been written."""
        try:
            yield
        except LeaseLostError:
            raise  # the state can be written, but not by this process
        except StateError as error:
            self._note_fault(writer, str(error))
            raise
        except SourceError:  # that is in the state by now
            self._note_fault(writer, None)
            raise
        if proves:
            self._note_fault(writer, None)

    def writes_nothing(self, writer: Writer) -> None:
        """This process does not lead: the writer has nothing to write, and so no fault."""
        self._note_fault(writer, None)

    def _note_fault(self, writer: Writer, fault: str | None) -> None:
        """Logged once, and once when no writer has one any more."""
        with self._one_thread:
            before = self._faults_in_words()
            if fault is None:
                self._unwritable.pop(writer, None)
            else:
                self._unwritable[writer] = fault
            now = self._faults_in_words()
            if now != before:
                self._tell_fault(now)
            if now and not before:
                log.error("state_failed", extra=fields(error=fault, do="mend that; nothing is polled or pushed"))
            if before and not now:
                log.info("state_recovered")

    def state_kept(self, file_fault: str | None) -> None:
        """Whether the state's file is still there. Logged once: a restart ends it."""
        if file_fault and not self._lost:
            log.error("state_lost", extra=fields(error=file_fault, do="put it back from a backup, then restart syncd"))
        self._lost = file_fault is not None

    def polled(self, result: PollResult, seconds: float) -> None:
        if self._failing:
            log.info("source_recovered")
            self._failing = None
        if self._metrics:
            self._metrics.polled(result, seconds)
        self._log_skipped(result)
        self._log_missing(result)
        if result.baseline:
            log.warning(
                "baseline_taken",
                extra=fields(
                    orders=result.adopted, note="nobody is told. If this is not the first run, the state was lost"
                ),
            )
        if result.redefined:
            log.warning(
                "columns_redefined",
                extra=fields(
                    columns=", ".join(result.redefined),
                    note=REDEFINED,
                    do="where buyers are to be told: syncd resync ORDER_ID",
                ),
            )
        if result.held:
            log.error(
                "changes_held",
                extra=fields(by="guard", changes=result.held, do="syncd release, or syncd discard --held"),
            )
        if result.found or result.adopted or result.missing or result.kind == "full":
            counts = fields(
                kind=result.kind,
                rows=result.rows,
                changes=sum(result.found.values()),
                found_by=dict(result.found) or None,
                adopted=result.adopted or None,
                missing=result.missing or None,
                seconds=round(seconds, 3),
            )
            log.info("polled", extra=counts)

    def poll_failed(self, result_kind: str, error: str) -> None:
        """The shop cannot be read. Logged once for each error."""
        if error != self._failing:
            log.error("poll_failed", extra=fields(kind=result_kind, error=error))
        self._failing = error

    def pushed(self, outcome: Outcome) -> None:
        if self._metrics:
            self._metrics.pushed(outcome)
        push = outcome.push
        if outcome.result == "delivered":
            self._log_delivered(outcome)
        elif outcome.result in ("refused", "dead"):
            event = "change_refused" if outcome.result == "refused" else "change_dead"
            log.error(event, extra=fields(order_id=push.order_id, status=push.status, error=outcome.error))
        elif outcome.result == "retry":
            again = outcome.next_attempt_at and outcome.next_attempt_at.isoformat(timespec="seconds")
            log.warning(
                "push_failed",
                extra=fields(order_id=push.order_id, status=push.status, error=outcome.error, next_attempt_at=again),
            )

    def cancelled(self, cancellation: Cancellation) -> None:
        if self._metrics:
            self._metrics.cancelled(cancellation)
        about = _about(cancellation)
        if cancellation.state == "accepted":
            log.info("cancellation_accepted", extra=about)
        elif cancellation.state == "refused":
            log.info("cancellation_refused", extra=about)
        elif cancellation.state == "failed":
            log.error("cancellation_failed", extra=about)

    def unfinished(self, cancellations: int) -> None:
        """So many cancellations were being applied by a process that is gone."""
        if cancellations:
            log.error("cancellations_unfinished", extra=fields(count=cancellations, do="see: syncd cancellations"))

    def cancellation_repeated(self, cancellation: Cancellation) -> None:
        log.info("cancellation_repeated", extra=_about(cancellation))

    def paused(self, pause: Pause | None) -> None:
        """Log when delivery pauses, and when it resumes."""
        if pause and not self._pause:
            log.error("delivery_paused", extra=fields(reason=pause.reason, error=pause.detail))
        elif self._pause and not pause:
            log.info("delivery_resumed", extra=fields(reason=self._pause.reason))
        self._pause = pause

    def _log_delivered(self, outcome: Outcome) -> None:
        push, answer = outcome.push, outcome.answer
        since = push.source_updated_at or push.detected_at
        lag = round(max(0.0, (outcome.ended_at - since).total_seconds()), 3)
        imshop_status = answer.imshop_status if answer else None
        log.info(
            "pushed", extra=fields(order_id=push.order_id, status=push.status, imshop_status=imshop_status, lag=lag)
        )
        wrong = answer and self._statuses().mismatch(push.status, answer.new_status, answer.imshop_status)
        before = self._mismatches.pop(push.status, None)
        if wrong:
            self._mismatches[push.status] = wrong
            if wrong != before:
                log.warning("status_mismatch", extra=fields(order_id=push.order_id, status=push.status, error=wrong))
            if self._metrics:
                self._metrics.mismatched()
        elif before:
            log.info("status_matches", extra=fields(order_id=push.order_id, status=push.status))

    def _log_missing(self, result: PollResult) -> None:
        """Logged once for each fault. Only a full compare finds it, so only another one finds that it is over."""
        if result.kind != "full":
            return
        if result.fault and result.fault != self._missing:
            log.error("orders_missing", extra=fields(error=result.fault))
        elif self._missing and not result.fault:
            log.info("orders_missing_over")
        self._missing = result.fault

    def _log_skipped(self, result: PollResult) -> None:
        """Each row once, though each poll may read it again; again once a full compare could read all rows."""
        if result.kind == "full" and not result.skipped_rows and not result.dropped_examples:
            if self._odd:
                log.info("rows_readable")
            self._odd.clear()
        for row in result.skipped_rows:
            if self._is_new(row.reason, row.order_id, row.detail):
                log.warning("row_skipped", extra=fields(order_id=row.order_id, reason=row.reason, detail=row.detail))
        for name, one in result.dropped_examples.items():
            about = fields(
                field=name, orders=result.dropped[name], order_id=one.order_id, reason="bad_value", detail=one.detail
            )
            if self._is_new(name, one.order_id, one.detail):
                log.warning("field_dropped", extra=about)

    def _is_new(self, *row: str | None) -> bool:
        """Whether this was not logged yet, as far as that is remembered."""
        if row in self._odd:
            return False
        if len(self._odd) >= ODD_ROWS_REMEMBERED:
            self._odd.clear()
        self._odd.add(row)
        return True


def _about(cancellation: Cancellation) -> dict[str, object]:
    failed = cancellation.state == "failed"
    return fields(
        id=cancellation.id,
        order_id=cancellation.order_id,
        imshop_uuid=None if cancellation.order_id else cancellation.imshop_uuid,
        state=cancellation.state,
        message=cancellation.message,
        error=cancellation.error,
        in_doubt=cancellation.in_doubt or None,
        do=f"IMSHOP asks again, or: syncd cancellations retry {cancellation.id}" if failed else None,
    )
