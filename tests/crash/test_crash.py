"""`syncd run` is killed again and again while the shop moves and IMSHOP misbehaves; at the end IMSHOP knows the shop.

CRASH_KILLS says how often (12), CRASH_SEED what chance decides; the seed of a failed run is in its output.

A killed daemon's request is still served for a while: `slow` applies it up to 0.3 s later. The next daemon needs longer
than that to start, so what it sends is also applied later. Against an IMSHOP that takes longer no client could
promise anything: the protocol has nothing to tell an old request from a new one by.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random, SystemRandom

from tests.crash.imshop import MoodyImshop
from tests.crash.shop import QUERY, MovingShop
from tests.crash.verdict import Story
from tests.e2e.world import World, end

KILLS = int(os.environ.get("CRASH_KILLS", "12"))
BASELINE_KILLS = 2
MOVE_SECONDS = 0.015
MOODS = ["calm", "stormy", "stormy", "stormy", "slow", "silent", "locked", "gone"]
QUIET_WITHIN = 90.0
"""A change that failed four times waits up to 16 s, and few fail oftener; a probe waits up to 30 s."""

ENV = {
    "SYNCD_SOURCE__QUERY": QUERY,
    "SYNCD_SOURCE__BATCH": "20",
    "SYNCD_SOURCE__LOOKBACK": "1m",
    "SYNCD_POLL__INTERVAL": "100ms",
    "SYNCD_POLL__RECONCILE": "",
    "SYNCD_IMSHOP__CONCURRENCY": "8",
    "SYNCD_IMSHOP__TIMEOUT": "1s",
}


@dataclass
class Attack:
    """One merchant's server on its worst day."""

    world: World
    shop: MovingShop
    imshop: MoodyImshop
    rng: Random
    killed_at: list[datetime] = field(default_factory=list)

    def baseline(self) -> None:
        """The first poll, which a kill interrupts too. It tells nobody."""
        for _ in range(BASELINE_KILLS):
            daemon = self.world.start()
            time.sleep(self.rng.uniform(0.3, 1.0))
            daemon.kill()
            daemon.wait()
        end(self.world.started())
        assert self.imshop.sandbox.requests == 0

    def kill_one(self) -> None:
        """A third is killed while it starts, the others when they have something to lose."""
        mood = self.rng.choice(MOODS)
        self.imshop.mood(mood)
        heard = self.imshop.sandbox.requests
        daemon = self.world.start()
        if self.rng.random() > 1 / 3:
            self._live(1.5 if mood == "gone" else 5.0, until=lambda: self.imshop.sandbox.requests > heard)
        self._live(self.rng.uniform(0.0, 0.6))
        daemon.kill()
        assert daemon.wait() == -9, f"it ended by itself: {self.world.log()[-2000:]}"
        self.killed_at.append(datetime.now(UTC))

    def settle(self) -> None:
        """The shop stands still, IMSHOP is well, and one daemon is left alone."""
        self.imshop.mood("calm")
        since = datetime.now(UTC)
        daemon = self.world.started()
        self.world.wait(lambda: self._is_quiet(since), "nothing waits any more", QUIET_WITHIN)
        assert end(daemon) == 0

    def story(self) -> Story:
        broke_at = self.killed_at + self.imshop.broke_at
        return Story(self.shop.history, self.imshop.sandbox.applied, self.imshop.heard, broke_at)

    def _live(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at and not until():
            self.shop.move()
            time.sleep(MOVE_SECONDS)

    def _is_quiet(self, since: datetime) -> bool:
        """Whether a poll that began after `since` is over, and nothing waits."""
        status = self.world.status()
        waiting = status["changes"]["pending"] + status["changes"]["held"]
        return waiting == 0 and datetime.fromisoformat(status["source"]["last_success_at"]) > since


@contextmanager
def attack(home: Path, **env: str) -> Iterator[Attack]:
    seed = os.environ.get("CRASH_SEED") or str(SystemRandom().randrange(10**6))
    print(f"CRASH_SEED={seed} CRASH_KILLS={KILLS}")  # noqa: T201 - pytest shows it where the test fails
    rng = Random(seed)
    imshop = MoodyImshop(rng)
    with ExitStack() as stack:
        stack.callback(imshop.sandbox.stop)
        world = World(home, imshop.sandbox)
        stack.callback(world.close)
        world.fresh = True
        world.env.update(ENV | {"SYNCD_SOURCE__URL": f"sqlite:///{home}/moving.db"} | env)
        shop = MovingShop(world.env["SYNCD_SOURCE__URL"], rng, orders=150)
        stack.callback(shop.close)
        yield Attack(world, shop, imshop, rng)


def survive(attack: Attack, kills: int = KILLS) -> None:
    attack.baseline()
    for _ in range(kills):
        attack.kill_one()
    attack.settle()
    story = attack.story()
    print(f"{len(attack.killed_at)} kills, {len(story.heard)} requests, {len(story.applied)} applied")  # noqa: T201 - as above
    assert story.untold() == []
    assert story.out_of_order() == []
    assert story.repeated() == []
    assert attack.imshop.sandbox.overlaps == 0
    left = attack.world.json("status")["changes"]
    assert [left[state] for state in ("pending", "held", "refused", "dead", "discarded")] == [0] * 5
    assert "Traceback" not in attack.world.log()


def test_sqlite_state_survives_kills(tmp_path: Path) -> None:
    """Nothing is lost, and no older status arrives after a newer one."""
    with attack(tmp_path) as one:
        survive(one)


def test_full_compares_survive_kills(tmp_path: Path) -> None:
    """The shop has no timestamps, so every poll compares everything."""
    with attack(tmp_path, SYNCD_SOURCE__QUERY=QUERY.replace("changed AS updated_at, ", "")) as one:
        survive(one, kills=KILLS // 4)


def test_postgresql_state_survives_kills(tmp_path: Path, postgresql_database: str, mariadb_database: str) -> None:
    """Nothing is lost, and no older status arrives after a newer one."""
    with attack(tmp_path, SYNCD_STATE__URL=postgresql_database, SYNCD_SOURCE__URL=mariadb_database) as one:
        survive(one)
