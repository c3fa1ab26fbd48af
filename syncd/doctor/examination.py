"""The whole examination: which checks are made, in which order.

settings ──► source: DatabaseChecks or ApiChecks ──► state ──► imshop ──► http ──► cancel ──► notify

A check that fails does not prevent the others, except that nothing more is asked of a source that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial

from syncd.doctor.api_checks import ApiChecks
from syncd.doctor.cancel_checks import CancelChecks
from syncd.doctor.database_checks import DatabaseChecks
from syncd.doctor.findings import Check, Finding, fault, run_check
from syncd.doctor.host_checks import check_address, check_disk, check_endpoint, check_settings, check_web_root
from syncd.doctor.notify_checks import check_notices, last_failures
from syncd.doctor.state_checks import check_state, check_state_file, daemon_runs, poll_history, state_file
from syncd.errors import SourceError
from syncd.imshop.push import ImshopClient
from syncd.model import Push
from syncd.pipeline.statuses_file import Statuses, StatusesFile
from syncd.runtime import cancel_parts, composition, notifier, pipeline_parts
from syncd.runtime.outlook import known_beside_daemon
from syncd.settings import Loaded, Settings, presets
from syncd.sources.api import ApiSource

CHECK_SECONDS = 10.0
SAMPLED = 200


def examine(
    loaded: Loaded,
    now: Callable[[], datetime] = composition.now,
    seconds: float = CHECK_SECONDS,
    leave_out: Collection[str] = (),
) -> Iterator[Finding]:
    """Check everything; each check takes `seconds` at most. Nothing is changed, created or pushed.

    `leave_out`: questions about the source, and areas besides it, that are not examined.

    Raises SettingsError at once, before the first finding, if the configuration cannot be used.
    """
    statuses = StatusesFile(loaded.settings.statuses.file).now
    imshop = pipeline_parts.imshop(loaded.settings)
    return _findings(loaded, statuses, imshop, now, seconds, leave_out)


def _findings(
    loaded: Loaded,
    statuses: Statuses,
    imshop: ImshopClient,
    now: Callable[[], datetime],
    seconds: float,
    leave_out: Collection[str],
) -> Iterator[Finding]:
    with ExitStack() as stack:
        stack.callback(imshop.close)
        check = Check("settings", "Where do the settings come from?", lambda: check_settings(loaded, statuses))
        yield from run_check(check, seconds)
        try:
            source = _source_checks(loaded, statuses, imshop.body, now)
        except SourceError as error:  # the driver is not installed
            yield fault("source", str(error))
        else:
            stack.callback(source.close)
            can_be_read, *others = source.checks()
            levels = []
            for finding in run_check(can_be_read, seconds):
                levels.append(finding.level)
                yield finding
            for check in others if "fault" not in levels else ():
                if check.question not in leave_out:
                    yield from run_check(check, seconds)
        for check in _other_checks(loaded.settings, imshop, now):
            if check.area not in leave_out:
                yield from run_check(check, seconds)


def _source_checks(
    loaded: Loaded, statuses: Statuses, body: Callable[[Push], bytes], now: Callable[[], datetime]
) -> DatabaseChecks | ApiChecks:
    settings = loaded.settings
    source = composition.source(settings)
    state, redact = settings.state.url.get_secret_value(), composition.redactor(settings)
    history = partial(poll_history, state, redact, settings.poll.interval)
    if isinstance(source, ApiSource):
        return ApiChecks(source, statuses, body, now, history)
    return DatabaseChecks(source, statuses, body, now, presets.index_statement(loaded.found), history)


def _other_checks(settings: Settings, imshop: ImshopClient, now: Callable[[], datetime]) -> Sequence[Check]:
    redact = composition.redactor(settings)
    state, url = settings.state.url.get_secret_value(), settings.imshop.url.get_secret_value()
    runs = partial(daemon_runs, state, redact)
    known = partial(known_beside_daemon, settings)
    file = state_file(state)
    return (
        Check("state", "Can the state be used?", lambda: check_state(state, redact, known, now())),
        Check("state", "Is the state damaged?", lambda: check_state_file(state, redact)),
        Check("state", "Is there room on its disk?", lambda: check_disk(file)),
        Check("state", "Can the web server read it?", lambda: check_web_root("state", file) if file else iter(())),
        Check("imshop", "Can IMSHOP be reached?", lambda: check_endpoint(url, imshop, now())),
        Check("http", "Is the address free?", lambda: check_address(settings.http.bind, runs)),
        Check("cancel", "Can an order be cancelled?", lambda: _check_cancelling(settings)),
        Check("notify", "Can people be told?", lambda: _check_notices(settings)),
    )


def _check_notices(settings: Settings) -> Iterator[Finding]:
    state, redact = settings.state.url.get_secret_value(), composition.redactor(settings)
    unusable = notifier.sender(settings).unusable if settings.notify.urls else None
    yield from check_notices(unusable, lambda: last_failures(state, redact))


def _check_cancelling(settings: Settings) -> Iterator[Finding]:
    cancel = settings.cancel
    with ExitStack() as stack:
        canceller = cancel_parts.canceller(settings)
        if canceller is not None:
            stack.callback(canceller.close)
        source = composition.source(settings)
        stack.callback(source.close)
        yield from CancelChecks(
            canceller=canceller,
            has_key=cancel.api_key is not None,
            database_url=(cancel.database_url or settings.source.url).get_secret_value(),
            allowed=cancel.from_,
            cancelled=cancel.status,
            preset=settings.source.preset,
            orders=lambda: source.sample(SAMPLED).orders,
            codes=source.status_codes,
            has_list=bool(settings.source.statuses_query or settings.source.statuses_path),
        ).findings()
