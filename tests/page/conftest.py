"""A state as a shop leaves it in a day, the page on it, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from playwright.sync_api import Browser, sync_playwright
from prometheus_client import CollectorRegistry

from syncd.explain import Explanation, LookupResult
from syncd.model import Decision, Order
from syncd.reasons import Verdict
from syncd.state import State
from syncd.verdict import Situation
from syncd.web import AppDependencies, HttpServer, PageDependencies, create_app, create_page
from tests.made import NOON
from tests.servers import free_port
from tests.state.made import decision, outcome, stage, take, write_down

CHROMIUM = shutil.which("chromium")
PICTURES = Path(__file__).parent.parent.parent / "build"


@dataclass
class PageInputs:
    """What the page is shown from, and can be changed while it is shown."""

    memory: State
    now: datetime = NOON
    stands_by: str | None = None
    faults: list[str] = field(default_factory=list)
    in_shop: LookupResult = field(default_factory=lambda: LookupResult(Order("7", {"status": "packed"})))

    def explain(self, order_id: str) -> Explanation:
        return Explanation(
            self.memory.reports.story(order_id), self.in_shop, self.memory.reports.cancellations(order_id)
        )

    def known(self) -> Situation:
        reports = self.memory.reports
        return Situation(reports.summary(), reports.recent(), faults=self.faults, stands_by=self.stands_by)

    def dependencies(self) -> PageDependencies:
        return PageDependencies(
            reports=self.memory.reports,
            read=lambda read: read(),
            source_kind="sqlite",
            known=self.known,
            explain=self.explain,
            now=lambda: self.now,
        )


@pytest.fixture
def shown(memory: State) -> PageInputs:
    """One poll went well."""
    memory.polls.record_poll(NOON, None, rows=120)
    return PageInputs(memory)


@pytest.fixture
def url(shown: PageInputs) -> Iterator[str]:
    port = free_port()
    app = create_app(
        AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict), create_page(shown.dependencies())
    )
    server = HttpServer(app, "127.0.0.1", port)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed; run: apt-get install chromium")
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def past_day(memory: State, random: Random, until: datetime = NOON) -> None:
    """Some hundred pushes, as a shop makes them by day and hardly by night."""
    for slot in range(48):
        at = until - timedelta(minutes=30 * (48 - slot) - 5)
        busy = max(0, round(random.gauss(9, 3))) if 3 < (slot / 2 + 12) % 24 < 23 else random.randint(0, 1)
        changed = [a_change(f"{slot:02}{number:04}", at - timedelta(seconds=1)) for number in range(busy)]
        stage(memory, *changed, now=at)
        slow = 400.0 if slot in (30, 31) else 1.0
        for_each = [(push, at + timedelta(seconds=slow * random.uniform(2, 28))) for push in take(memory, now=at)]
        write_down(memory, *(outcome(push, now=ended) for push, ended in for_each), now=at)


def a_change(order_id: str, at: datetime, status: str = "packed", previous: str | None = "new") -> Decision:
    decided = decision(order_id, status)
    assert decided.change
    return replace(decided, change=replace(decided.change, source_updated_at=at, previous_status=previous))
