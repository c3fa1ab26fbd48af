"""Two daemons, a moody IMSHOP, and a fault every few seconds, for as long as one likes: `--minutes`."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random, SystemRandom

from syncd.sandbox import by_chance
from tests.bench.failover import ORDERS, pair
from tests.bench.figures import Figure
from tests.crash.imshop import STORM
from tests.e2e.pair import Pair, Side

REST_SECONDS = 180.0


def figures(home: Path, minutes: float) -> Iterator[Figure]:
    seed = SystemRandom().randrange(10**6)
    rng = Random(seed)
    done: Counter[str] = Counter()
    with pair(home / "storm", SYNCD_IMSHOP__TIMEOUT="2s") as two:
        two.start_both()
        two.world.sandbox.behave = by_chance(STORM, rng)
        ends_at = time.monotonic() + minutes * 60
        with two.flow(ORDERS, 0.1):
            while time.monotonic() < ends_at:
                time.sleep(rng.uniform(1, 6))
                side = rng.choice(two.sides)
                done[_fault(two, side, rng)] += 1
        two.world.sandbox.behave = None
        for side in two.sides:
            side.relay.mend()
            if side.process is None or side.process.poll() is not None:
                two.start(side)
        two.wait_for_rest(REST_SECONDS)
        faults = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
        facts = f"seed {seed}; {len(two.heard)} requests, {two.repeated()} repeated; {faults}"
        yield Figure(f"orders wrong after {minutes:g} min of storm", len(two.wrong()), facts, at_most=0, unit="")
        older = two.older_after_newer()
        yield Figure("older after newer", len(older), "; ".join(older[:3]), at_most=0, unit="")
        yield Figure("tracebacks in the logs", two.world.log().count("Traceback"), "", at_most=0, unit="")


def _fault(two: Pair, side: Side, rng: Random) -> str:
    """One thing goes wrong, and is mended again after a while; its name."""
    fault = rng.choice(["kills", "orderly ends", "freezes", "cuts", "silences"])
    if fault in ("kills", "orderly ends"):
        side.signal(signal.SIGKILL if fault == "kills" else signal.SIGTERM)
        assert side.process is not None
        side.process.wait(30)
        time.sleep(rng.uniform(0, 3))
        two.start(side)
    elif fault == "freezes":
        side.signal(signal.SIGSTOP)
        time.sleep(rng.uniform(1, 15))
        side.signal(signal.SIGCONT)
    else:
        (side.relay.cut if fault == "cuts" else side.relay.freeze)()
        time.sleep(rng.uniform(1, 15))
        side.relay.mend()
    return fault
