"""Makes the shop's orders and the state from the settings. `pipeline_parts` and `cancel_parts` make what works on them;
nothing else knows both the settings and the parts.

Each command imports what it needs: `syncd status` reads the state, and loads neither a source nor an HTTP client.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from syncd.http.addresses import without_login
from syncd.logs import fields
from syncd.redact import Redactor
from syncd.settings import Settings
from syncd.sources import Source
from syncd.sql import grammar_of, select_items
from syncd.state import State, open_state

if TYPE_CHECKING:
    from syncd.sources.api import ApiSource
    from syncd.sources.api.page_fetcher import PagingWarning
    from syncd.sources.database import DatabaseSource

log = logging.getLogger("syncd")

COMPARED = {
    "status": ["status"],
    "tracking": ["tracking_url", "tracking_number"],
    "paid": ["paid"],
    "payment_id": ["payment_id"],
    "message": ["message"],
}
"""The columns of `syncd.model.Content`, and their names in a source."""


def now() -> datetime:
    return datetime.now(UTC)


def redactor(settings: Settings) -> Redactor:
    return Redactor(settings.secrets())


def source(settings: Settings) -> Source:
    """The shop's orders. Nothing is connected yet."""
    return _api(settings) if settings.source.is_api else _database(settings)


def _database(settings: Settings) -> DatabaseSource:
    from syncd.sources.database import DatabaseSource  # noqa: PLC0415 - a shop has either a database or an API

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
    from syncd.sources.api import ApiConfig, ApiSource, StatusList  # noqa: PLC0415 - as above

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
