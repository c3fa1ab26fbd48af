"""From Settings to the parts: the only place that knows both. `daemon`, `cli` and `demo` put them to work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import SystemRandom
from uuid import uuid4

from syncd.cancel import CommandShop, Desk, HttpShop, Shop, SqlShop, words
from syncd.deliver import Clocks, Deliverer, Limits, Outbox
from syncd.imshop import Imshop
from syncd.logs import fields
from syncd.model import Cancellation, Outcome
from syncd.poll import Poller
from syncd.redact import Redactor
from syncd.settings import Settings
from syncd.sources import Api, ApiSource, DatabaseSource, Source, StatusList
from syncd.state import State, open_state
from syncd.statuses import StatusesFile

log = logging.getLogger("syncd")


def now() -> datetime:
    return datetime.now(UTC)


def redactor(settings: Settings) -> Redactor:
    return Redactor(settings.secrets())


def clocks() -> Clocks:
    return Clocks(now, time.monotonic, SystemRandom())


def source(settings: Settings) -> Source:
    """The shop. Nothing is connected yet."""
    return _api(settings) if settings.source.is_api else _database(settings)


def _database(settings: Settings) -> DatabaseSource:
    shop = settings.source
    return DatabaseSource(
        url=shop.url.get_secret_value(),
        query=shop.sql,
        timezone=shop.timezone,
        lookback=shop.lookback,
        lookback_rows=shop.lookback_rows,
        batch=shop.batch,
        query_when=shop.query_when,
        query_else=shop.query_else,
        statuses_query=shop.statuses_query,
        tracking_template=shop.tracking_template,
        message_is_change=shop.message_is_change,
        init_sql=shop.init_sql,
        redact=redactor(settings),
    )


def _api(settings: Settings) -> ApiSource:
    shop = settings.source
    return ApiSource(
        api=Api(
            url=shop.url.get_secret_value(),
            path=shop.path,
            query_params={name: value.get_secret_value() for name, value in shop.query_params.items()},
            headers={name: value.get_secret_value() for name, value in shop.headers.items()},
            auth=shop.auth.get_secret_value() if shop.auth else None,
            paging=shop.paging,
            first_page=shop.first_page,
            next=shop.next,
            items=shop.items,
            fields=shop.fields,
            where=shop.where,
            statuses=StatusList(
                path=shop.statuses_path,
                items=shop.statuses_items,
                code=shop.statuses_code,
                name=shop.statuses_name,
                complain=lambda why: log.warning("status_names_unusable", extra=fields(error=why)),
            ),
            since_format=shop.since_format,
            rate=shop.rate,
            retry_after_ms_header=shop.retry_after_ms_header,
            timeout_seconds=shop.timeout.total_seconds(),
            complain=lambda why: log.error("page_names_itself", extra=fields(error=why)),
        ),
        timezone=shop.timezone,
        lookback=shop.lookback,
        lookback_rows=shop.lookback_rows,
        batch=shop.batch,
        tracking_template=shop.tracking_template,
        message_is_change=shop.message_is_change,
        redact=redactor(settings),
    )


def source_kind(settings: Settings) -> str:
    """The shop's database in one word: `sqlite`, `mysql`, `postgresql`…; or `api`."""
    if settings.source.is_api:
        return "api"
    return settings.source.url.get_secret_value().split(":", 1)[0].split("+", 1)[0]


def state_is_shared(settings: Settings) -> bool:
    """Whether daemons on several hosts can work on the state: a file is on one."""
    return not settings.state.url.get_secret_value().startswith("sqlite")


def state(settings: Settings, *, create: bool) -> State:
    """The state, brought up to this version. StateError."""
    return open_state(settings.state.url.get_secret_value(), redact=redactor(settings), create=create)


def imshop(settings: Settings) -> Imshop:
    """IMSHOP's endpoint. SettingsError if it cannot be used as configured."""
    to = settings.imshop
    return Imshop(
        url=to.url.get_secret_value(),
        api_key=to.api_key.get_secret_value() if to.api_key else None,
        auth=to.auth,
        send_id_as=to.id,
        timeout_seconds=to.timeout.total_seconds(),
        connections=to.concurrency,
        clock=now,
        redact=redactor(settings),
    )


def poller(
    settings: Settings, shop: Source, memory: State, statuses: StatusesFile, progress: Callable[[int], None]
) -> Poller:
    return Poller(
        source=shop,
        state=memory,
        verdict=statuses.verdict,
        max_changes=settings.guard.max_changes,
        lookback=settings.source.lookback,
        push_first=settings.first_run == "push",
        progress=progress,
    )


def deliverer(
    settings: Settings,
    outbox: Outbox,
    endpoint: Imshop,
    statuses: StatusesFile,
    observe: Callable[[Outcome], None],
    beat: Callable[[], None] = lambda: None,
) -> Deliverer:
    to = settings.imshop
    limits = Limits(to.concurrency, to.rate, to.give_up_after)
    return Deliverer(outbox, endpoint, lambda: statuses.now, limits, clocks(), observe=observe, beat=beat)


def cancelling_shop(settings: Settings) -> HttpShop | CommandShop | SqlShop | None:
    """The shop's own means to cancel; None: none is configured. Nothing is connected yet."""
    to, redact = settings.cancel, redactor(settings)
    if to.url:
        headers = {name: value.get_secret_value() for name, value in to.headers.items()}
        return HttpShop(to.url.get_secret_value(), to.method, to.body, headers, redact)
    if to.command:
        return CommandShop(to.command, redact)
    if to.sql:
        url = to.database_url or settings.source.url
        return SqlShop(url.get_secret_value(), to.sql, to.timeout.total_seconds(), redact)
    return None


def desk(
    settings: Settings,
    inbox: State,
    shop: Shop,
    observe: Callable[[Cancellation], None],
    repeated: Callable[[Cancellation], None],
) -> Desk:
    to = settings.cancel
    return Desk(
        inbox=inbox,
        shop=shop,
        timeout=to.timeout,
        status=to.status,
        message=to.message,
        refusal=words.REFUSED,
        now=now,
        monotonic=time.monotonic,
        pause=time.sleep,
        new_token=lambda: str(uuid4()),
        observe=observe,
        repeated=repeated,
    )
