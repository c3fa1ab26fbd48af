"""Makes, from the settings, the parts that poll and push."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import SystemRandom

from syncd.imshop.push import ImshopClient
from syncd.model import Outcome
from syncd.pipeline.deliver import Clocks, Deliverer, Limits, Outbox
from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime import composition
from syncd.settings import Settings
from syncd.sources import Source
from syncd.state import State, boottime


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
        shop = composition.source(settings)
        stack.callback(shop.close)
        opened_state = composition.state(settings, create=True)
        stack.callback(opened_state.close)
        yield Parts(statuses, endpoint, shop, opened_state)


def clocks() -> Clocks:
    return Clocks(composition.now, time.monotonic, SystemRandom(), boottime)


def imshop(settings: Settings) -> ImshopClient:
    """IMSHOP's endpoint. SettingsError if it cannot be used as configured."""
    to = settings.imshop
    return ImshopClient(
        url=to.url.get_secret_value(),
        api_key=to.api_key.get_secret_value() if to.api_key else None,
        auth=to.auth,
        send_id_as=to.id,
        timeout_seconds=to.timeout.total_seconds(),
        clock=composition.now,
        redact=composition.redactor(settings),
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
        keys=composition.keys(settings),
        columns=composition.columns(settings),
        monotonic=time.monotonic,
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
