"""The daemon against an IMSHOP that misbehaves in every way the sandbox knows: the outcome, and that it recovers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import certifi

from syncd.sandbox import Failure, PushReceived
from tests.e2e.world import World, end
from tests.imshop.stub import Stub


@dataclass(frozen=True)
class Misstep:
    """How the first request for an order fails, how often its status takes effect in all, and what the log says."""

    failure: Failure
    applied: int
    says: str


ONCE, TWICE = 1, 2
MISSTEPS = {
    "500": Misstep(Failure("http", status=500), ONCE, "HTTP 500"),
    "503": Misstep(Failure("http", status=503, body="html"), ONCE, "HTTP 503"),
    "504-applied": Misstep(Failure("http", status=504, applied=True), TWICE, "may have been applied"),
    "429-seconds": Misstep(Failure("http", status=429, retry_after=3), ONCE, "asks to wait"),
    "503-date": Misstep(Failure("http", status=503, retry_at=3), ONCE, "HTTP 503"),
    "404-page": Misstep(Failure("http", status=404, body="html"), ONCE, "not in IMSHOP's protocol"),
    "timeout": Misstep(Failure("timeout", seconds=3), ONCE, "No answer"),
    "late": Misstep(Failure("late", seconds=3), TWICE, "No answer"),
    "drop": Misstep(Failure("drop"), ONCE, "No answer"),
    "cut-before": Misstep(Failure("cut", at="before"), TWICE, "No answer"),
    "cut-middle": Misstep(Failure("cut", at="middle"), TWICE, "broke off"),
    "html": Misstep(Failure("html", applied=True), TWICE, "may have been applied"),
    "nosuccess": Misstep(Failure("nosuccess", applied=True), TWICE, "may have been applied"),
    "badjson": Misstep(Failure("badjson"), TWICE, "may have been applied"),
    "endless": Misstep(Failure("endless", seconds=3), ONCE, "longer than 64 KiB"),
    "drip": Misstep(Failure("drip", seconds=5), TWICE, "may have been applied"),
}


@dataclass
class Behaviour:
    """A `behave` for the sandbox: what is in `missteps` meets the first request of its order. Keeps all requests."""

    missteps: dict[str, Misstep]
    heard: dict[str, list[PushReceived]] = field(default_factory=dict)

    def __call__(self, received: PushReceived) -> Failure | None:
        requests = self.heard.setdefault(received.order_id, [])
        requests.append(received)
        misstep = self.missteps.get(received.order_id)
        return misstep.failure if misstep and len(requests) == 1 else None

    def waited(self, order_id: str) -> timedelta:
        """From the first request of an order to the second."""
        first, second, *_ = self.heard[order_id]
        return second.at - first.at


def told(world: World) -> list[str]:
    return [applied.id for applied in world.sandbox.applied]


def is_paused(world: World, reason: str) -> bool:
    return bool(world.status()["delivery"]["reason"] == reason)


def has_told_all(world: World, orders: Sequence[str], status: str) -> bool:
    return world.sandbox.orders == dict.fromkeys(orders, status) and bool(
        world.status()["delivery"]["state"] == "flowing"
    )


def is_all_written_down(world: World) -> bool:
    """IMSHOP has an answer's effect before the daemon has the answer."""
    return not world.status()["changes"]["pending"]


def test_every_single_failure_is_retried_until_delivered(world: World) -> None:
    for order_id in MISSTEPS:
        world.shop.put(order_id, "new")
    world.started(SYNCD_IMSHOP__TIMEOUT="1s", SYNCD_IMSHOP__CONCURRENCY="20")
    behaviour = world.sandbox.behave = Behaviour(MISSTEPS)
    for order_id in MISSTEPS:
        world.shop.put(order_id, "packed")
    world.wait(lambda: world.status()["changes"]["delivered"] == len(MISSTEPS), "all are delivered")
    changes = {change["order_id"]: change for change in world.json("changes")}
    for order_id, misstep in MISSTEPS.items():
        assert (order_id, changes[order_id]["attempts"]) == (order_id, 2)
        assert (order_id, told(world).count(order_id)) == (order_id, misstep.applied)
        assert misstep.says in changes[order_id]["last_error"]
    assert world.sandbox.overlaps == 0
    assert behaviour.waited("429-seconds") >= timedelta(seconds=3)
    assert behaviour.waited("503-date") >= timedelta(seconds=2)  # a date has no fraction of a second


def test_refused_and_slow_orders_block_no_other(world: World) -> None:
    others = [f"{number:02d}" for number in range(30)]
    for order_id in ("refused", "slow", *others):
        world.shop.put(order_id, "new")
    world.started(SYNCD_IMSHOP__CONCURRENCY="2", SYNCD_IMSHOP__TIMEOUT="30s")
    failures = {"refused": Failure("refuse"), "slow": Failure("slow", seconds=30)}
    world.sandbox.behave = lambda received: failures.get(received.order_id)
    world.shop.put("slow", "packed")
    world.wait(lambda: world.sandbox.in_flight, "the slow one is in flight")
    for order_id in ("refused", *others):
        world.shop.put(order_id, "packed")
    world.wait(lambda: sorted(told(world)) == others, "all others are told", 15)
    world.wait(lambda: world.sandbox.in_flight == 1, "only the slow one is in flight")


def test_change_after_a_refusal_is_pushed_at_once(world: World) -> None:
    """The refused change waits for its retry; the order's next change does not."""
    world.shop.put("1", "new")
    world.shop.put("2", "new")
    world.started()
    failures = {"1": Failure("refuse"), "2": Failure("othercode", code="elsewhere")}
    world.sandbox.behave = lambda received: failures.get(received.order_id)
    world.shop.put("1", "packed")
    world.shop.put("2", "packed")
    world.wait(lambda: world.metric("syncd_pushes_total", {"result": "retry"}) == 1, "the refusal is written down")
    world.wait(lambda: world.metric("syncd_pushes_total", {"result": "delivered"}) == 1, "another code is a yes")
    world.sandbox.behave = None
    world.shop.put("1", "sent")
    world.wait(lambda: world.status()["changes"]["delivered"] == 2, "the next change is delivered")
    [sent, packed] = world.json("changes", "--order", "1")
    assert (packed["status"], packed["state"], "Заказ не найден" in packed["last_error"]) == (
        "packed",
        "superseded",
        True,
    )
    assert (sent["status"], sent["state"], sent["attempts"]) == ("sent", "delivered", 1)


def test_endpoint_faults_pause_delivery_until_they_end(world: World) -> None:
    """No attempt is used up, and the key is never sent to where a redirect leads."""
    orders = [str(number) for number in range(5)]
    for order_id in orders:
        world.shop.put(order_id, "new")
    world.started()
    obstacles: list[tuple[str, Callable[[], object]]] = [
        ("unauthorized", lambda: setattr(world.sandbox, "key", "another")),
        ("unauthorized", lambda: setattr(world.sandbox, "behave", lambda _: Failure("http", status=403))),
        ("redirect", lambda: setattr(world.sandbox, "behave", lambda _: Failure("redirect"))),
        ("unreachable", world.sandbox.stop),
    ]
    for number, (reason, obstruct) in enumerate(obstacles):
        obstruct()
        for order_id in orders:
            world.shop.put(order_id, f"step {number}")
        world.wait(partial(is_paused, world, reason), f"{reason} pauses delivery")
        world.sandbox.key, world.sandbox.behave = "test-key", None
        if obstruct == world.sandbox.stop:
            world.sandbox.start()
        world.wait(partial(has_told_all, world, orders, f"step {number}"), f"{reason} is over", 10)
    world.wait(partial(is_all_written_down, world), "the last answers are written down")
    assert [change["attempts"] for change in world.json("changes")] == [1] * len(orders) * len(obstacles)
    assert world.sandbox.followed == 0


def test_silent_endpoint_is_probed_and_delivery_resumes(world: World) -> None:
    orders = [str(number) for number in range(20)]
    for order_id in orders:
        world.shop.put(order_id, "new")
    world.started()
    world.sandbox.behave = lambda _: Failure("drop")
    for order_id in orders:
        world.shop.put(order_id, "packed")
    world.wait(lambda: world.status()["delivery"]["reason"] == "no_answer", "delivery is paused")
    world.sandbox.behave = None
    world.wait(lambda: sorted(told(world)) == sorted(orders), "all are told once")
    world.wait(lambda: world.get("/readyz")[0] == 200, "it is ready again")


def test_untrusted_certificate_pauses_delivery_until_it_is_trusted(
    world: World, certificate: Path, tls_stub: Stub
) -> None:
    bundle = world.home / "bundle.pem"
    bundle.write_text(Path(certifi.where()).read_text())
    world.shop.put("1", "new")
    daemon = world.started(SYNCD_IMSHOP__URL=tls_stub.url, REQUESTS_CA_BUNDLE=str(bundle))
    world.shop.put("1", "packed")
    world.wait(lambda: world.status()["delivery"]["reason"] == "tls", "delivery is paused")
    assert "certificate" in world.get("/readyz")[1]
    assert tls_stub.received == []
    bundle.write_text(certificate.read_text())
    world.wait(lambda: world.status()["changes"]["delivered"] == 1, "the change is delivered")
    assert end(daemon) == 0
