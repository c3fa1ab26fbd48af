"""A buyer cancels: the real command, its real HTTP server, a real shop that decides."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cancel.shops import HttpServer, served
from tests.e2e.world import QUERY, World, end

KEY = "imshop-cancels-with-this"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
PUT = "2026-11-01 12:00:00"


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with served(HttpServer()) as server:
        yield server


@pytest.fixture
def cancels(world: World, server: HttpServer) -> World:
    """A world in which the shop's HTTP call cancels."""
    world.env |= {
        "SYNCD_CANCEL__API_KEY": KEY,
        "SYNCD_CANCEL__URL": f"{server.url}/orders/{{order_id}}",
        "SYNCD_CANCEL__STATUS": "cancelled",
        "SYNCD_CANCEL__MESSAGE": "Отменён",
    }
    return world


def ask(world: World, order_id: str, *, until_taken: bool = False) -> tuple[int, Any]:
    """What IMSHOP is answered. `until_taken`: it comes again while there are too many requests."""
    body = json.dumps({"id": order_id, "status": "canceled", "reason": "Передумал"}).encode()
    while True:
        with closing(http.client.HTTPConnection("127.0.0.1", world.port, timeout=20)) as line:
            line.request("POST", "/imshop/cancel", body, HEADERS)
            reply = line.getresponse()
            answer = json.loads(reply.read())
        if reply.status != 429 or not until_taken:
            return reply.status, answer
        time.sleep(float(reply.headers["Retry-After"]))


def told(world: World, order_id: str) -> list[str]:
    return [one.code for one in world.sandbox.applied if one.id == order_id]


def polls(world: World) -> float:
    return world.metric("syncd_polls_total", {"result": "ok"})


def polled(world: World) -> None:
    """A poll that began after this call is over."""
    before = polls(world)
    world.wait(lambda: polls(world) > before + 1, "two polls")


def test_concurrent_requests_for_one_order_apply_once(cancels: World, server: HttpServer) -> None:
    """200 requests for 50 orders at the same moment are 50 calls of the shop, and all are answered."""
    for number in range(50):
        cancels.shop.put(f"{number:04}", "new")
    cancels.started(SYNCD_POLL__INTERVAL="30s")
    with ThreadPoolExecutor(40) as buyers:
        asked = [f"{number % 50:04}" for number in range(200)]
        answers = list(buyers.map(lambda order_id: ask(cancels, order_id, until_taken=True), asked))
    assert answers == [(200, {"success": True, "status": "cancelled", "message": "Отменён"})] * 200
    assert sorted(call.path for call in server.calls) == [f"/orders/{number:04}" for number in range(50)]
    assert cancels.metric("syncd_cancellations_total", {"result": "accepted"}) == 50


def test_later_status_of_a_cancelled_order_is_pushed(cancels: World, server: HttpServer) -> None:
    """The cancellation itself is not pushed back; what the shop says after it is."""
    cancels.shop.put("0007", "new")
    cancels.started()
    server.first = lambda: cancels.shop.put("0007", "cancelled")
    assert ask(cancels, "0007")[0] == 200
    cancels.shop.put("0008", "new")
    cancels.wait(lambda: told(cancels, "0008"), "the next poll's change is told")
    assert told(cancels, "0007") == []
    cancels.shop.put("0007", "packed")
    cancels.wait(lambda: told(cancels, "0007"), "what the shop says is told")
    assert told(cancels, "0007") == ["packed"]


def test_an_update_of_the_shops_own_column_cancels(cancels: World) -> None:
    del cancels.env["SYNCD_CANCEL__URL"]
    cancels.env["SYNCD_CANCEL__SQL"] = (
        "UPDATE orders SET state = 'cancelled', changed = strftime('%Y-%m-%d %H:%M:%f', 'now')"
        " WHERE number = :order_id AND state = 'new'"
    )
    cancels.shop.put("0007", "new")
    cancels.shop.put("0008", "shipped")
    cancels.started()
    assert ask(cancels, "0007") == (200, {"success": True, "status": "cancelled", "message": "Отменён"})
    refused = ask(cancels, "0008")[1]
    assert (refused["success"], "нельзя отменить" in refused["message"]) == (False, True)
    assert cancels.shop.states() == {"0007": "cancelled", "0008": "shipped"}
    polled(cancels)
    assert cancels.sandbox.applied == []


@pytest.fixture
def numbered(cancels: World, server: HttpServer) -> World:
    """Orders with a key of the shop's own, which its call asks for; a plug-in numbers them."""
    cancels.shop.run("ALTER TABLE orders ADD COLUMN pk TEXT")
    cancels.env |= {
        "SYNCD_SOURCE__QUERY": QUERY.replace("state AS status", "pk AS shop_id, state AS status"),
        "SYNCD_CANCEL__URL": f"{server.url}/orders/{{shop_id}}",
        "SYNCD_CANCEL__FROM": "new,packed",
    }
    cancels.shop.put("348", "new", pk="348")
    cancels.shop.put("349", "sent", pk="349")
    return cancels


def test_renumbered_order_is_cancelled_by_its_key(numbered: World, server: HttpServer) -> None:
    """The right order is cancelled although its new number is the key of another order."""
    numbered.started()
    numbered.shop.run("UPDATE orders SET number = '350' WHERE pk = '349'")
    numbered.shop.run("UPDATE orders SET number = '349' WHERE pk = '348'")
    numbered.shop.put("350", "sent")
    numbered.shop.put("349", "packed")
    numbered.wait(lambda: told(numbered, "349"), "the change is told under the new number")
    with ThreadPoolExecutor(2) as buyers:
        answers = list(buyers.map(lambda number: ask(numbered, number), ["349", "348"]))
    assert [answer["success"] for _, answer in answers] == [True, True]
    assert [call.path for call in server.calls] == ["/orders/348"]
    assert ask(numbered, "350")[1]["success"] is False
    assert len(server.calls) == 1
    story = numbered.json("explain", "348")
    assert (story["order_id"], story["source"]["shop_id"], story["seen"]["shop_id"]) == ("349", "348", "348")
    assert "shop's own key" in numbered.done("explain", "349")
    assert told(numbered, "350") == []


def test_orders_without_the_key_that_cancelling_needs_are_counted(numbered: World) -> None:
    numbered.shop.put("350", "new")
    numbered.started()
    assert numbered.metric("syncd_orders_without_shop_id") == 1


def test_orders_without_a_key_that_nobody_needs_are_not_counted(cancels: World) -> None:
    cancels.shop.put("350", "new")
    cancels.started()
    assert cancels.metric("syncd_orders_without_shop_id") == 0


def test_unreachable_shop_is_503_and_can_be_retried(cancels: World, server: HttpServer) -> None:
    """An operator applies the cancellation later, with `cancellations retry`."""
    cancels.shop.put("0007", "new")
    cancels.started()
    server.status = 503
    assert ask(cancels, "0007")[0] == 503
    (failed,) = cancels.json("cancellations")
    assert (failed["state"], failed["order_id"], failed["reason"]) == ("failed", "0007", "Передумал")
    assert cancels.syncd("cancellations", "retry", str(failed["id"])).returncode == 1
    server.status = 200
    assert "order 0007: accepted" in cancels.done("cancellations", "retry", str(failed["id"]))
    cancels.shop.put("0007", "cancelled")
    cancels.wait(lambda: told(cancels, "0007"), "IMSHOP, which was told that it failed, is told")
    assert len(server.applied) == 1
    left = cancels.syncd("cancellations", "retry", str(failed["id"]), "99")
    assert (left.returncode, "it was accepted" in left.stderr, "no cancellation 99" in left.stderr) == (1, True, True)


def test_cancellation_shows_in_the_list_and_in_explain(cancels: World) -> None:
    cancels.shop.put("0007", "new")
    cancels.started()
    assert "none" in cancels.done("cancellations")
    ask(cancels, "0007")
    assert "accepted" in cancels.done("cancellations")
    story = cancels.json("explain", "0007")
    assert [(one["state"], one["asked"]) for one in story["cancellations"]] == [("accepted", 1)]
    assert "Cancelled in the app" in cancels.done("explain", "0007")
    assert "cancellation_accepted" in cancels.log()
    assert KEY not in cancels.log() + cancels.done("config")


def test_retry_without_cancel_settings_is_refused(world: World) -> None:
    world.done("once")
    asked = world.syncd("cancellations", "retry", "1")
    assert (asked.returncode, "SYNCD_CANCEL__URL: not set" in asked.stderr) == (2, True)
    with closing(http.client.HTTPConnection("127.0.0.1", world.port, timeout=20)) as line:
        world.started()
        line.request("POST", "/imshop/cancel", b"{}", HEADERS)
        assert line.getresponse().status == 404


def test_cancellation_survives_a_kill_while_being_applied(cancels: World, server: HttpServer) -> None:
    """It is not lost, and the cancelled status in the shop is not taken for one that the shop set by itself."""
    cancels.shop.put("0007", "new")
    daemon = cancels.started()
    server.seconds = 3.0
    with ThreadPoolExecutor(1) as buyer:
        asked = buyer.submit(ask, cancels, "0007")
        cancels.wait(lambda: server.calls, "the shop is called")
        daemon.kill()
        daemon.wait()
        assert isinstance(asked.exception(20), (OSError, http.client.HTTPException))
    server.seconds = 0.0
    server.first = lambda: cancels.shop.put("0007", "cancelled")
    cancels.started()
    unfinished = [("failed", True)]
    cancels.wait(
        lambda: [(one["state"], one["in_doubt"]) for one in cancels.json("cancellations")] == unfinished, "it is told"
    )
    assert ask(cancels, "0007")[0] == 200
    assert ask(cancels, "0007")[0] == 200
    assert (len(server.applied), server.applied.total()) == (1, 2)


def test_decided_cancellation_is_not_applied_again_after_kill(cancels: World, server: HttpServer) -> None:
    """IMSHOP gets the same answer as before the kill."""
    cancels.shop.put("0007", "new")
    server.first = lambda: cancels.shop.put("0007", "cancelled")
    daemon = cancels.started()
    assert ask(cancels, "0007")[0] == 200
    daemon.kill()
    daemon.wait()
    cancels.started()
    assert ask(cancels, "0007") == (200, {"success": True, "status": "cancelled", "message": "Отменён"})
    assert server.applied.total() == 1


def test_slow_senders_block_no_thread_and_are_cut(cancels: World) -> None:
    cancels.started()
    heading = f"POST /imshop/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n{{"
    lines = [socket.create_connection(("127.0.0.1", cancels.port), timeout=10) for _ in range(40)]
    try:
        for line in lines:
            line.sendall(heading.encode())
        began = time.monotonic()
        assert ask(cancels, "0007")[0] == 200
        assert cancels.get("/healthz")[0] == 200
        assert lines[0].recv(1) == b""
        assert time.monotonic() - began < 10
    finally:
        for line in lines:
            line.close()


@pytest.mark.parametrize("heading", ["Content-Length: 70000", "Transfer-Encoding: chunked"])
def test_body_over_64_kib_is_not_read(cancels: World, heading: str) -> None:
    cancels.started()
    with socket.create_connection(("127.0.0.1", cancels.port), timeout=10) as line:
        line.sendall(f"POST /imshop/cancel HTTP/1.1\r\nHost: x\r\n{heading}\r\n\r\n".encode())
        if "chunked" in heading:
            line.sendall(b"11170\r\n" + b" " * 70_000 + b"\r\n0\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_daemon_that_ends_leaves_no_cancellation_undecided(cancels: World, server: HttpServer) -> None:
    cancels.shop.put("0007", "new")
    daemon = cancels.started()
    server.seconds = 0.5
    with ThreadPoolExecutor(1) as buyer:
        asked = buyer.submit(ask, cancels, "0007")
        cancels.wait(lambda: server.calls, "the shop is called")
        assert end(daemon) == 0
        asked.exception(20)
    assert [one["state"] for one in cancels.json("cancellations")] == ["accepted"]


def test_config_masks_the_headers_of_cancel_calls(cancels: World, tmp_path: Path) -> None:
    cancels.env["SYNCD_CANCEL__HEADERS__X_TOKEN"] = "a-secret-of-the-shop"
    shown = cancels.done("config")
    assert "SYNCD_CANCEL__HEADERS__X-Token" in shown
    assert "a-secret-of-the-shop" not in shown
