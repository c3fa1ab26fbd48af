"""Makes the parts of the program from the settings. Nothing else knows both."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from random import SystemRandom
from uuid import uuid4

from syncd.cancel import (
    Canceller,
    CancelService,
    CommandCanceller,
    HttpCall,
    HttpCanceller,
    OrderLookup,
    SqlCanceller,
    protocol,
)
from syncd.errors import SettingsError
from syncd.http.addresses import origin, without_login
from syncd.imshop.push import ImshopClient
from syncd.logs import fields
from syncd.model import Cancellation, Outcome
from syncd.pipeline.deliver import Clocks, Deliverer, Limits, Outbox
from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import StatusesFile
from syncd.redact import Redactor
from syncd.settings import Settings
from syncd.sources import ApiConfig, ApiSource, DatabaseSource, Source, StatusList
from syncd.sources.api.page_fetcher import PagingWarning
from syncd.sources.api.request import join_path
from syncd.sql import grammar_of, select_items
from syncd.state import State, boottime, open_state

log = logging.getLogger("syncd")

COMPARED = {
    "status": ["status"],
    "tracking": ["tracking_url", "tracking_number"],
    "paid": ["paid"],
    "payment_id": ["payment_id"],
    "message": ["message"],
}
"""The columns of `syncd.model.Content`, and their names in a source."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What every process that polls and pushes needs."""

    statuses: StatusesFile
    endpoint: ImshopClient
    source: Source
    state: State


@contextmanager
def opened(settings: Settings) -> Iterator[Parts]:
    """The parts, closed at the end of the context. SettingsError, StateError: one of them cannot be used."""
    with ExitStack() as stack:
        statuses = StatusesFile(settings.statuses.file)
        endpoint = imshop(settings)
        stack.callback(endpoint.close)
        shop = source(settings)
        stack.callback(shop.close)
        opened_state = state(settings, create=True)
        stack.callback(opened_state.close)
        yield Parts(statuses, endpoint, shop, opened_state)


def now() -> datetime:
    return datetime.now(UTC)


def redactor(settings: Settings) -> Redactor:
    return Redactor(settings.secrets())


def clocks() -> Clocks:
    return Clocks(now, time.monotonic, SystemRandom(), boottime)


def source(settings: Settings) -> Source:
    """The shop's orders. Nothing is connected yet."""
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
        message_is_html=shop.message_is_html,
        init_sql=shop.init_sql,
        redact=redactor(settings),
    )


def _api(settings: Settings) -> ApiSource:
    shop = settings.source
    return ApiSource(
        api=ApiConfig(
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
            find_path=shop.find_path,
            find_number_path=shop.find_number_path,
            find_items=shop.find_items,
            statuses=StatusList(
                path=shop.statuses_path,
                items=shop.statuses_items,
                code=shop.statuses_code,
                name=shop.statuses_name,
                count=shop.statuses_count,
                warn=lambda why: log.warning("status_names_unusable", extra=fields(error=why)),
            ),
            since_format=shop.since_format,
            rate=shop.rate,
            retry_after_ms_header=shop.retry_after_ms_header,
            timeout_seconds=shop.timeout.total_seconds(),
            warn=_warn_of_paging,
        ),
        timezone=shop.timezone,
        lookback=shop.lookback,
        lookback_rows=shop.lookback_rows,
        batch=shop.batch,
        tracking_template=shop.tracking_template,
        message_is_change=shop.message_is_change,
        message_is_html=shop.message_is_html,
        redact=redactor(settings),
    )


def _warn_of_paging(what: PagingWarning, why: str) -> None:
    if what == "page_names_itself":
        log.error("page_names_itself", extra=fields(error=why))
    else:
        log.warning("more_pages", extra=fields(error=why))


def source_kind(settings: Settings) -> str:
    """The kind of the shop's database: `sqlite`, `mysql`, `postgresql`…; or `api`."""
    if settings.source.is_api:
        return "api"
    return settings.source.url.get_secret_value().split(":", 1)[0].split("+", 1)[0]


def state_is_shared(settings: Settings) -> bool:
    """Whether daemons on several hosts can share the state: a SQLite file cannot be shared."""
    return not settings.state.url.get_secret_value().startswith("sqlite")


def state(settings: Settings, *, create: bool) -> State:
    """The state, brought up to this version. StateError."""
    return open_state(settings.state.url.get_secret_value(), redact=redactor(settings), create=create)


def imshop(settings: Settings) -> ImshopClient:
    """IMSHOP's endpoint. SettingsError if it cannot be used as configured."""
    to = settings.imshop
    return ImshopClient(
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
    settings: Settings, shop: Source, polling_state: State, statuses: StatusesFile, progress: Callable[[int], None]
) -> Poller:
    """`polling_state`: the state under the lease that gives the right to poll."""
    return Poller(
        source=shop,
        state=polling_state.polls,
        action=statuses.action,
        max_changes=settings.guard.max_changes,
        lookback=settings.source.lookback,
        push_first=settings.first_run == "push",
        keys=keys(settings),
        columns=columns(settings),
        progress=progress,
    )


def deliverer(
    settings: Settings,
    outbox: Outbox,
    endpoint: ImshopClient,
    statuses: StatusesFile,
    observe: Callable[[Outcome], None],
    beat: Callable[[], None] = lambda: None,
    may_send: Callable[[], bool] = lambda: True,
) -> Deliverer:
    to = settings.imshop
    limits = Limits(to.concurrency, to.rate, to.give_up_after, to.timeout)
    texts = lambda: statuses.now  # noqa: E731
    return Deliverer(outbox, endpoint, texts, limits, clocks(), may_send=may_send, observe=observe, beat=beat)


def canceller(settings: Settings) -> HttpCanceller | CommandCanceller | SqlCanceller | None:
    """How an order is cancelled in the shop; None: nothing is configured. Nothing is connected yet."""
    to, redact = settings.cancel, redactor(settings)
    if to.calls_http:
        try:
            return HttpCanceller(_cancelling_call(settings), redact)
        except ValueError as error:  # of the source's own address, which may hold other names in braces
            raise SettingsError([f"SYNCD_{'CANCEL' if to.url else 'SOURCE'}__URL: {error}"]) from None
    if to.command:
        return CommandCanceller(to.command, redact, wants_shop_id=gives_shop_id(settings))
    if to.sql:
        url = to.database_url or settings.source.url
        return SqlCanceller(url.get_secret_value(), to.sql, to.timeout.total_seconds(), redact)
    return None


def _cancelling_call(settings: Settings) -> HttpCall:
    """The call uses the source's login if it goes to the source's server and has no login of its own."""
    to, shop = settings.cancel, settings.source
    of_shop, login_of_shop = without_login(shop.url.get_secret_value())
    url, auth = without_login(to.url.get_secret_value()) if to.url else (of_shop, None)
    auth = to.auth.get_secret_value() if to.auth else auth
    headers = {name.title(): value.get_secret_value() for name, value in to.headers.items()}
    if shop.is_api and auth is None and "Authorization" not in headers and origin(url) == origin(of_shop):
        headers = {name.title(): value.get_secret_value() for name, value in shop.headers.items()} | headers
        login = shop.auth.get_secret_value() if shop.auth else login_of_shop
        auth = login if "Authorization" not in headers else None
    return HttpCall(
        url=join_path(url, to.path, shop.path),
        method=to.method,
        body=to.body,
        headers=headers,
        auth=auth,
        success=to.success,
        reason=to.reason,
        refused=to.refused,
    )


def gives_shop_id(settings: Settings) -> bool:
    """Whether orders come with the shop's own key, by the settings."""
    return bool(_comes_from(settings, "shop_id"))


def keys(settings: Settings) -> str | None:
    """A digest of where the shop's own keys of orders come from; None: the settings name none. A query that takes the
    order numbers from elsewhere does not change it."""
    url, _ = without_login(settings.source.url.get_secret_value())
    where = _comes_from(settings, "shop_id")
    if where and settings.source.is_api:
        where = [settings.source.path, *where]
    return _digest([url.partition("?")[0], *where]) if where else None


def columns(settings: Settings) -> Mapping[str, str]:
    """A digest of where each compared column of an order comes from. Of a query that selects `*` that is not known."""
    return {
        column: _digest(where)
        for column, names in COMPARED.items()
        if (where := [place for name in names for place in _comes_from(settings, name)])
        and (column != "message" or settings.source.message_is_change)
    }


def _comes_from(settings: Settings, name: str) -> list[str]:
    """The places in the settings that define the column of this name."""
    shop = settings.source
    if shop.is_api:
        return [str(shop.fields[name])] if name in shop.fields else []
    grammar = grammar_of(shop.url.get_secret_value())
    return [item for sql in (shop.sql, shop.query_else or "") for item in select_items(sql, name, grammar)]


def _digest(texts: Sequence[str]) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


def order_lookup(settings: Settings) -> OrderLookup:
    """Looks an order up right before it is cancelled. Nothing is connected before the first look-up."""
    to = settings.cancel
    return OrderLookup(lambda: source(settings), to.from_, to.status)


def cancel_service(
    settings: Settings,
    opened_state: State,
    canceller: Canceller,
    observe: Callable[[Cancellation], None],
    repeated: Callable[[Cancellation], None],
) -> CancelService:
    to = settings.cancel
    if (definition := keys(settings)) is not None:
        opened_state.polls.set_key_definition(
            definition
        )  # before the first poll says so: a cancellation may come earlier
    return CancelService(
        inbox=opened_state.inbox,
        canceller=canceller,
        lookup=order_lookup(settings),
        timeout=to.timeout,
        status=to.status,
        message=to.message,
        refusal=protocol.REFUSED,
        confirms=to.confirm,
        now=now,
        monotonic=time.monotonic,
        pause=time.sleep,
        new_token=lambda: str(uuid4()),
        observe=observe,
        repeated=repeated,
        reason_limit=to.reason_limit,
    )
