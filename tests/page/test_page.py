"""The pages as they are served: languages, headers, what they say, and what they do when the state fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from prometheus_client import CollectorRegistry

from syncd.cli.commands import COMMANDS as NAMES
from syncd.errors import StateError
from syncd.model import CancelRequest
from syncd.reasons import Verdict
from syncd.shop_lookup import LookupResult
from syncd.web import AppDependencies, create_app, create_page
from syncd.web.markup import COMMANDS, with_commands
from syncd.web.page import ASSETS, CHANGES_SHOWN, POLICY
from tests.made import NOON
from tests.page.scenes import PageInputs, a_change, good_day, hold_some
from tests.state.made import deliver, outcome, stage, take, write_down

RUSSIAN = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}


@pytest.fixture
def client(shown: PageInputs) -> FlaskClient:
    app = create_app(
        AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict), create_page(shown.dependencies())
    )
    return app.test_client()


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "Statuses reach buyers"),
        ({"Accept-Language": "de"}, "Statuses reach buyers"),
        ({"Accept-Language": "ru;q=0.5, en"}, "Statuses reach buyers"),
        (RUSSIAN, "Статусы доходят до покупателей"),
    ],
)
def test_the_browsers_language_decides(client: FlaskClient, headers: Mapping[str, str], said: str) -> None:
    answer = client.get("/", headers=headers)
    assert said in answer.text
    assert answer.headers["Vary"] == "Accept-Language"


@pytest.mark.parametrize("path", ["/", "/order?id=7", "/order?id=none", "/page/page.js", "/page/bad.svg"])
def test_the_policy_lets_nothing_in_from_elsewhere(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert POLICY.startswith("default-src 'none'; style-src 'self'; script-src 'self'; ")
    assert (headers["Cache-Control"], headers["X-Frame-Options"]) == ("no-store", "DENY")


def test_only_assets_are_served_with_their_types(client: FlaskClient) -> None:
    for name, content_type in ASSETS.items():
        answer = client.get(f"/page/{name}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert client.get("/page/page.py").status_code == 404


def test_nothing_can_be_changed_from_the_pages(client: FlaskClient) -> None:
    assert {client.post(path).status_code for path in ("/", "/order?id=7", "/page/page.js")} == {405}


def test_unreadable_state_is_the_verdict_and_503(shown: PageInputs, client: FlaskClient) -> None:
    def locked(*_: object) -> None:
        raise StateError("the state is <locked>")

    shown.memory.reports.summary = locked  # type: ignore[assignment,method-assign]
    answer = client.get("/")
    assert answer.status_code == 503
    assert "Statuses do not reach buyers" in answer.text
    assert "the state is &lt;locked&gt;" in answer.text
    shown.memory.reports.story = locked  # type: ignore[assignment,method-assign]
    answer = client.get("/order?id=7")
    assert (answer.status_code, "the state is &lt;locked&gt;" in answer.text) == (503, True)


def test_an_order_that_nobody_knows_is_not_found(shown: PageInputs, client: FlaskClient) -> None:
    shown.in_shop = LookupResult(None)
    answer = client.get("/order?id=404")
    assert answer.status_code == 404
    assert "Neither the shop nor syncd knows this order" in answer.text


def test_an_order_is_told_as_explain_tells_it(shown: PageInputs, client: FlaskClient) -> None:
    stage(shown.memory, a_change("7", NOON))
    deliver(shown.memory)
    shown.in_shop = LookupResult(None, "the shop did not answer within 5 s")
    said = client.get("/order?id=+7+").text
    for text in (
        "the shop did not answer within 5 s",
        "last seen as",
        "status packed",
        "imshopStatus processing",
        "200",
    ):
        assert text in said


def test_nothing_steers_the_screen_wherever_it_stands(shown: PageInputs, client: FlaskClient) -> None:
    hostile = "\u202egnp\x9b31m\x85\u2066\u200f\u2028"
    stage(shown.memory, a_change(hostile, NOON))
    deliver(shown.memory)
    shown.memory.inbox.receive(CancelRequest("current", hostile, None, hostile), "token", NOON, NOON)
    shown.memory.polls.record_poll(NOON, hostile)
    shown.in_shop = LookupResult(None, hostile)
    for path in ("/", f"/order?id={quote(hostile)}"):
        said = client.get(path).text.replace("\n", "")
        assert "gnp" in said
        assert [character for character in said if not (character.isprintable() or character == "\xa0")] == []


def test_cancellation_shows_in_the_story_of_its_order(shown: PageInputs, client: FlaskClient) -> None:
    assert "Cancelled in the app" not in client.get("/order?id=7").text
    shown.memory.inbox.receive(CancelRequest("current", "7", None, "<i>too late</i>"), "token", NOON, NOON)
    said = client.get("/order?id=7").text
    assert "Cancelled in the app" in said
    assert "received" in said
    assert "&lt;i&gt;too" in said


def test_only_the_newest_changes_are_shown(shown: PageInputs, client: FlaskClient) -> None:
    stage(shown.memory, *(a_change(f"{number:03}", NOON) for number in range(CHANGES_SHOWN + 1)))
    said = client.get("/").text
    assert f'"/order?id={CHANGES_SHOWN:03}"' in said
    assert '"/order?id=000"' not in said


def test_day_is_read_again_once_it_is_stale(shown: PageInputs, client: FlaskClient) -> None:
    read = []
    day = shown.memory.reports.last_day
    shown.memory.reports.last_day = lambda now: read.append(now) or day(now)  # type: ignore[method-assign,func-returns-value]
    for seconds in (0, 9, 10, 5):
        shown.now = NOON + timedelta(seconds=seconds)
        assert client.get("/").status_code == 200
    assert [(at - NOON).total_seconds() for at in read] == [0, 10, 5]


def test_each_poll_shows_its_result_or_its_fault(shown: PageInputs, client: FlaskClient) -> None:
    shown.memory.polls.record_poll(NOON, None, kind="full", rows=4321, changes=17)
    shown.memory.polls.record_poll(NOON, "the shop is <gone>")
    said = client.get("/").text
    for text in ("4321", "17", "full", "the shop is &lt;gone&gt;"):
        assert text in said


def test_unknown_order_leads_to_a_similar_one(shown: PageInputs, client: FlaskClient) -> None:
    stage(shown.memory, a_change("0010003", NOON))
    shown.in_shop = LookupResult(None)
    answer = client.get("/order?id=10003")
    assert answer.status_code == 404
    assert '<a href="/order?id=0010003">' in answer.text


def test_order_that_was_refused_says_what_to_do(shown: PageInputs, client: FlaskClient) -> None:
    stage(shown.memory, a_change("7", NOON))
    write_down(shown.memory, outcome(take(shown.memory)[0], "refused", error="order not found"))
    said = client.get("/order?id=7").text
    assert "The buyer does not see what the shop says" in said
    told = "IMSHOP refused it, so this buyer was not told: <bdi>order not found</bdi>. Once IMSHOP knows the order"
    assert f"{told}: <code>syncd retry 1</code>" in said


@pytest.mark.parametrize(
    ("sentence", "commands"),
    [
        (
            "See: syncd changes --state held. Then run syncd release or syncd discard --held",
            ["syncd changes --state held", "syncd release", "syncd discard --held"],
        ),
        ("Fix it, then run: syncd cancellations retry ID", ["syncd cancellations retry ID"]),
        ("Then push again: syncd retry --refused 3h", ["syncd retry --refused 3h"]),
        ("Tell them: syncd resync ORDER. Then accept it", ["syncd resync ORDER"]),
        ("Then run: syncd resync 0501 A-12/3", ["syncd resync 0501 A-12/3"]),
        ("Correct SYNCD_IMSHOP__API_KEY, then restart syncd", ["SYNCD_IMSHOP__API_KEY"]),
        ("Mend <it>, then sudo systemctl restart syncd. syncd tells them", ["sudo systemctl restart syncd"]),
    ],
)
def test_commands_in_sentences_are_code(sentence: str, commands: list[str]) -> None:
    marked = re.sub("</?span.*?>", "", with_commands(sentence))
    assert re.findall("<code>(.*?)</code>", marked) == commands
    assert re.sub("</?code>", "", marked) == escape(sentence)


def test_every_command_can_be_told_from_prose() -> None:
    assert sorted(COMMANDS) == sorted(NAMES)


PROPER = {"syncd", "IMSHOP", "UTC", "HTTP", "JSON", "UUID", "SQLite", "sqlite"}
"""What is the same in Russian."""
SHOPS = re.compile(
    r"<(bdi|code|q|title|style|script)\b.*?</\1>|<span class=\"(said|reads)[^>]*>.*?</span>|<dd.*?</dd>", re.DOTALL
)
"""What the shop and IMSHOP wrote, and commands."""


def test_nothing_is_left_untranslated(shown: PageInputs, client: FlaskClient) -> None:
    good_day(shown)
    hold_some(shown.memory)
    shown.stands_by, shown.faults = "stands by", ["stuck"]
    shown.memory.polls.record_poll(NOON, None, kind="full")
    for path in ("/", "/order?id=05671863", "/order?id=05671710", "/order?id=05671701", "/order?id=5671863"):
        page = re.sub('<span class="(?:long|word)">(.*?)</span>', r"\1", client.get(path, headers=RUSSIAN).text)
        words = set(re.findall("[A-Za-z]{2,}", re.sub(r"<[^>]*>|courier_wait|SYNCD_\w+", " ", SHOPS.sub("", page))))
        assert words - PROPER == set(), path
