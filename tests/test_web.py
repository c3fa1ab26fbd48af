"""Metrics, health, readiness and status over HTTP."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from syncd.errors import SettingsError, StateError
from syncd.model import Answer, Outcome, Pause
from syncd.pipeline.staging import PollResult
from syncd.pipeline.statuses_file import Status, Statuses
from syncd.reasons import Reason, ReasonKind, Severity, Verdict
from syncd.runtime.health import ClockWatch, Pulses, as_json
from syncd.runtime.metrics import Metrics, StateCollector, standard_registry
from syncd.runtime.observer import Observer
from syncd.state import State, Summary
from syncd.verdict import Situation
from syncd.web import AppDependencies, HttpServer, create_app
from syncd.web.wsgi_server import CONNECTIONS
from tests.made import NOON, push
from tests.servers import free_port


@pytest.fixture
def summary(memory: State) -> Summary:
    """Of a state in which one poll went well."""
    memory.polls.record_poll(NOON, None)
    return memory.reports.summary()


def client(**views: Any) -> FlaskClient:
    defaults: dict[str, Any] = {
        "registry": CollectorRegistry(),
        "stuck": dict,
        "verdict": lambda: Verdict([]),
        "status": dict,
    }
    return create_app(AppDependencies(**{**defaults, **views})).test_client()


def reason(kind: ReasonKind, severity: Severity) -> Reason:
    return Reason(kind, severity, "it is so", "Mend it", "check")


def unreadable() -> Any:
    raise StateError("the state is locked by another process")


def test_healthz_is_200_or_names_the_stuck_threads() -> None:
    assert client().get("/healthz").status_code == 200
    answer = client(stuck=lambda: {"poll": 12.0}).get("/healthz")
    assert (answer.status_code, answer.text) == (503, "stuck: poll, overdue by 12 s\n")


def test_readyz_gives_the_reasons() -> None:
    assert client().get("/readyz").status_code == 200
    reasons = [reason("source", "bad"), reason("dead", "warning")]
    answer = client(verdict=lambda: Verdict(reasons)).get("/readyz")
    assert (answer.status_code, answer.text) == (503, "source: it is so. Mend it\ndead: it is so. Mend it\n")
    answer = client(verdict=lambda: Verdict(reasons[1:])).get("/readyz")
    assert (answer.status_code, answer.text) == (200, "ready\ndead: it is so. Mend it\n")


def test_unreadable_state_is_503_and_no_crash() -> None:
    answer = client(status=unreadable).get("/api/status")
    assert (answer.status_code, "locked" in answer.text) == (503, True)


def test_answers_forbid_caching_and_type_guessing() -> None:
    answer = client().get("/readyz")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_status_is_the_contracts_json(summary: Summary) -> None:
    shown = as_json(Situation(summary), source_kind="sqlite", leader=True, now=NOON)
    answer = client(status=lambda: shown).get("/api/status")
    assert answer.json == json.loads(json.dumps(shown))
    expected = {
        "version",
        "source",
        "orders",
        "changes",
        "oldest_pending_seconds",
        "delivery",
        "last_delivered_at",
        "leader",
        "verdict",
    }
    assert expected <= set(shown)
    of_source = {"kind", "last_poll_at", "last_success_at", "last_error", "consecutive_failures"}
    assert of_source == set(shown["source"])
    assert shown["delivery"]["state"] == "flowing"
    assert shown["source"]["last_poll_at"] == "2026-11-23T12:00:00+00:00"


def test_status_shows_a_pause_and_the_oldest_age(summary: Summary) -> None:
    """The age is that of the oldest pending change."""
    paused = replace(
        summary, pause=Pause("unauthorized", NOON, "HTTP 401"), oldest_pending_at=NOON - timedelta(seconds=90)
    )
    shown = as_json(Situation(paused), source_kind="sqlite", leader=True, now=NOON)
    assert (shown["delivery"]["state"], shown["delivery"]["reason"]) == ("paused", "unauthorized")
    assert shown["oldest_pending_seconds"] == 90


def samples(registry: CollectorRegistry) -> dict[str, float]:
    text = client(registry=registry).get("/metrics").text
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_documented_metric_exists_from_the_start(summary: Summary) -> None:
    registry = standard_registry()
    Metrics(registry)
    registry.register(StateCollector(lambda: Situation(summary), lambda: True, "1.2.3", lambda: NOON))
    found = samples(registry)
    for name in (
        "syncd_build_info{1.2.3}",
        "syncd_polls_total{incremental}{ok}",
        "syncd_polls_total{full}{error}",
        "syncd_poll_duration_seconds_count{full}",
        "syncd_poll_last_success_timestamp_seconds",
        "syncd_source_rows_total",
        "syncd_source_rows_skipped_total{no_id}",
        "syncd_orders_tracked",
        "syncd_orders_without_shop_id",
        "syncd_changes_detected_total{lookback}",
        "syncd_changes{held}",
        "syncd_oldest_pending_timestamp_seconds",
        "syncd_pushes_total{delivered}",
        "syncd_push_duration_seconds_count",
        "syncd_sync_lag_seconds_count",
        "syncd_delivery_paused{unauthorized}",
        "syncd_status_mismatches_total",
        "syncd_leader",
        "process_cpu_seconds_total",
        "python_gc_collections_total{0}",
    ):
        assert name in found


def test_gauges_show_the_state_at_the_scrape(summary: Summary) -> None:
    now = replace(
        summary,
        tracked=5,
        changes={**summary.changes, "dead": 2},
        oldest_pending_at=NOON,
        pause=Pause("tls", NOON, "expired"),
    )
    registry = CollectorRegistry()
    registry.register(StateCollector(lambda: Situation(now), lambda: False, "1", lambda: NOON))
    found = samples(registry)
    assert (found["syncd_orders_tracked"], found["syncd_changes{dead}"], found["syncd_leader"]) == (5, 2, 0)
    assert (found["syncd_delivery_paused{tls}"], found["syncd_delivery_paused{unreachable}"]) == (1, 0)
    assert found["syncd_oldest_pending_timestamp_seconds"] == NOON.timestamp()


def test_scrape_of_an_unreadable_state_keeps_the_counters() -> None:
    """`syncd_state_up` is 0 in such a scrape."""
    registry = CollectorRegistry()
    Metrics(registry)
    registry.register(StateCollector(lambda: Situation(None, state_fault="gone"), lambda: True, "1", lambda: NOON))
    found = samples(registry)
    assert (found["syncd_state_up"], found["syncd_pushes_total{delivered}"]) == (0, 0)
    assert "syncd_orders_tracked" not in found


def observed(*outcomes: Outcome, statuses: Statuses | None = None) -> dict[str, float]:
    registry = CollectorRegistry()
    observer = Observer(Metrics(registry), lambda: statuses or Statuses())
    for outcome in outcomes:
        observer.pushed(outcome)
    return samples(registry)


ANSWER = Answer(200, "7", "u", "packed", "processing", None)
DELIVERED = Outcome(
    push(), "delivered", "delivered", NOON, NOON + timedelta(seconds=3), seconds=0.5, answer=ANSWER, http_status=200
)


def test_lag_starts_at_the_timestamp_or_at_detection() -> None:
    """It starts at the shop's timestamp, or at detection if there is none."""
    stamped = replace(DELIVERED, push=replace(push(), source_updated_at=NOON - timedelta(seconds=7)))
    assert observed(DELIVERED)["syncd_sync_lag_seconds_sum"] == 3
    assert observed(stamped)["syncd_sync_lag_seconds_sum"] == 10


def test_future_timestamp_makes_no_negative_lag() -> None:
    ahead = replace(DELIVERED, push=replace(push(), source_updated_at=NOON + timedelta(hours=1)))
    assert observed(ahead)["syncd_sync_lag_seconds_sum"] == 0


def test_probes_and_unsent_pushes_are_not_counted() -> None:
    found = observed(replace(DELIVERED, result="paused"), replace(DELIVERED, result="unsent"))
    assert sum(value for name, value in found.items() if name.startswith("syncd_pushes_total")) == 0


@pytest.mark.parametrize("result", ["retry", "refused", "dead"])
def test_a_failed_push_is_counted_and_told(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    failed = replace(DELIVERED, result=result, answer=None, error="HTTP 503")
    assert observed(failed)[f"syncd_pushes_total{{{result}}}"] == 1
    assert "HTTP 503" in str(caplog.records[0].__dict__["fields"])


def test_another_status_than_expected_is_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    expecting = Statuses(listed={"packed": Status(imshop="ready_for_pickup")})
    assert observed(DELIVERED, statuses=expecting)["syncd_status_mismatches_total"] == 1
    assert "status_mismatch" in caplog.messages


def test_changes_held_by_the_guard_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    result = PollResult("incremental", held=6)
    Observer(None, Statuses).polled(result, 0.1)
    assert caplog.messages == ["changes_held"]


def test_pause_and_its_end_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    observer = Observer(None, Statuses)
    for pause in (None, Pause("tls", NOON, "expired"), Pause("tls", NOON, "expired"), None, None):
        observer.paused(pause)
    assert caplog.messages == ["delivery_paused", "delivery_resumed"]


def test_thread_silent_longer_than_promised_is_stuck() -> None:
    now = [0.0]
    pulses = Pulses(lambda: now[0])
    pulses.beat("poll", 10)
    pulses.beat("delivery", 100)
    now[0] = 12.0
    assert pulses.stuck() == {"poll": 2.0}
    pulses.end("poll")
    assert pulses.stuck() == {}


def test_clock_step_is_noticed_once_and_drift_never() -> None:
    wall, ticks = [NOON], [0.0]
    watch = ClockWatch(lambda: wall[0], lambda: ticks[0])

    def pass_a_second(stepping: timedelta = timedelta()) -> timedelta:
        ticks[0] += 1
        wall[0] += timedelta(seconds=1) + stepping
        return watch.step()

    for step in (timedelta(hours=1), timedelta(hours=-1), timedelta(days=9000)):
        assert pass_a_second() == timedelta()
        assert pass_a_second(step) == step
    assert pass_a_second(timedelta(seconds=1.5)) == timedelta()


@pytest.fixture
def server() -> Iterator[int]:
    port = free_port()
    server = HttpServer(
        create_app(AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict)), "127.0.0.1", port
    )
    server.start()
    yield port
    server.close()


def test_the_server_answers_on_its_port(server: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server, timeout=5)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_port_that_is_taken_is_named(server: int) -> None:
    with pytest.raises(SettingsError, match=f"SYNCD_HTTP__BIND: 127.0.0.1:{server} is taken"):
        HttpServer(
            create_app(AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict)), "127.0.0.1", server
        )


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "is no address of this machine"),
        ("nonesuch.invalid", "cannot listen on nonesuch.invalid:9469"),
        ("2001:db8::1", "is no address of this machine|cannot listen on 2001:db8::1"),
    ],
)
def test_address_of_another_machine_is_named(host: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        HttpServer(create_app(AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict)), host, 9469)


def test_request_under_way_at_close_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    begun, go_on = Event(), Event()

    def status() -> dict[str, str]:
        begun.set()
        go_on.wait(10)
        return {"version": "1"}

    port = free_port()
    server = HttpServer(
        create_app(AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), status)), "127.0.0.1", port
    )
    server.start()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection, ThreadPoolExecutor() as pool:
        connection.request("GET", "/api/status")
        assert begun.wait(10)
        closed = pool.submit(server.close)
        go_on.set()
        assert json.loads(connection.getresponse().read()) == {"version": "1"}
        closed.result(10)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def drip(port: int) -> socket.socket:
    """A connection that has begun a request and will not end it."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ")
    return connection


@pytest.mark.parametrize(("begin", "then"), [(b"GET /healthz HTTP/1.1\r\nX: ", b"x"), (b"\r\n", b"\r\n")])
def test_endless_request_is_given_up_however_steady(
    server: int, monkeypatch: pytest.MonkeyPatch, begin: bytes, then: bytes
) -> None:
    monkeypatch.setattr("syncd.web.wsgi_server.REQUEST_SECONDS", 1.0)
    with socket.create_connection(("127.0.0.1", server), timeout=20) as connection:
        connection.sendall(begin)
        with suppress(OSError):  # it was given up
            for _ in range(200):
                connection.sendall(then)
                Event().wait(0.05)
            pytest.fail("it is still open")


def test_an_answer_that_nobody_fetches_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.web.wsgi_server.ANSWER_SECONDS", 0.5)
    port = free_port()
    long = AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), lambda: {"a": "x" * 10_000_000})
    server = HttpServer(create_app(long), "127.0.0.1", port)
    server.start()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /api/status HTTP/1.1\r\nHost: a\r\n\r\n")
        ended_at = time.monotonic() + 20
        while server._server.active_channels and time.monotonic() < ended_at:
            Event().wait(0.05)
        assert not server._server.active_channels
    server.close()


def test_connections_that_drip_shut_nobody_out(server: int) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(drip(server)) for _ in range(CONNECTIONS + 30)]
        for _ in range(3):
            for connection in connections:
                with suppress(OSError):  # it had to make room
                    connection.send(b"x")
            with closing(http.client.HTTPConnection("127.0.0.1", server, timeout=5)) as ours:
                ours.request("GET", "/healthz")
                assert ours.getresponse().status == 200


def test_reused_connection_has_new_time_for_each_request(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.web.wsgi_server.REQUEST_SECONDS", 1.0)
    with closing(http.client.HTTPConnection("127.0.0.1", server, timeout=20)) as connection:
        for _ in range(4):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok\n"
            Event().wait(0.5)
        assert connection.sock is not None
