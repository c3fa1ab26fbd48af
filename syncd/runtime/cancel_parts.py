"""Makes, from the settings, the parts that apply buyers' cancellations."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

from syncd.cancel import Canceller, CancelService, OrderLookup, protocol
from syncd.cancel.by_command import CommandCanceller
from syncd.cancel.by_http import HttpCall, HttpCanceller
from syncd.cancel.by_sql import SqlCanceller
from syncd.errors import SettingsError
from syncd.http.addresses import join_path, origin, without_login
from syncd.model import Cancellation
from syncd.runtime import composition
from syncd.settings import Settings
from syncd.state import State


def canceller(settings: Settings) -> HttpCanceller | CommandCanceller | SqlCanceller | None:
    """How an order is cancelled in the shop; None: nothing is configured. Nothing is connected yet."""
    to, redact = settings.cancel, composition.redactor(settings)
    if to.calls_http:
        try:
            return HttpCanceller(_cancelling_call(settings), redact)
        except ValueError as error:  # of the source's own address, which may hold other names in braces
            raise SettingsError([f"SYNCD_{'CANCEL' if to.url else 'SOURCE'}__URL: {error}"]) from None
    if to.command:
        return CommandCanceller(to.command, redact, wants_shop_id=composition.gives_shop_id(settings))
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


def order_lookup(settings: Settings) -> OrderLookup:
    """Looks an order up right before it is cancelled. Nothing is connected before the first look-up."""
    to = settings.cancel
    return OrderLookup(lambda: composition.source(settings), to.from_, to.status)


def cancel_service(
    settings: Settings,
    opened_state: State,
    canceller: Canceller,
    observe: Callable[[Cancellation], None],
    repeated: Callable[[Cancellation], None],
) -> CancelService:
    to = settings.cancel
    if (definition := composition.keys(settings)) is not None:
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
        now=composition.now,
        monotonic=time.monotonic,
        pause=time.sleep,
        new_token=lambda: str(uuid4()),
        observe=observe,
        repeated=repeated,
        reason_limit=to.reason_limit,
    )
