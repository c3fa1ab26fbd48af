"""The pages in a real browser: what an operator sees, and that nothing which a shop can write runs there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from syncd.model import Pause
from syncd.state import State
from tests.made import NOON
from tests.page.conftest import PICTURES, Desk, a_change, past_day
from tests.state.made import adopted, outcome, stage, take, write_down

HOSTILE = [
    "<script>document.title = 'run'; run()</script>",
    "<img src=x onerror=run()>",
    '"><svg onload=run()>',
    "'-run()-'",
    "javascript:run()",
    "{{ 7 * 7 }}{% raw %}",
    "</title><script>run()</script>",
    "</noscript><script>run()</script>",
    "\u202egnp.exe\u2066",
    "a\r\nSet-Cookie: b=c\x1b[31m",
]


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A page in a browser of its own, which asks nobody but `url` and complains of nothing."""
    asked: list[str] = []
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    def note(request: Request) -> None:
        asked.append(request.url)

    context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1200, "height": 900}, **options})
    page = context.new_page()
    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", note)
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(url)
    yield page
    context.close()
    assert complaints == []
    assert [address for address in asked if not address.startswith(url)] == []


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"page-{name}.png", full_page=True)


@pytest.fixture
def day(desk: Desk) -> Desk:
    """A shop that went well for a day."""
    past_day(desk.memory, Random(7))
    latest = [
        a_change(f"{104200 + number:08}", NOON, status) for number, status in enumerate(["packed", "sent", "new"])
    ]
    stage(desk.memory, *latest, now=NOON)
    seconds = timedelta(seconds=3)
    write_down(desk.memory, *(outcome(push, now=NOON + seconds) for push in take(desk.memory)), now=NOON + seconds)
    desk.memory.poll_ended(NOON + seconds, None, rows=3, changes=3)
    desk.now = NOON + timedelta(seconds=9)
    return desk


def test_a_glance_tells_that_statuses_reach_buyers(day: Desk, url: str, browser: Browser) -> None:
    for name, options in {
        "good": {},
        "good-dark": {"color_scheme": "dark"},
        "good-phone-ru": {"locale": "ru-RU", "viewport": {"width": 390, "height": 844}, "is_mobile": True},
    }.items():
        with opened(browser, url, **options) as page:
            picture(page, name)
            said = "Статусы доходят до покупателей" if "ru" in name else "Statuses reach buyers"
            expect(page.get_by_role("heading", level=1)).to_have_text(said)


def trouble(memory: State) -> None:
    stage(memory, *(a_change(f"9{number}", NOON, "lost") for number in range(4)), now=NOON - timedelta(hours=2))
    pushes = take(memory)
    write_down(
        memory,
        outcome(pushes[0], "dead", error="IMSHOP answered 500 for a day: internal error"),
        outcome(pushes[1], "refused", error="IMSHOP says no: order not found"),
        outcome(pushes[2], "retry", error="IMSHOP did not answer within 10 s", next_attempt_at=NOON),
    )
    stage(memory, a_change("95", NOON), now=NOON)
    memory.turn([], 0, Pause("unauthorized", NOON - timedelta(minutes=20), "HTTP 401: key is not valid"), NOON)
    memory.poll_ended(NOON, "the shop's database (mariadb at 10.0.0.7) cannot be reached: Connection refused")


def test_a_glance_tells_what_is_in_the_way(day: Desk, url: str, browser: Browser) -> None:
    trouble(day.memory)
    for name, options in {
        "bad": {},
        "bad-phone-dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    }.items():
        with opened(browser, url, **options) as page:
            picture(page, name)
            expect(page.get_by_role("heading", level=1)).to_have_text("Statuses do not reach buyers")
            expect(page.locator("#verdict")).to_contain_text("HTTP 401: key is not valid")
