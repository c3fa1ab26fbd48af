"""`syncd run`, as a process."""

from __future__ import annotations

import json
import signal
import socket
import time

from syncd.sandbox import Failure
from tests.e2e.world import World, end


def told(world: World) -> list[tuple[str, str]]:
    return [(applied.id, applied.code) for applied in world.sandbox.applied]


def test_a_change_reaches_imshop_and_the_metrics(world: World) -> None:
    world.shop.put("1", "new")
    daemon = world.started()
    world.shop.put("1", "packed")
    world.wait(lambda: world.sandbox.orders.get("1") == "packed", "the change is pushed")
    world.wait(lambda: world.metric("syncd_pushes_total", {"result": "delivered"}) == 1, "it is counted")
    assert world.metric("syncd_sync_lag_seconds_count") == 1
    assert world.metric("syncd_changes_detected_total", {"found_by": "cursor"}) == 1
    assert world.metric("syncd_polls_total", {"kind": "incremental", "result": "ok"}) >= 1
    assert world.metric("syncd_orders_tracked") == 1
    assert world.metric("syncd_leader") == 1
    assert world.metric("process_resident_memory_bytes") > 0
    assert "_created" not in world.get("/metrics")[1]
    assert (world.get("/healthz")[0], world.get("/readyz")[0]) == (200, 200)
    assert end(daemon) == 0
    assert "Traceback" not in world.log()


def test_status_page_shows_both_sides_and_no_secret(world: World) -> None:
    """It shows the statuses of the shop and of IMSHOP, and the shop's fault."""
    world.shop.put("1", "new")
    world.started()
    world.shop.put("1", "packed")
    world.wait(lambda: world.metric("syncd_pushes_total", {"result": "delivered"}) == 1, "the change is recorded")
    code, page = world.get("/")
    assert (code, "Statuses reach buyers" in page, "imshopStatus" in page) == (200, True, True)
    world.shop.put("1", "gone")
    world.shop.run("DROP TABLE orders")
    story = world.get("/order?id=1")[1]
    assert "packed" in story
    assert "no such table" in story
    assert "test-key" not in page + story


def test_change_during_downtime_is_pushed_once(world: World) -> None:
    world.shop.put("1", "new")
    end(world.started())
    world.shop.put("1", "packed")
    daemon = world.started()
    world.wait(lambda: told(world), "the change is pushed")
    assert end(daemon) == 0
    assert told(world) == [("1", "packed")]


def test_gauges_are_right_before_the_first_poll(world: World) -> None:
    """The daemon restarts with a shop that cannot be reached."""
    world.shop.put("1", "new")
    end(world.started())
    world.start(SYNCD_SOURCE__URL=f"sqlite:///{world.home}/away.db")
    world.wait(lambda: world.metric("syncd_orders_tracked") == 1, "the tracked orders show")
    assert world.metric("syncd_poll_last_success_timestamp_seconds") > 0


def test_an_interrupt_ends_it_in_order_too(world: World) -> None:
    assert end(world.started(), signal.SIGINT) == 0


def test_shutdown_finishes_and_records_the_push_in_flight(world: World) -> None:
    world.shop.put("1", "new")
    daemon = world.started()
    world.sandbox.behave = lambda _: Failure("slow", seconds=1.0)
    world.shop.put("1", "packed")
    world.wait(lambda: world.sandbox.in_flight, "the push is in flight")
    assert end(daemon) == 0
    assert world.json("changes")[0]["state"] == "delivered"
    assert world.sandbox.requests == 1


def test_shutdown_ends_within_15_seconds_despite_silent_imshop(world: World) -> None:
    """A push is in flight and gets no answer."""
    world.shop.put("1", "new")
    daemon = world.started(SYNCD_IMSHOP__TIMEOUT="60s")
    world.sandbox.behave = lambda _: Failure("timeout", seconds=60.0)
    world.shop.put("1", "packed")
    world.wait(lambda: world.sandbox.in_flight, "the push is in flight")
    asked_at = time.monotonic()
    assert end(daemon) == 0
    assert time.monotonic() - asked_at < 15


def test_killed_daemon_repeats_only_pushes_in_flight(world: World) -> None:
    """Nothing is lost. In flight is what was sent and not answered, or answered and not yet on disk with its group."""
    for number in range(20):
        world.shop.put(f"{number:02d}", "new")
    daemon = world.started()
    world.sandbox.behave = lambda _: Failure("slow", seconds=0.3)
    for number in range(20):
        world.shop.put(f"{number:02d}", "packed")
    world.wait(lambda: len(world.sandbox.applied) >= 4, "some are pushed")
    daemon.kill()
    daemon.wait()
    world.sandbox.behave = None
    world.started()
    world.wait(lambda: world.status()["changes"]["delivered"] == 20, "all are delivered")
    assert len(set(told(world))) == 20
    assert len(told(world)) <= 20 + 2 * 8


def test_dead_endpoint_pauses_delivery_which_resumes_by_itself(world: World) -> None:
    world.shop.put("1", "new")
    world.started()
    world.sandbox.stop()
    world.shop.put("1", "packed")
    world.wait(lambda: world.status()["delivery"]["reason"] == "unreachable", "delivery is paused")
    assert world.metric("syncd_delivery_paused", {"reason": "unreachable"}) == 1
    assert "paused: Delivery is paused" in world.get("/readyz")[1]
    world.sandbox.start()
    world.wait(lambda: told(world) == [("1", "packed")], "it flows again", 40)
    world.wait(lambda: world.get("/readyz")[0] == 200, "it is ready again")


def test_a_failing_source_is_told_and_polled_again(world: World) -> None:
    world.shop.put("1", "new")
    world.started()
    world.shop.run("ALTER TABLE orders RENAME TO away")
    world.wait(lambda: "source:" in world.get("/readyz")[1], "it is not ready")
    assert world.metric("syncd_polls_total", {"result": "error"}) >= 1
    assert world.get("/healthz")[0] == 200
    world.shop.run("ALTER TABLE away RENAME TO orders")
    world.shop.put("1", "packed")
    world.wait(lambda: told(world) == [("1", "packed")], "polling goes on")
    world.wait(lambda: world.get("/readyz")[0] == 200, "it is ready again")


def test_port_in_use_is_a_clear_error(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", world.port))
        taken.listen()
        ran = world.syncd("run")
    assert (ran.returncode, "SYNCD_HTTP__BIND" in ran.stderr, "taken" in ran.stderr) == (2, True, True)
    assert "Traceback" not in ran.stderr


def test_second_daemon_on_one_state_is_refused(world: World) -> None:
    first = world.started()
    second = world.syncd("run", SYNCD_HTTP__BIND="")
    assert (second.returncode, f"process {first.pid}" in second.stderr) == (1, True)
    assert first.poll() is None


def test_once_beside_the_daemon_leaves_delivery_to_it(world: World) -> None:
    world.shop.put("1", "new")
    world.started(SYNCD_POLL__INTERVAL="1h")
    world.shop.put("1", "packed")
    assert "a daemon runs on this state" in world.done("once")
    assert told(world) == [("1", "packed")]


def test_an_operator_releases_while_the_daemon_runs(world: World) -> None:
    for number in range(3):
        world.shop.put(str(number), "new")
    world.started(SYNCD_GUARD__MAX_CHANGES="2")
    world.shop.run("UPDATE orders SET state = 'archived', changed = strftime('%Y-%m-%d %H:%M:%f', 'now')")
    world.wait(lambda: world.metric("syncd_changes", {"state": "held"}) == 3, "the guard holds them")
    world.wait(lambda: "held" in world.get("/readyz")[1], "their poll is over")
    world.done("release")
    world.wait(lambda: len(told(world)) == 3, "they flow")


def test_status_says_that_a_daemon_leads(world: World) -> None:
    daemon = world.started()
    assert world.json("status")["leader"] is True
    assert world.status()["leader"] is True
    end(daemon)
    assert world.json("status")["leader"] is False


def test_no_secret_shows_in_the_log(world: World) -> None:
    world.shop.put("1", "new")
    daemon = world.started(SYNCD_LOG__LEVEL="debug", SYNCD_IMSHOP__API_KEY="s3cr3t-key")
    world.shop.put("1", "packed")
    world.wait(lambda: world.status()["delivery"]["state"] == "paused", "the key is not accepted")
    end(daemon)
    assert "s3cr3t-key" not in world.log()
    assert "sandbox-token" not in world.log()
    assert all(json.loads(line)["event"] for line in world.log().splitlines())
