"""Metrics (docs/metrics-and-logs.md): counts of the results of polls and pushes, and gauges read from the state.

The gauges are read at each scrape, so they are right after a restart, before the first poll.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from syncd.errors import StateError
from syncd.model import Cancellation, ChangeState, Outcome
from syncd.pipeline.circuit_breaker import PAUSE_REASONS
from syncd.pipeline.staging import PollKind, PollResult
from syncd.reasons import KINDS
from syncd.state import Summary
from syncd.symptoms import mismatches
from syncd.verdict import Situation, judge

LAG_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)
PUSH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
POLL_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
COUNTED_PUSHES = ("delivered", "retry", "refused", "dead")
CANCELLATION_RESULTS = ("accepted", "refused", "failed")
NOTICE_RESULTS = ("sent", "failed")
GAUGED_CHANGES: tuple[ChangeState, ...] = ("pending", "held", "refused", "dead")


class Metrics:
    """Counters and histograms. Each known label value exists from the start, at 0, so that rates work."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series beside each one, with the start's time
        self.registry = registry
        self._polls = Counter("syncd_polls", "Polls of the shop", ["kind", "result"], registry=registry)
        self._poll_seconds = Histogram(
            "syncd_poll_duration_seconds", "Time a poll took", ["kind"], buckets=POLL_BUCKETS, registry=registry
        )
        self._rows = Counter("syncd_source_rows", "Rows read from the shop", registry=registry)
        self._skipped = Counter(
            "syncd_source_rows_skipped",
            "Rows that could not be read as an order; bad_value: or not all of whose fields could",
            ["reason"],
            registry=registry,
        )
        self._found = Counter(
            "syncd_changes_detected", "Changes found, by the net that caught them", ["found_by"], registry=registry
        )
        self._pushes = Counter("syncd_pushes", "Pushes to IMSHOP by what became of them", ["result"], registry=registry)
        self._push_seconds = Histogram(
            "syncd_push_duration_seconds", "Time a push took", buckets=PUSH_BUCKETS, registry=registry
        )
        self._lag = Histogram(
            "syncd_sync_lag_seconds",
            "From the shop's updated_at, else detection, to IMSHOP's answer",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self._mismatches = Counter(
            "syncd_status_mismatches", "Answers with another status than expected", registry=registry
        )
        self._cancellations = Counter(
            "syncd_cancellations", "Cancellations by what the shop decided", ["result"], registry=registry
        )
        self._notices = Counter(
            "syncd_notices",
            "Notices to people: sent to one of their URLs at least, or to none",
            ["result"],
            registry=registry,
        )
        self._crashes = Counter(
            "syncd_job_errors", "Jobs that ended in an unforeseen error", ["job"], registry=registry
        )
        for kind in ("incremental", "full"):
            self._poll_seconds.labels(kind)
            for result in ("ok", "error"):
                self._polls.labels(kind, result)
        for reason in ("no_id", "no_status", "bad_timestamp", "bad_sequence", "bad_value", "number_taken"):
            self._skipped.labels(reason)
        for net in ("cursor", "lookback", "full"):
            self._found.labels(net)
        for result in COUNTED_PUSHES:
            self._pushes.labels(result)
        for result in CANCELLATION_RESULTS:
            self._cancellations.labels(result)
        for result in NOTICE_RESULTS:
            self._notices.labels(result)
        for job in ("poll", "reconcile", "housekeeping", "hastening"):
            self._crashes.labels(job)

    def polled(self, result: PollResult, seconds: float) -> None:
        self._polls.labels(result.kind, "error" if result.fault else "ok").inc()
        self._poll_seconds.labels(result.kind).observe(seconds)
        self._rows.inc(result.rows)
        for reason, count in result.skipped.items():
            self._skipped.labels(reason).inc(count)
        self._skipped.labels("bad_value").inc(result.dropped_from)
        for net, count in result.found.items():
            self._found.labels(net).inc(count)

    def poll_failed(self, kind: PollKind, seconds: float) -> None:
        self._polls.labels(kind, "error").inc()
        self._poll_seconds.labels(kind).observe(seconds)

    def pushed(self, outcome: Outcome) -> None:
        """Count an outcome. A probe of a paused endpoint and a push that was not sent are no push's result."""
        if outcome.result in COUNTED_PUSHES:
            self._pushes.labels(outcome.result).inc()
            self._push_seconds.observe(outcome.seconds)
        if outcome.result == "delivered":
            since = outcome.push.source_updated_at or outcome.push.detected_at
            self._lag.observe(max(0.0, (outcome.ended_at - since).total_seconds()))

    def cancelled(self, cancellation: Cancellation) -> None:
        if cancellation.state in CANCELLATION_RESULTS:
            self._cancellations.labels(cancellation.state).inc()

    def noticed(self, result: str) -> None:
        self._notices.labels(result).inc()

    def mismatched(self) -> None:
        self._mismatches.inc()

    def crashed(self, job: str) -> None:
        self._crashes.labels(job).inc()


class StateCollector(Collector):
    """The gauges that describe the state, read at each scrape."""

    def __init__(
        self,
        known: Callable[[], Situation],
        is_leader: Callable[[], bool],
        version: str,
        clock: Callable[[], datetime],
        without_shop_id: Callable[[], int] | None = None,
    ) -> None:
        """`without_shop_id`: counts the orders that cannot be cancelled for want of it; None: no cancellation needs
        it."""
        self._known = known
        self._without_shop_id = without_shop_id
        self._is_leader = is_leader
        self._version = version
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        yield _gauge("syncd_build_info", "The version that runs", 1, version=self._version)
        yield _gauge("syncd_leader", "Whether this daemon is the one that polls and pushes", int(self._is_leader()))
        known = self._known()
        is_up = known.state_fault is None
        summary = known.summary
        try:
            without_shop_id = self._without_shop_id() if self._without_shop_id and summary else 0
        except StateError:
            is_up, summary = False, None
        yield _gauge("syncd_state_up", "Whether the state can be read and written", int(is_up))
        if summary is not None:
            yield from _of_state(summary)
            yield from _of_verdict(known, self._clock())
            yield _gauge(
                "syncd_orders_without_shop_id", "Orders without the shop_id that cancelling asks for", without_shop_id
            )


def _of_verdict(known: Situation, now: datetime) -> Iterable[Metric]:
    there = {reason.kind: 2 if reason.severity == "bad" else 1 for reason in judge(known, now).reasons}
    about = "Whether this is in the way of statuses: 2 if buyers are not told now, 1 if it is there, else 0"
    reasons = GaugeMetricFamily("syncd_reason", about, labels=["kind"])
    for kind in KINDS:
        reasons.add_metric([kind], there.get(kind, 0))
    yield reasons
    mismatch = GaugeMetricFamily(
        "syncd_status_mismatch", "IMSHOP shows this status otherwise than expected", labels=["status"]
    )
    for status in mismatches(known.recent.pushes if known.recent else (), known.statuses):
        mismatch.add_metric([status], 1)
    yield mismatch


def _of_state(summary: Summary) -> Iterable[Metric]:
    last_success = summary.source.last_success_at.timestamp() if summary.source.last_success_at else 0
    yield _gauge("syncd_poll_last_success_timestamp_seconds", "Last poll that succeeded", last_success)
    yield _gauge("syncd_orders_tracked", "Orders whose last status is known", summary.tracked)
    changes = GaugeMetricFamily("syncd_changes", "Changes by state", labels=["state"])
    for state in GAUGED_CHANGES:
        changes.add_metric([state], summary.changes[state])
    yield changes
    oldest = summary.oldest_pending_at.timestamp() if summary.oldest_pending_at else 0
    yield _gauge("syncd_oldest_pending_timestamp_seconds", "Detection of the oldest waiting change, 0: none", oldest)
    paused = GaugeMetricFamily("syncd_delivery_paused", "Whether delivery is paused, by reason", labels=["reason"])
    for reason in PAUSE_REASONS:
        paused.add_metric([reason], int(summary.pause is not None and summary.pause.reason == reason))
    yield paused


def standard_registry() -> CollectorRegistry:
    """A registry with the client library's `process_*` and `python_*`."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _gauge(name: str, text: str, value: float, **labels: str) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=list(labels))
    gauge.add_metric(list(labels.values()), value)
    return gauge
