"""Notices and heartbeats of the daemon and of the commands, to a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread

from syncd.runtime.daemon import Daemon
from syncd.settings import load
from syncd.verdict import Patience
from tests.e2e.world import World
from tests.notify.conftest import Receiver

FAST = Patience(fault=timedelta(milliseconds=300))
OFTEN = timedelta(milliseconds=50)


@contextmanager
def daemon(world: World, **env: str) -> Iterator[None]:
    """The daemon within this process, which looks often and has no patience."""
    running = Daemon(load({**world.env, **env}, usual_env_files=()).settings, patience=FAST, look_every=OFTEN)
    thread = Thread(target=running.run)
    thread.start()
    try:
        yield
    finally:
        running.stop()
        thread.join(20)


def settings(receiver: Receiver) -> dict[str, str]:
    return {"SYNCD_NOTIFY__URLS": receiver.url, "SYNCD_NOTIFY__HEARTBEAT_URL": receiver.heartbeat_url}


def test_daemon_tells_of_troubles_and_their_end(world: World, receiver: Receiver) -> None:
    """A slow notifier holds up neither polls nor pushes, and no secret is in what is told."""
    world.shop.put("1", "new")
    world.done("once")
    receiver.goes_on.clear()
    with daemon(world, **settings(receiver)):
        world.shop.put("2", None)
        world.wait(lambda: "/T0KEN-T0KEN-T0KEN" in receiver.asked, "somebody is being told")
        world.shop.put("1", "packed")
        world.wait(lambda: world.sandbox.orders.get("1") == "packed", "the change is pushed meanwhile")
        receiver.goes_on.set()
        world.wait(lambda: receiver.notices, "it is told")
        world.shop.run("ALTER TABLE orders RENAME TO away")
        world.wait(lambda: len(receiver.notices) == 2, "it is told that the shop cannot be read")
        world.shop.run("ALTER TABLE away RENAME TO orders")
        world.wait(lambda: len(receiver.notices) == 3, "it is told that this is over")
        assert world.metric("syncd_notices_total", {"result": "sent"}) == 3
    assert [title for title, _ in receiver.notices] == [
        "syncd: Rows of the shop cannot be read as orders: 1",
        "syncd: The shop cannot be read: what changes there is not seen",
        "syncd: 1 trouble over; 1 trouble left",
    ]
    told = str(receiver.notices)
    assert ("Orders: 2." in told, "test-key" in told, world.sandbox.url in told) == (True, False, False)


def test_heart_beats_while_the_daemon_is_ready(world: World, receiver: Receiver) -> None:
    world.shop.put("1", "new")
    world.done("once")
    with daemon(world, SYNCD_NOTIFY__HEARTBEAT_URL=receiver.heartbeat_url):
        world.wait(lambda: receiver.asked, "the heart beats")
    assert receiver.notices == []


def test_once_tells_and_sends_a_heartbeat(world: World, receiver: Receiver) -> None:
    """For hosts where cron runs it; what the last run told is not told again."""
    world.shop.put("1", None)
    for _ in range(2):
        assert world.syncd("once", **settings(receiver)).returncode == 0
    assert [title for title, _ in receiver.notices] == ["syncd: Rows of the shop cannot be read as orders: 1"]
    assert receiver.asked.count("/ping/9a1b2c3d-4e5f") == 2
    world.shop.run("DROP TABLE orders")
    assert world.syncd("once", **settings(receiver)).returncode == 1
    assert receiver.asked.count("/ping/9a1b2c3d-4e5f") == 2


def test_test_notice_says_what_became_of_it(world: World, receiver: Receiver) -> None:
    world.fresh = True
    sent = world.syncd("notify", "--test", SYNCD_NOTIFY__URLS=receiver.url)
    assert (sent.returncode, sent.stdout) == (0, "1: json://  sent\n")
    assert receiver.notices[0][0] == "syncd: a test"
    receiver.status = 500
    world.fresh = False
    failed = world.syncd("notify", "--test", SYNCD_NOTIFY__URLS=f"{receiver.url} nosuch://S3CRET-S3CRET")
    assert failed.returncode == 1
    assert "error=500" in failed.stdout
    assert "2: nosuch://  Apprise does not know such a URL" in failed.stdout
    assert "S3CRET" not in failed.stdout + failed.stderr
    unset = world.syncd("notify", "--test")
    assert (unset.returncode, "SYNCD_NOTIFY__URLS: is not set" in unset.stderr) == (2, True)
