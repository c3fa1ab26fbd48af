"""Two real daemons on one real PostgreSQL state: whatever happens to the leader, nothing older is told after it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import NullPool, create_engine, text

from syncd.sandbox import Failure
from tests.e2e.pair import Pair, Side
from tests.e2e.world import World
from tests.servers import execute

ORDERS = 12
SLOW = 1.5


@pytest.fixture
def pair(world: World, postgresql_database: str) -> Iterator[Pair]:
    """Both run, and IMSHOP takes its time: the leader always has requests under way, and some taken ahead."""
    world.env.update(SYNCD_IMSHOP__TIMEOUT="2s", SYNCD_IMSHOP__CONCURRENCY="4")
    for number in range(ORDERS):
        world.shop.put(f"{number:03d}", "new")
    pair = Pair(world, postgresql_database)
    try:
        yield pair
    finally:
        pair.close()


def with_pushes_under_way(pair: Pair) -> tuple[Side, Side]:
    leader, standby = pair.start_both()
    pair.world.sandbox.behave = lambda _: Failure("slow", seconds=SLOW)
    pair.change(*(f"{number:03d}" for number in range(ORDERS)))
    pair.world.wait(lambda: pair.world.sandbox.in_flight, "the leader pushes")
    return leader, standby


def newer_for_all(pair: Pair) -> None:
    pair.change(*(f"{number:03d}" for number in range(ORDERS)))


def comes_to_rest(pair: Pair) -> None:
    pair.world.sandbox.behave = None
    pair.wait_for_rest(60)
    assert pair.older_after_newer() == []
    assert pair.world.sandbox.overlaps == 0
    assert "Traceback" not in pair.world.log()


def test_a_leader_that_is_killed(pair: Pair) -> None:
    leader, standby = with_pushes_under_way(pair)
    leader.signal(signal.SIGKILL)
    newer_for_all(pair)
    pair.world.wait(standby.leads, "the other leads")
    comes_to_rest(pair)


def test_a_leader_that_ends_in_order(pair: Pair) -> None:
    """It lets the other one lead at once, and finishes what it has under way."""
    leader, standby = with_pushes_under_way(pair)
    assert leader.process is not None
    leader.signal(signal.SIGTERM)
    newer_for_all(pair)
    pair.world.wait(standby.leads, "the other leads")
    assert leader.process.wait(20) == 0
    comes_to_rest(pair)


def test_a_leader_that_is_frozen(pair: Pair) -> None:
    leader, standby = with_pushes_under_way(pair)
    leader.signal(signal.SIGSTOP)
    newer_for_all(pair)
    pair.world.wait(standby.leads, "the other leads")
    pair.world.sandbox.behave = None
    pair.wait_for_rest(60)
    leader.signal(signal.SIGCONT)
    pair.world.wait(lambda: "lease_lost" in pair.world.log(), "it finds out")
    newer_for_all(pair)
    comes_to_rest(pair)
    assert (leader.leads(), standby.leads()) == (False, True)


def test_leader_cut_off_from_the_state_is_replaced(pair: Pair) -> None:
    leader, standby = with_pushes_under_way(pair)
    leader.relay.cut()
    newer_for_all(pair)
    pair.world.wait(standby.leads, "the other leads")
    pair.world.sandbox.behave = None
    pair.wait_for_rest(60)
    leader.relay.mend()
    pair.world.wait(lambda: "standing_by" in pair.world.log().rpartition("lease_lost")[2], "it learns who leads")
    comes_to_rest(pair)
    assert pair.world.log().count('"lease_lost"') == 1


def test_leader_frozen_in_a_transaction_is_replaced(pair: Pair, postgresql_database: str) -> None:
    """Its session holds the writers' lock until the server ends the session as idle."""
    leader, standby = pair.start_both()
    execute(
        postgresql_database,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$",
        "CREATE TRIGGER slow BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    newer_for_all(pair)
    writing = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
        " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    pair.world.wait(lambda: _asked(postgresql_database, writing), "it writes")
    leader.signal(signal.SIGSTOP)
    execute(postgresql_database, "DROP TRIGGER slow ON changes")
    pair.world.wait(standby.leads, "the other leads")
    pair.wait_for_rest(60)
    leader.signal(signal.SIGCONT)
    comes_to_rest(pair)


def _asked(url: str, question: str) -> int:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.execute(text(question)).scalar_one())
