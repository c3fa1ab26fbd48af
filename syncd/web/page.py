"""The status page at `/`, and one order's story: for people, read-only, and nothing from elsewhere.

What the shop and IMSHOP wrote is shown as text: the templates escape everything, and the policy below would let no
script of theirs run if they did not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Protocol, TypeVar

from flask import Blueprint, Response, abort, make_response, render_template, request
from flask.blueprints import BlueprintSetupState
from jinja2 import StrictUndefined

from syncd import __version__
from syncd.errors import StateError
from syncd.explain import Explained, order_facts, seen_facts
from syncd.model import ChangeState
from syncd.state import ChangeWithAttempt, HalfHour, PollView, Summary
from syncd.text import printable
from syncd.web.charts import Lags, lag_chart, lags, push_chart
from syncd.web.translations import Language, Words
from syncd.web.verdict import judge, unreadable

T = TypeVar("T")

CHANGES_SHOWN = 15
STORY_SHOWN = 100
LONGEST_ID = 200
DAY_IS_FRESH = 10.0
"""Seconds for which the figures of the day are shown again, whoever asks how often."""
REFRESH_SECONDS = 30
"""Where no script runs."""
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ASSETS: Mapping[str, str] = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "good.svg": "image/svg+xml",
    "look.svg": "image/svg+xml",
    "bad.svg": "image/svg+xml",
}


class Memory(Protocol):
    """The little that the page needs of the state. Every method may raise StateError."""

    def summary(self) -> Summary: ...

    def oldest_by_state(self) -> Mapping[ChangeState, datetime]: ...

    def last_polls(self) -> Sequence[PollView]: ...

    def newest_changes(self, limit: int) -> Sequence[ChangeWithAttempt]: ...

    def last_day(self, now: datetime) -> Sequence[HalfHour]: ...


class Reader(Protocol):
    def __call__(self, read: Callable[[], T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class Found:
    """All that the state says for the overview, read in one go."""

    summary: Summary
    oldest: Mapping[ChangeState, datetime]
    polls: Sequence[PollView]
    told: Sequence[ChangeWithAttempt]
    day: Sequence[HalfHour]
    leads: bool


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages show. `faults`: what is wrong with this daemon itself; `explain` may raise StateError. `read`
    makes a read of `memory` end in time, with a StateError if need be."""

    memory: Memory
    read: Reader
    source_kind: str
    leads: Callable[[], bool]
    faults: Callable[[], list[str]]
    explain: Callable[[str], Explained]
    now: Callable[[], datetime]


class RecentDay:
    """The figures of the day, read anew only when they are no longer fresh."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._read: tuple[datetime, Sequence[HalfHour]] | None = None

    def __call__(self, now: datetime) -> Sequence[HalfHour]:
        read = self._read
        if read is None or not 0 <= (now - read[0]).total_seconds() < DAY_IS_FRESH:
            read = self._read = now, self._memory.last_day(now)
        return read[1]


def pages(shown: Pages) -> Blueprint:
    """The routes `/`, `/order` and `/page/…`."""
    blueprint = Blueprint("page", __name__, template_folder="templates")
    blueprint.record_once(_strictly)
    day = RecentDay(shown.memory)
    assets = {name: files("syncd.web").joinpath("assets", name).read_bytes() for name in ASSETS}

    @blueprint.get("/")
    def overview() -> Response:
        now = shown.now()
        try:
            found = shown.read(lambda: _found(shown, day(now)))
        except StateError as error:
            return _page("overview.html", 503, now, verdict=unreadable(str(error)), readable=False)
        return _page("overview.html", 200, now, readable=True, **_overview(shown, found, now))

    @blueprint.get("/order")
    def order() -> Response:
        now, order_id = shown.now(), request.args.get("id", "").strip()[:LONGEST_ID]
        try:
            explained = shown.explain(order_id)
        except StateError as error:
            return _page("order.html", 503, now, order_id=order_id, error=str(error))
        code = 200 if explained.is_known else 404
        return _page("order.html", code, now, order_id=order_id, error=None, **_story(explained))

    @blueprint.get("/page/<name>")
    def asset(name: str) -> Response:
        if name not in assets:
            abort(404)
        return _guarded(make_response(assets[name]), ASSETS[name])

    return blueprint


def _strictly(setup: BlueprintSetupState) -> None:
    setup.app.jinja_env.undefined = StrictUndefined


def _found(shown: Pages, day: Sequence[HalfHour]) -> Found:
    memory = shown.memory
    told, polls = memory.newest_changes(CHANGES_SHOWN), memory.last_polls()
    return Found(memory.summary(), memory.oldest_by_state(), polls, told, day, shown.leads())


def _overview(shown: Pages, found: Found, now: datetime) -> dict[str, object]:
    summary, told = found.summary, lags(found.day)
    return {
        "verdict": judge(summary, leads=found.leads, faults=shown.faults(), now=now),
        "summary": summary,
        "oldest": {"pending": summary.oldest_pending_at, **found.oldest},
        "polls": found.polls,
        "told": found.told,
        "lags": told,
        "lag_chart": lag_chart(found.day),
        "push_chart": push_chart(found.day),
        "source_kind": shown.source_kind,
        **_spoken(told),
    }


def _spoken(told: Lags) -> dict[str, object]:
    """The lags as they are said."""
    words = _words()
    return {
        "lag_now": "–" if told.now is None else words.span(told.now),
        "lag_day": "–" if told.median is None else words.span(told.median),
        "lag_most": None if told.most is None else words.span(told.most),
    }


def _story(explained: Explained) -> dict[str, object]:
    story, now = explained.story, explained.now
    return {
        "known": explained.is_known,
        "in_shop": order_facts(now.order) if now.order else None,
        "fault": now.fault,
        "seen": seen_facts(story) or None,
        "cancelled": explained.cancelled[:STORY_SHOWN],
        "changes": story.changes[:STORY_SHOWN],
        "attempts": story.attempts[-STORY_SHOWN:],
        "shown_at_most": STORY_SHOWN,
    }


def _words() -> Words:
    best: Language = "ru" if request.accept_languages.best_match(["en", "ru"], "en") == "ru" else "en"
    return Words(best)


def _page(template: str, status: int, now: datetime, **values: object) -> Response:
    words = _words()
    html = render_template(
        template,
        _=words,
        now=now,
        at=lambda moment: words.moment(moment, now),
        ago=lambda moment: words.ago(moment, now),
        cell=lambda value: words.moment(value, now) if isinstance(value, datetime) else printable(value),
        safe=printable,
        zone=_zone(now),
        version=__version__,
        refresh_seconds=REFRESH_SECONDS,
        **values,
    )
    answer = make_response(html, status)
    answer.headers["Content-Language"] = words.language
    answer.headers["Vary"] = "Accept-Language"
    return _guarded(answer, "text/html; charset=utf-8")


def _zone(now: datetime) -> str:
    offset = f"{now.astimezone():%z}"
    return f"UTC{offset[:3]}:{offset[3:5]}"


def _guarded(answer: Response, content_type: str) -> Response:
    answer.content_type = content_type
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Frame-Options"] = "DENY"
    return answer
