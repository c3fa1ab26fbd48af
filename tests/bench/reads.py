"""What people and Prometheus read while many changes wait: as fast with 200,000 of them as with 1,000.

Half of them are pending, and half are held by the guard. The answers of the daemon are asked for in this process;
commands are whole processes, most of whose time is their start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlalchemy import text

from syncd.explain import Explanation
from syncd.runtime import composition
from syncd.runtime.health import as_json
from syncd.runtime.metrics import StateCollector
from syncd.state import State, open_state
from syncd.verdict import Situation, judge
from syncd.web import AppDependencies, PageDependencies, create_app, create_page
from tests.bench.daemon import SYNCD
from tests.bench.figures import Figure, compared, cpu_of
from tests.bench.shops import database

FEW, MANY = 1_000, 200_000
DONE = 20_000  # changes that ended, in both states
AT_MOST = 1.5
ROUNDS = 15
COMMAND_ROUNDS = 9
COMMANDS = ("status", "changes", "changes --state held", "changes --state dead")
_CHANGES = """
    INSERT INTO changes (
        order_id, revision, status, previous_status, content, with_payment,
        detected_at, found_by, state, hold, next_attempt_at, ended_at
    )
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows)
    SELECT
        :state || n, 1, 'packed', 'new', '{"status":"packed"}', false,
        1790000000000000 + n, 'cursor', :state, :hold, 1790000000000000 + n, cast(:ended AS bigint)
    FROM numbers
"""


def figures(home: Path) -> Iterator[Figure]:
    for name in ("sqlite", "postgresql"):
        with ExitStack() as stack:
            urls = [stack.enter_context(database(name, home)) for _ in range(2)]
            states = [stack.enter_context(closing(open_state(url, redact=str))) for url in urls]
            for state, waiting in zip(states, (FEW, MANY), strict=True):
                _fill(state, waiting)
            few, many = (_answers(state) for state in states)
            for path in few:
                yield _figure(name, path, many[path], few[path], ROUNDS)
            for command in COMMANDS:
                one, other = (partial(cpu_of, [*SYNCD, *command.split()], _environment(url)) for url in urls)
                yield _figure(name, f"syncd {command}", other, one, COMMAND_ROUNDS)


def _figure(database: str, what: str, many: Callable[[], object], few: Callable[[], object], rounds: int) -> Figure:
    measured = compared(many, few, rounds)
    facts = measured.facts(f"{MANY:,} wait", f"{FEW:,} wait", rounds)
    return Figure(f"{what}, {database}", measured.ratio, facts, at_most=AT_MOST)


def _fill(state: State, waiting: int) -> None:
    rows = (
        ("dead", None, 100, 1790000000000000),
        ("delivered", None, DONE, 1790000000000000),
        ("pending", None, waiting // 2, None),
        ("held", "guard", waiting // 2, None),
    )
    with state.store.write() as connection:
        for name, hold, number, ended in rows:
            connection.execute(text(_CHANGES), {"state": name, "hold": hold, "rows": number, "ended": ended})
    if state.store.engine.dialect.name == "postgresql":
        with state.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE changes"))
    state.polls.record_poll(composition.now(), None)


def _answers(state: State) -> Mapping[str, Callable[[], object]]:
    """Each path, and what asks for it. The figures of the day, which the page keeps for ten seconds, count little."""
    registry = CollectorRegistry()

    def known() -> Situation:
        return Situation(state.reports.summary(), state.reports.recent())

    registry.register(StateCollector(known, lambda: True, "0", composition.now))
    views = AppDependencies(
        registry=registry,
        stuck=dict,
        verdict=lambda: judge(known(), composition.now()),
        status=lambda: as_json(known(), source_kind="sqlite", leader=True, now=composition.now()),
    )
    page = PageDependencies(
        reports=state.reports,
        read=lambda read: read(),
        source_kind="sqlite",
        known=known,
        explain=lambda order_id: Explanation(state.reports.story(order_id)),
        now=composition.now,
    )

    client = create_app(views, create_page(page)).test_client()

    def asked(path: str) -> None:
        answer = client.get(path)
        assert answer.status_code in (200, 503), answer.text

    return {path: partial(asked, path) for path in ("/", "/metrics", "/readyz", "/api/status")}


def _environment(url: str) -> dict[str, str]:
    return os.environ | {
        "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
        "SYNCD_SOURCE__URL": "sqlite:////nowhere/shop.db",
        "SYNCD_SOURCE__QUERY": "SELECT order_id, status FROM orders",
        "SYNCD_STATE__URL": url,
    }
