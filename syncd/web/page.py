"""The status page at `/` and one order's story at `/order`: for people, read-only, all of it from this server.

What the shop and IMSHOP wrote is shown as text: the templates escape everything, and the policy below would let no
script in it run if they did not.
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
from syncd.explain import NOBODY_KNOWS, Because, Explanation, buyer_reads, buyer_view, told_in_words
from syncd.model import ChangeState
from syncd.state import ChangeWithAttempt, HalfHour
from syncd.text import printable
from syncd.verdict import Situation, judge, unreadable
from syncd.web.charts import lag_chart, summarize_lags
from syncd.web.markup import breakable, command, own_words, value_of, with_commands
from syncd.web.translations import Translator
from syncd.wording import in_words, order_facts, seen_facts, steps

T = TypeVar("T")

CHANGES_SHOWN = 15
STORY_SHOWN = 100
LONGEST_ID = 200
DAY_IS_FRESH_SECONDS = 10.0
"""The figures of the day are read at most so often, however many browsers ask."""
REFRESH_SECONDS = 30
"""How often the page reloads in a browser that runs no scripts."""
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ASSETS: Mapping[str, str] = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "good.svg": "image/svg+xml",
    "warning.svg": "image/svg+xml",
    "bad.svg": "image/svg+xml",
}


class OverviewReports(Protocol):
    """The interface that the page requires of the state. Every method may raise StateError."""

    def oldest_by_state(self) -> Mapping[ChangeState, datetime]: ...

    def newest_changes(self, limit: int) -> Sequence[ChangeWithAttempt]: ...

    def last_day(self, now: datetime) -> Sequence[HalfHour]: ...


class BoundedRead(Protocol):
    """Returns what `read` returns. StateError: it failed, or took too long."""

    def __call__(self, read: Callable[[], T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class PageDependencies:
    """What the page is made from. `known` and `explain` may raise StateError."""

    reports: OverviewReports
    read: BoundedRead
    source_kind: str
    known: Callable[[], Situation]
    explain: Callable[[str], Explanation]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class OverviewData:
    """All that the overview shows of the state, from one read."""

    known: Situation
    oldest: Mapping[ChangeState, datetime]
    changes: Sequence[ChangeWithAttempt]
    day: Sequence[HalfHour]


class CachedDay:
    """The last 24 hours, read anew when the last reading is older than DAY_IS_FRESH_SECONDS."""

    def __init__(self, reports: OverviewReports) -> None:
        self._reports = reports
        self._last_reading: tuple[datetime, Sequence[HalfHour]] | None = None

    def __call__(self, now: datetime) -> Sequence[HalfHour]:
        reading = self._last_reading
        if reading is None or not 0 <= (now - reading[0]).total_seconds() < DAY_IS_FRESH_SECONDS:
            reading = self._last_reading = now, self._reports.last_day(now)
        return reading[1]


def create_page(page: PageDependencies) -> Blueprint:
    """The routes `/`, `/order` and `/page/…`."""
    blueprint = Blueprint("page", __name__, template_folder="templates")
    blueprint.record_once(_forbid_undefined)
    day = CachedDay(page.reports)
    assets = {name: files("syncd.web").joinpath("assets", name).read_bytes() for name in ASSETS}

    @blueprint.get("/")
    def overview() -> Response:
        now = page.now()
        try:
            data = page.read(lambda: _read_overview(page, day, now))
        except StateError as error:
            return _render("overview.html", 503, now, verdict=unreadable(str(error)), readable=False)
        return _render("overview.html", 200, now, readable=True, **_overview_values(page, data, now))

    @blueprint.get("/order")
    def order() -> Response:
        now, order_id = page.now(), request.args.get("id", "").strip()[:LONGEST_ID]
        try:
            explanation = page.explain(order_id)
        except StateError as error:
            return _render("order.html", 503, now, order_id=order_id, error=str(error))
        code = 200 if explanation.is_known else 404
        return _render("order.html", code, now, order_id=order_id, error=None, **_order_values(explanation))

    @blueprint.get("/page/<name>")
    def asset(name: str) -> Response:
        if name not in assets:
            abort(404)
        return _secured(make_response(assets[name]), ASSETS[name])

    return blueprint


def _forbid_undefined(setup: BlueprintSetupState) -> None:
    setup.app.jinja_env.undefined = StrictUndefined


def _read_overview(page: PageDependencies, day: CachedDay, now: datetime) -> OverviewData:
    return OverviewData(
        known=page.known(),
        oldest=page.reports.oldest_by_state(),
        changes=page.reports.newest_changes(CHANGES_SHOWN),
        day=day(now),
    )


def _overview_values(page: PageDependencies, data: OverviewData, now: datetime) -> dict[str, object]:
    summary = data.known.summary
    assert summary
    return {
        "verdict": judge(data.known, now),
        "summary": summary,
        "oldest": {"pending": summary.oldest_pending_at, **data.oldest},
        "polls": summary.polls,
        "changes": data.changes,
        "lags": summarize_lags(data.day),
        "lag_chart": lag_chart(data.day),
        "source_kind": page.source_kind,
        "reads": lambda change: buyer_reads(change, data.known.statuses),
    }


def _order_values(explanation: Explanation) -> dict[str, object]:
    story, in_shop = explanation.story, explanation.in_shop
    return {
        "known": explanation.is_known,
        "nobody_knows": NOBODY_KNOWS,
        "similar": explanation.similar,
        "view": buyer_view(explanation),
        "reads": lambda change: buyer_reads(change, explanation.statuses),
        "in_shop": order_facts(in_shop.order) if in_shop.order else None,
        "fault": in_shop.fault,
        "seen": seen_facts(story) or None,
        "cancellations": explanation.cancellations[:STORY_SHOWN],
        "changes": story.changes[:STORY_SHOWN],
        "attempts": story.attempts[-STORY_SHOWN:],
        "shown_at_most": STORY_SHOWN,
    }


def _render(template: str, status: int, now: datetime, **values: object) -> Response:
    is_russian = request.accept_languages.best_match(["en", "ru"], "en") == "ru"
    translate = Translator("ru" if is_russian else "en")
    offset = f"{now.astimezone():%z}"

    def at(moment: datetime) -> str:
        return translate.moment(moment, now)

    def cell(value: object) -> str:
        if isinstance(value, datetime):
            return translate.moment(value, now)
        if isinstance(value, bool):
            return translate("yes" if value else "no")
        return breakable(in_words(value, translate) if isinstance(value, Mapping) else value)

    def because(reason: Because) -> str:
        return reason.said(lambda phrase: own_words(translate(phrase)), lambda value: value_of(cell(value)))

    html = render_template(
        template,
        _=translate,
        now=now,
        at=at,
        ago=lambda moment: translate.ago(moment, now),
        cell=cell,
        because=because,
        told=lambda view: told_in_words(view, translate, at),
        steps=lambda change: steps(change, translate),
        safe=printable,
        text=breakable,
        command=command,
        with_commands=with_commands,
        zone=f"UTC{offset[:3]}:{offset[3:5]}",
        version=__version__,
        refresh_seconds=REFRESH_SECONDS,
        **values,
    )
    response = make_response(html, status)
    response.headers["Content-Language"] = translate.language
    response.headers["Vary"] = "Accept-Language"
    return _secured(response, "text/html; charset=utf-8")


def _secured(response: Response, content_type: str) -> Response:
    response.content_type = content_type
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Frame-Options"] = "DENY"
    return response
