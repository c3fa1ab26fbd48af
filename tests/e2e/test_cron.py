"""A host without daemons: cron runs `syncd once --cron` each minute, and mails whatever it prints."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from syncd.sandbox import Failure
from syncd.state import open_state
from tests.e2e.forked import Forked
from tests.e2e.world import World
from tests.servers import execute


def minute(world: World, command: str = "once", **env: str) -> list[str]:
    """The mail of one run, a line each; empty: none. No run prints on stdout."""
    ran = world.syncd(command, "--cron", **env)
    assert ran.stdout == ""
    return ran.stderr.splitlines()


def minutes(world: World, **env: str) -> list[list[str]]:
    """The mails of three runs."""
    return [minute(world, **env) for _ in range(3)]


def told(world: World) -> list[tuple[str, str]]:
    return [(applied.id, applied.code) for applied in world.sandbox.applied]


def ends(runs: Sequence[Forked]) -> list[tuple[int, str]]:
    """Exit status and output of each."""
    printed = ["".join(run.communicate(60)) for run in runs]
    return [(run.wait(), text) for run, text in zip(runs, printed, strict=True)]


@pytest.fixture
def shop(world: World) -> World:
    """A shop whose baseline is taken."""
    for number in ("1", "2"):
        world.shop.put(number, "new")
    assert minute(world) == []
    return world


def test_runs_without_trouble_print_nothing(shop: World) -> None:
    shop.shop.put("1", "packed")
    assert minutes(shop) == [[], [], []]
    assert minute(shop, "reconcile") == []
    assert told(shop) == [("1", "packed")]


def test_trouble_of_the_shop_is_told_twice(shop: World) -> None:
    """When it begins and when it is over."""
    shop.shop.run("ALTER TABLE orders RENAME TO away")
    begun, *later = minutes(shop)
    assert [line.startswith("syncd: The shop cannot be read: what changes there is not seen: ") for line in begun] == [
        True
    ]
    assert later == [[], []]
    shop.shop.run("ALTER TABLE away RENAME TO orders")
    assert minutes(shop) == [["syncd: over: The shop cannot be read: what changes there is not seen"], [], []]


def test_trouble_that_becomes_red_is_told_again(shop: World) -> None:
    shop.shop.run("ALTER TABLE orders RENAME TO away")
    assert len(minute(shop)) == 1
    with closing(sqlite3.connect(shop.home / "state.db", isolation_level=None)) as state:
        long_ago = (datetime.now(UTC) - timedelta(minutes=11)).isoformat()
        state.execute(
            "UPDATE facts SET value = json_set(value, '$.last_success_at', ?) WHERE name = 'source'", [long_ago]
        )
    (worse,), *later = minutes(shop)
    assert worse.startswith("syncd: worse now: The shop cannot be read")
    assert later == [[], []]


def test_trouble_that_another_one_hides_is_not_over(shop: World) -> None:
    """While delivery is paused nobody knows whether the quiet would have ended."""
    shop.shop.put("1", "packed")
    minute(shop)
    with closing(sqlite3.connect(shop.home / "state.db", isolation_level=None)) as state:
        now = datetime.now(UTC)
        times = {"since": (now - timedelta(days=90)).isoformat(), "longest": 3600}
        state.execute("UPDATE facts SET value = json_patch(value, ?) WHERE name = 'quiet'", [json.dumps(times)])
        long_ago = (now - timedelta(days=30)).isoformat()
        state.execute("UPDATE facts SET value = ? WHERE name = 'last_delivered_at'", [json.dumps(long_ago)])
    (quiet,) = minute(shop)
    assert quiet.startswith("syncd: Nothing was delivered for 30 d")
    shop.shop.put("2", "packed")
    (paused,) = minute(shop, SYNCD_IMSHOP__API_KEY="wrong-key")
    assert paused.startswith("syncd: Delivery is paused")
    assert len(minute(shop)) == 2


def test_each_trouble_is_told_by_itself(shop: World) -> None:
    shop.shop.put("1", "packed")
    wrong = {"SYNCD_IMSHOP__API_KEY": "wrong-key"}
    (begun,) = minute(shop, **wrong)
    assert begun.startswith("syncd: Delivery is paused: IMSHOP does not accept the key: ")
    shop.shop.run("ALTER TABLE orders RENAME TO away")
    (also,) = minute(shop, **wrong)
    assert also.startswith("syncd: The shop cannot be read: what changes there is not seen: ")
    assert minute(shop, **wrong) == []
    assert minute(shop) == ["syncd: over: Delivery is paused: IMSHOP does not accept the key"]
    assert told(shop) == [("1", "packed")]


def test_held_changes_are_told_once_until_decided(shop: World) -> None:
    for number in ("1", "2"):
        shop.shop.put(number, "archived")
    begun, *later = minutes(shop, SYNCD_GUARD__MAX_CHANGES="1")
    advice = "See: syncd changes --state held. Then run syncd release or syncd discard --held"
    assert begun == [f"syncd: Held changes wait for your decision: 2. {advice}"]
    assert later == [[], []]
    shop.done("discard", "--held")
    assert minutes(shop) == [["syncd: over: Held changes wait for your decision: 2"], [], []]


def test_a_push_that_is_tried_again_is_no_news(shop: World) -> None:
    shop.shop.put("1", "packed")
    shop.sandbox.behave = lambda _: Failure("http", status=503)
    assert minute(shop) == []
    shop.sandbox.behave = None
    shop.done("retry", str(shop.json("changes")[0]["id"]))
    assert minute(shop) == []
    assert told(shop) == [("1", "packed")]


@pytest.mark.parametrize(
    ("broken", "status", "says"),
    [
        ({"SYNCD_POLL__INTERVAL": "soon"}, 2, "SYNCD_POLL__INTERVAL: "),
        ({"SYNCD_STATE__URL": "sqlite:////no/such/folder/state.db"}, 1, "its directory does not exist"),
    ],
)
def test_trouble_before_the_state_is_told_twice(shop: World, broken: dict[str, str], status: int, says: str) -> None:
    """When the settings or the state cannot be used, and when syncd can run again."""
    (begun,), *later = minutes(shop, **broken)
    assert says in begun
    assert later == [[], []]
    assert shop.syncd("once", "--cron", **broken).returncode == status
    assert minutes(shop) == [["syncd: over: syncd can run again"], [], []]


def test_exit_status_says_what_silence_does_not(shop: World) -> None:
    shop.shop.run("ALTER TABLE orders RENAME TO away")
    assert [shop.syncd("once", "--cron").returncode for _ in range(2)] == [1, 1]


def test_a_second_run_ends_silently(shop: World) -> None:
    """While the first one delivers: the second one neither polls nor pushes."""
    shop.shop.put("1", "packed")
    answers = Event()
    shop.sandbox.behave = lambda _: Failure("http") if not answers.wait(30) else None
    first = shop.forked("once", "--cron")
    shop.wait(lambda: shop.sandbox.requests == 1, "the first run pushes")
    shop.shop.put("2", "packed")
    assert ends([shop.forked("once", "--cron") for _ in range(3)]) == [(0, "")] * 3
    assert first.poll() is None
    answers.set()
    assert [change["order_id"] for change in shop.json("changes")] == ["1"]
    assert ends([first]) == [(0, "")]
    assert minute(shop) == []
    assert sorted(told(shop)) == [("1", "packed"), ("2", "packed")]


def test_runs_that_start_together_push_once(shop: World) -> None:
    shop.shop.put("1", "packed")
    assert ends([shop.forked("once", "--cron") for _ in range(6)]) == [(0, "")] * 6
    assert told(shop) == [("1", "packed")]


def test_a_full_compare_waits_for_a_poll(shop: World) -> None:
    """The next one may be a day away."""
    shop.shop.run("UPDATE orders SET state = 'packed', changed = '2001-01-01 00:00:00' WHERE number = '2'")
    with closing(open_state(shop.env["SYNCD_STATE__URL"], redact=str)) as state:
        lease = state.poll_lease()
        assert lease.acquire()
        compare = shop.forked("reconcile", "--cron")
        assert ends([shop.forked("once", "--cron")]) == [(0, "")]
        assert compare.poll() is None
        lease.release()
    assert ends([compare]) == [(0, "")]
    assert told(shop) == [("2", "packed")]


def test_a_daemon_beside_it_leaves_nothing_to_do(shop: World) -> None:
    shop.started()
    assert minutes(shop) == [[], [], []]


def test_a_run_that_hangs_is_told_once(shop: World) -> None:
    """By those that cannot run beside it."""
    with closing(open_state(shop.env["SYNCD_STATE__URL"], redact=str)) as state:
        state.polls.record_poll(datetime.now(UTC) - timedelta(hours=2), None)
    with closing(open_state(shop.env["SYNCD_STATE__URL"], redact=str)) as state:
        lease = state.lease()
        assert lease.acquire()
        (begun,), *later = minutes(shop)
        lease.release()
    assert begun.startswith("syncd: The shop was not polled for an hour: another process works on this state (process ")
    assert later == [[], []]
    assert minutes(shop) == [["syncd: over: The shop was not polled for an hour"], [], []]


def test_what_waits_is_delivered_while_the_shop_is_away(shop: World) -> None:
    shop.shop.put("1", "packed")
    shop.sandbox.behave = lambda _: Failure("http", status=503)
    minute(shop)
    shop.sandbox.behave = None
    shop.done("retry", str(shop.json("changes")[0]["id"]))
    shop.shop.run("ALTER TABLE orders RENAME TO away")
    ran = shop.syncd("once")
    assert (ran.returncode, ran.stdout) == (1, "pushes: 1 delivered\n")
    assert told(shop) == [("1", "packed")]


def test_a_full_compare_deletes_what_is_old(shop: World) -> None:
    """Where no daemon does."""
    shop.shop.put("1", "packed")
    minute(shop)
    assert minute(shop, "reconcile") == []
    assert len(shop.json("changes")) == 1
    execute(shop.env["SYNCD_STATE__URL"], "UPDATE changes SET ended_at = 1")
    assert minute(shop, "reconcile") == []
    assert shop.json("changes") == []


def test_files_of_a_run_are_the_owners_alone(shop: World, tmp_path: Path) -> None:
    minute(shop, SYNCD_STATE__URL="sqlite:////no/such/folder/state.db")
    made = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert {mode for name, mode in made.items() if name.startswith(("state.db", "syncd."))} == {0o600}
