"""The whole examination: which checks there are, in which order. One that fails does not keep the others from being
made, except that a shop that cannot be read is asked nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime

from syncd.doctor.api_checks import ApiChecks
from syncd.doctor.cancel_checks import CancelChecks
from syncd.doctor.database_checks import DatabaseChecks
from syncd.doctor.findings import Check, Finding, fault, run_check
from syncd.doctor.host_checks import check_address, check_disk, check_endpoint, check_settings
from syncd.doctor.state_checks import check_state, check_state_file, daemon_runs, poll_history, state_file
from syncd.errors import SourceError
from syncd.imshop import ImshopClient
from syncd.model import Push
from syncd.pipeline.statuses_file import Statuses, StatusesFile
from syncd.runtime import composition
from syncd.settings import Loaded, Settings, presets
from syncd.sources import ApiSource

CHECK_SECONDS = 10.0
SAMPLED = 200


def examine(
    loaded: Loaded, now: Callable[[], datetime] = composition.now, seconds: float = CHECK_SECONDS
) -> Iterator[Finding]:
    """Try everything; each check takes `seconds` at most. Nothing is changed, made or pushed.

    Raises SettingsError at once, before the first finding, if the configuration cannot be used.
    """
    statuses = StatusesFile(loaded.settings.statuses.file).now
    endpoint = composition.imshop(loaded.settings)
    return _findings(loaded, statuses, endpoint, now, seconds)


def _findings(
    loaded: Loaded, statuses: Statuses, endpoint: ImshopClient, now: Callable[[], datetime], seconds: float
) -> Iterator[Finding]:
    settings = loaded.settings
    with ExitStack() as stack:
        stack.callback(endpoint.close)
        check = Check("settings", "Where do the settings come from?", lambda: check_settings(loaded, statuses))
        yield from run_check(check, seconds)
        try:
            shop = _examination(loaded, statuses, endpoint.body, now)
        except SourceError as error:  # the driver is not installed
            yield fault("source", str(error))
        else:
            stack.callback(shop.close)
            yield from _shop(shop, seconds)
        for check in _others(settings, endpoint, now):
            yield from run_check(check, seconds)


def _examination(
    loaded: Loaded, statuses: Statuses, body: Callable[[Push], bytes], now: Callable[[], datetime]
) -> DatabaseChecks | ApiChecks:
    settings = loaded.settings
    shop = composition.source(settings)
    state, redact = settings.state.url.get_secret_value(), composition.redactor(settings)
    observed = lambda: poll_history(state, redact, settings.poll.interval)  # noqa: E731
    if isinstance(shop, ApiSource):
        return ApiChecks(shop, statuses, body, now, observed)
    return DatabaseChecks(shop, statuses, body, now, presets.index_statement(loaded.found), observed)


def _shop(shop: DatabaseChecks | ApiChecks, seconds: float) -> Iterator[Finding]:
    """Whether it can be read comes first, and the rest only if it can."""
    first, *others = shop.checks()
    readable = True
    for finding in run_check(first, seconds):
        readable = readable and finding.level != "fault"
        yield finding
    for check in others if readable else ():
        yield from run_check(check, seconds)


def _others(settings: Settings, endpoint: ImshopClient, now: Callable[[], datetime]) -> Iterator[Check]:
    redact = composition.redactor(settings)
    state, imshop = settings.state.url.get_secret_value(), settings.imshop.url.get_secret_value()
    yield Check("state", "Can the state be used?", lambda: check_state(state, redact))
    yield Check("state", "Is the state sound?", lambda: check_state_file(state, redact))
    yield Check("state", "Is there room on its disk?", lambda: check_disk(state_file(state)))
    yield Check("imshop", "Can IMSHOP be reached?", lambda: check_endpoint(imshop, endpoint, now()))
    yield Check(
        "http", "Is the address free?", lambda: check_address(settings.http.bind, lambda: daemon_runs(state, redact))
    )
    yield Check("cancel", "Can an order be cancelled?", lambda: _cancelling(settings))


def _cancelling(settings: Settings) -> Iterator[Finding]:
    to = settings.cancel
    url = to.database_url or settings.source.url
    with ExitStack() as stack:
        shop = composition.canceller(settings)
        if shop is not None:
            stack.callback(shop.close)
        source = composition.source(settings)
        stack.callback(source.close)
        yield from CancelChecks(
            shop=shop,
            has_key=to.api_key is not None,
            database_url=url.get_secret_value(),
            allowed=to.from_,
            cancelled=to.status,
            preset=settings.source.preset,
            orders=lambda: source.sample(SAMPLED).orders,
            statuses=source.status_codes,
            lists_codes=bool(settings.source.statuses_query or settings.source.statuses_path),
        ).findings()
