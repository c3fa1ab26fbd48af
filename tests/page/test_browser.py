"""The pages in a real browser: what an operator sees, and that nothing which a shop can write runs there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from syncd.model import Pause
from tests.made import NOON
from tests.page.conftest import PICTURES
from tests.page.scenes import PageInputs, a_change, good_day, hold_some, trouble
from tests.state.made import outcome, stage, take, write_down

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
        if "net::ERR_FAILED" not in message.text:  # a test cut the connection
            complaints.append(message.text)

    def note(request: Request) -> None:
        asked.append(request.url)

    context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1200, "height": 900}, **options})
    page = context.new_page()
    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", note)
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.clock.install()
    page.goto(url)
    yield page
    context.close()
    assert complaints == []
    assert [address for address in asked if not address.startswith(url)] == []


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"page-{name}.png", full_page=True)


@pytest.fixture
def day(shown: PageInputs) -> PageInputs:
    good_day(shown)
    return shown


def test_a_glance_tells_that_statuses_reach_buyers(day: PageInputs, url: str, browser: Browser) -> None:
    looks: dict[str, dict[str, Any]] = {
        "good": {},
        "good-dark": {"color_scheme": "dark"},
        "good-phone-ru": {"locale": "ru-RU", "viewport": {"width": 390, "height": 844}, "is_mobile": True},
    }
    for name, options in looks.items():
        with opened(browser, url, **options) as page:
            picture(page, name)
            said = "Статусы доходят до покупателей" if "ru" in name else "Statuses reach buyers"
            expect(page.get_by_role("heading", level=1)).to_have_text(said)


def test_a_glance_tells_what_is_in_the_way(day: PageInputs, url: str, browser: Browser) -> None:
    trouble(day.memory)
    phone = {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}
    looks: dict[str, dict[str, Any]] = {"bad": {}, "bad-phone-dark": phone}
    for name, options in looks.items():
        with opened(browser, url, **options) as page:
            picture(page, name)
            expect(page.get_by_role("heading", level=1)).to_have_text("Statuses do not reach buyers")
            expect(page.locator("#verdict")).to_contain_text("HTTP 401: key is not valid")


@pytest.fixture
def hostile(shown: PageInputs) -> PageInputs:
    """200 orders whose every text would run if it could."""
    names = [f"{number} {HOSTILE[number % len(HOSTILE)]}" for number in range(200)]
    stage(shown.memory, *(a_change(name, NOON, name, name) for name in names), now=NOON)
    failed = [outcome(push, "retry", error=push.order_id, next_attempt_at=NOON) for push in take(shown.memory, 200)]
    write_down(shown.memory, *failed)
    shown.memory.outbox.record_and_claim([], 0, Pause("tls", NOON, HOSTILE[0]), NOON)
    shown.memory.polls.record_poll(NOON, HOSTILE[1])
    shown.faults = HOSTILE[:4]
    return shown


def test_text_of_the_shop_makes_no_tag(hostile: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url) as page:
        picture(page, "hostile")
        assert page.locator("main script, main [onload], main [onerror], main img:not(#verdict > img)").count() == 0
        links = page.locator("td a")
        shown = links.count()
        assert shown > 10
        addresses = [str(links.nth(row).get_attribute("href")) for row in range(shown)]
        assert all(address.startswith("/order?id=") for address in addresses)
        page.locator("td a").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("199 a")


def test_hostile_orders_are_plain_text_on_their_pages(hostile: PageInputs, url: str, browser: Browser) -> None:
    """All 200 are fetched by one page and parsed by the browser; a few of them are opened."""
    ids = [change.order_id for change in hostile.memory.reports.changes()]
    assert len(ids) == 200
    with opened(browser, f"{url}/") as page:
        tags = page.evaluate(
            """async (ids) => {
                let tags = 0;
                for (const id of ids) {
                    const answer = await fetch("/order?id=" + encodeURIComponent(id));
                    const story = new DOMParser().parseFromString(await answer.text(), "text/html");
                    if (!story.querySelector("h1")) throw new Error(id);
                    tags += story.querySelectorAll("main :is(script, img, svg, [onerror], [onload])").length;
                }
                return tags;
            }""",
            ids,
        )
        assert tags == 0
        for order_id in ids[: len(HOSTILE)]:
            page.get_by_role("searchbox").fill(order_id)
            page.get_by_role("button", name="Find").click()
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.title().endswith("· syncd")


def test_an_order_is_found_by_keyboard_alone(day: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "order"
        page.keyboard.type("05671863")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Order 05671863")
        expect(page.get_by_role("region", name="Attempts")).to_contain_text("newStatus packed")
        picture(page, "order")


def test_page_refreshes_itself_and_says_when_it_cannot(day: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url) as page:
        page.get_by_role("searchbox").fill("001")
        trouble(day.memory)
        page.clock.run_for(11_000)
        expect(page.get_by_role("heading", level=1)).to_have_text("Statuses do not reach buyers")
        expect(page).to_have_title("✗ Statuses do not reach buyers · syncd")
        expect(page.get_by_role("searchbox")).to_have_value("001")
        page.route("**/*", lambda route: route.abort())
        expect(page.get_by_role("alert")).to_be_hidden()
        page.clock.run_for(11_000)
        expect(page.get_by_text("this page is out of date")).to_be_visible()


def test_page_without_scripts_is_whole_and_reloads(day: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url, java_script_enabled=False) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Statuses reach buyers")
        assert page.locator('meta[http-equiv="refresh"]').get_attribute("content") == "30"


def test_page_fits_the_width_of_a_phone(hostile: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url, viewport={"width": 320, "height": 640}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        picture(page, "hostile-phone")
        page.locator("td a").first.click()
        page.wait_for_url("**/order?*")  # a click waits until the page comes, not until it has its style
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_everything_that_can_be_used_has_a_name(day: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url) as page:
        for role in ("img", "link", "button", "searchbox", "search", "table", "columnheader"):
            for part in page.get_by_role(role).all():
                assert role in ("search", "table") or part.aria_snapshot().strip(f"- {role}").strip(), role


BROKEN_WORDS = """() => {
    const broken = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode, word = document.createRange();
        for (const found of text.data.matchAll(/[^ \\n]+/g)) {
            if (found[0].length > 24) continue;
            word.setStart(text, found.index);
            word.setEnd(text, found.index + found[0].length);
            const lines = new Set([...word.getClientRects()].map((part) => Math.round(part.top)));
            if (lines.size > 1) broken.push(found[0]);
        }
    }
    return broken;
}"""
"""Short words that stand on two lines; a no-break space is part of a word."""
UNLABELLED = """() => [...document.querySelectorAll("td[data-label]")]
    .filter((cell) => !getComputedStyle(cell, "::before").content.includes(cell.dataset.label)).length"""


@pytest.mark.parametrize("locale", ["en-GB", "ru-RU"])
def test_no_word_breaks_at_any_width(day: PageInputs, url: str, browser: Browser, locale: str) -> None:
    hold_some(day.memory)
    with opened(browser, url, locale=locale) as page:
        for path in ("/", "/order?id=05671863", "/order?id=05671710", "/order?id=5671863"):
            page.goto(f"{url}{path}")
            for width in (1200, 800, 400):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate(BROKEN_WORDS) == [], f"{path} at {width}"
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} at {width}"


def test_phone_names_every_figure(day: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url, viewport={"width": 400, "height": 900}) as page:
        expect(page.get_by_text("Order number", exact=True)).to_be_in_viewport()
        for path in ("/", "/order?id=05671863"):
            page.goto(f"{url}{path}")
            assert page.locator("td[data-label]").count() > 5
            assert page.evaluate(UNLABELLED) == 0


def test_newest_change_is_readable_at_a_glance(day: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url) as page:
        newest = page.get_by_role("region", name="Last changes").get_by_role("row").nth(1)
        for said in ("05671863", "new → packed", "Готов к выдаче", "delivered in 3.4", "ready_for_pickup", "9 s ago"):
            expect(newest).to_contain_text(said, use_inner_text=True)


def test_whole_answer_unfolds_and_stays_so(day: PageInputs, url: str, browser: Browser) -> None:
    with opened(browser, url) as page:
        answer = page.get_by_text("uuid cfe64e76-dbc4-4f0f-b9d1-7423aeb6f104")
        expect(answer).to_be_hidden()
        page.get_by_text("whole answer").first.click()
        expect(answer).to_be_visible()
        trouble(day.memory)
        page.clock.run_for(11_000)
        expect(page.get_by_role("heading", level=1)).to_have_text("Statuses do not reach buyers")
        expect(answer).to_be_visible()


def test_one_click_selects_a_command(day: PageInputs, url: str, browser: Browser) -> None:
    hold_some(day.memory)
    with opened(browser, url) as page:
        page.locator("code", has_text="syncd changes --state dead").click()
        assert page.evaluate("getSelection().toString()") == "syncd changes --state dead"
