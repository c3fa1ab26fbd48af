"""How long buyers wait when the daemon that leads is gone, and what they hear twice or in the wrong order meanwhile.

Two daemons on a state in PostgreSQL, and a shop in which an order changes every 50 ms. What counts is the time until
IMSHOP hears of a change that the shop made after the fault.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from syncd.sandbox import Failure, Sandbox
from tests.bench.figures import Figure
from tests.e2e.pair import Pair, Side, now
from tests.e2e.world import World
from tests.servers import DROP_POSTGRESQL, postgresql_url, throw_away_database

ORDERS = 60
EVERY = 0.05
ANSWER_SECONDS = 0.3
FROZEN_SECONDS = 60.0
AWAY_SECONDS = 75.0
AT_MOST = 60.0

Fault = Callable[[Side], None]


def figures(home: Path) -> Iterator[Figure]:
    for name, (fault, mend, at_most) in FAULTS.items():
        yield from _two(home / name.split()[0], name, fault, mend, at_most)
    yield from _alone(home / "alone")


def _two(home: Path, name: str, fault: Fault, mend: Fault, at_most: float) -> Iterator[Figure]:
    with pair(home) as two:
        leader, _ = two.start_both()
        with two.flow(ORDERS, EVERY):
            time.sleep(5)
            since = now()
            fault(leader)
            took = two.seconds_until_told_anew(since, AT_MOST)
            time.sleep(3)
            mend(leader)
            time.sleep(5)
        two.wait_for_rest(60)
        yield Figure(f"another pushes after {name}", took, "", at_most=at_most, unit="s")
        yield from _order(two, name)


def _alone(home: Path) -> Iterator[Figure]:
    """A lone daemon, whose network swallows every packet for a while."""
    with pair(home) as two:
        side = two.sides[0]
        two.start(side)
        two.world.port = side.port
        two.world.wait(side.leads, "it leads")
        with two.flow(ORDERS, EVERY):
            time.sleep(5)
            side.relay.freeze()
            time.sleep(AWAY_SECONDS)
            since = now()
            side.relay.mend()
            took = two.seconds_until_told_anew(since, AT_MOST)
        two.wait_for_rest(60)
        yield Figure("a lone daemon works again", took, f"after {AWAY_SECONDS:g} s of silence", at_most=10, unit="s")
        yield from _order(two, "silence")


def _order(two: Pair, name: str) -> Iterator[Figure]:
    older, overlaps = two.older_after_newer(), two.world.sandbox.overlaps
    facts = f"{len(two.heard)} requests, {two.repeated()} of them repeated, {overlaps} overlapping"
    yield Figure(f"older after newer, {name}", len(older), facts, at_most=0, unit="")
    yield Figure(f"orders wrong in the end, {name}", len(two.wrong()), "", at_most=0, unit="")


@contextmanager
def pair(home: Path, **env: str) -> Iterator[Pair]:
    home.mkdir()
    slow = Failure("slow", seconds=ANSWER_SECONDS)
    with (
        throw_away_database(postgresql_url(), drop=DROP_POSTGRESQL) as state,
        Sandbox(key="test-key", behave=lambda _: slow) as sandbox,
    ):
        world = World(home, sandbox)
        world.fresh = True
        world.env.update({"SYNCD_GUARD__MAX_CHANGES": "0", **env})
        for number in range(ORDERS):
            world.shop.put(f"{number:03d}", "new")
        two = Pair(world, state)
        try:
            yield two
        finally:
            two.close()
            world.close()


def _frozen(leader: Side) -> None:
    leader.signal(signal.SIGSTOP)


def _thawed(leader: Side) -> None:
    time.sleep(FROZEN_SECONDS)
    leader.signal(signal.SIGCONT)


FAULTS: Mapping[str, tuple[Fault, Fault, float]] = {
    "kill -9": (lambda leader: leader.signal(signal.SIGKILL), lambda _: None, 10),
    "SIGTERM": (lambda leader: leader.signal(signal.SIGTERM), lambda _: None, 5),
    f"SIGSTOP for {FROZEN_SECONDS:g} s": (_frozen, _thawed, 10),
    "cut connections": (lambda leader: leader.relay.cut(), lambda leader: leader.relay.mend(), 10),
    "silent connections": (lambda leader: leader.relay.freeze(), lambda leader: leader.relay.mend(), 10),
}
