"""What the page shows in tests and in the documents' pictures: a day that went well, and what may be in its way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from playwright.sync_api import Browser, sync_playwright
from prometheus_client import CollectorRegistry

from syncd.explain import Explanation, from_state
from syncd.model import Answer, Change, Decision, Order, Pause, Seen
from syncd.pipeline.statuses_file import Status, Statuses
from syncd.reasons import Verdict
from syncd.shop_lookup import LookupResult
from syncd.state import State
from syncd.verdict import Situation
from syncd.web import AppDependencies, HttpServer, PageDependencies, create_app, create_page
from tests.made import NOON
from tests.servers import free_port
from tests.state.made import decision, outcome, stage, take, write_down

CHROMIUM = shutil.which("chromium")
UUID = "cfe64e76-dbc4-4f0f-b9d1-7423aeb6f1{number:02}"


@dataclass
class PageInputs:
    """What the page is shown from, and can be changed while it is shown."""

    memory: State
    now: datetime = NOON
    stands_by: str | None = None
    faults: list[str] = field(default_factory=list)
    in_shop: LookupResult = field(default_factory=lambda: LookupResult(Order("7", {"status": "packed"})))
    statuses: Statuses = field(default_factory=Statuses)

    def explain(self, order_id: str) -> Explanation:
        known = from_state(self.memory.reports, order_id, self.statuses, timedelta(minutes=5))
        return replace(known, in_shop=self.in_shop)

    def known(self) -> Situation:
        reports = self.memory.reports
        return Situation(
            reports.summary(), reports.recent(), faults=self.faults, stands_by=self.stands_by, statuses=self.statuses
        )

    def dependencies(self) -> PageDependencies:
        return PageDependencies(
            reports=self.memory.reports,
            read=lambda read: read(),
            source_kind="sqlite",
            known=self.known,
            explain=self.explain,
            now=lambda: self.now,
        )


@contextmanager
def served(shown: PageInputs) -> Iterator[str]:
    """The URL at which the page is."""
    port = free_port()
    app = create_app(
        AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict), create_page(shown.dependencies())
    )
    server = HttpServer(app, "127.0.0.1", port)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.close()


@contextmanager
def launched() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def a_change(order_id: str, at: datetime, status: str = "packed", previous: str | None = "new") -> Decision:
    decided = decision(order_id, status)
    assert decided.change
    return decided._replace(change=decided.change._replace(source_updated_at=at, previous_status=previous))


def past_day(memory: State, random: Random, until: datetime = NOON) -> None:
    """Some hundred pushes, as a shop makes them by day and hardly by night."""
    for slot in range(48):
        at = until - timedelta(minutes=30 * (48 - slot) - 5)
        busy = max(0, round(random.gauss(9, 3))) if 3 < (slot / 2 + 12) % 24 < 23 else random.randint(0, 1)
        changed = [a_change(f"{slot:02}{number:04}", at - timedelta(seconds=1)) for number in range(busy)]
        stage(memory, *changed, now=at)
        slow = 400.0 if slot in (30, 31) else 1.0
        for_each = [(push, at + timedelta(seconds=slow * random.uniform(2, 28))) for push in take(memory, now=at)]
        write_down(memory, *(outcome(push, now=ended) for push, ended in for_each), now=at)


LATEST: Sequence[tuple[str, str, str, str, str | None]] = (
    ("05671893", "new", "confirmed", "processing", "Заказ подтверждён"),
    ("05671884", "packed", "sent", "dispatched", "Передан в доставку"),
    ("05671871", "sent", "sent", "dispatched", None),
    ("05671909", "packed", "packed", "ready_for_pickup", None),
    ("05671863", "new", "packed", "ready_for_pickup", "Готов к выдаче"),
)
"""Order, status before, status, IMSHOP's own, what the buyer reads; the newest last."""


def good_day(shown: PageInputs) -> None:
    """A shop that went well for a day, up to nine seconds after NOON."""
    past_day(shown.memory, Random(7))
    for number, (order_id, previous, status, imshop_status, message) in enumerate(LATEST):
        at = NOON - timedelta(seconds=35 * (len(LATEST) - 1 - number))
        _tell(shown.memory, a_late_change(order_id, at, previous, status, message), imshop_status, number)
        shown.memory.polls.record_poll(at, None, rows=3 + number % 4, changes=1, seconds=0.2 + number / 10)
    shown.statuses = Statuses(listed={"packed": Status(message="Готов к выдаче", imshop="ready_for_pickup")})
    order = Order("05671863", {"status": "packed"}, NOON - timedelta(seconds=2), "Готов к выдаче")
    shown.in_shop = LookupResult(order)
    shown.now = NOON + timedelta(seconds=9)


def a_late_change(order_id: str, at: datetime, previous: str, status: str, message: str | None) -> Decision:
    """If the status stays, a tracking number or a payment is the news."""
    content: dict[str, str | bool | None] = {"status": status}
    if previous == status:
        content |= {"tracking": f"TRK{order_id}"} if status == "sent" else {"paid": True, "payment_id": "p-77"}
    change = Change(
        order_id=order_id,
        revision=1,
        content=content,
        previous_status=previous,
        message=message,
        tracking_url=None,
        user_id=None,
        imshop_uuid=None,
        with_payment="paid" in content,
        source_updated_at=at - timedelta(seconds=2),
        found_by="cursor",
    )
    return Decision(Seen(order_id, content, {"status": previous}, None, 1), change)


def _tell(memory: State, decided: Decision, imshop_status: str, number: int) -> None:
    at = decided.change and decided.change.source_updated_at
    assert at
    stage(memory, decided, now=at + timedelta(seconds=2))
    ended = at + timedelta(seconds=3.4)
    for push in take(memory, now=ended):
        answer = Answer(200, push.order_id, UUID.format(number=number), push.code, imshop_status, push.message)
        write_down(memory, outcome(push, now=ended, answer=answer), now=ended)


def hold_some(memory: State) -> None:
    """A person is needed: changes are held, dead or refused."""
    stage(memory, *(a_change(f"0567{number}", NOON, "lost") for number in range(1700, 1702)), now=NOON)
    pushes = take(memory)
    write_down(
        memory,
        outcome(pushes[0], "dead", error="IMSHOP answered 500 for a day: internal error"),
        outcome(pushes[1], "refused", error="IMSHOP says no: order not found"),
    )
    held = [decision(f"0567{number}", "courier_wait", hold="status") for number in range(1710, 1713)]
    stage(memory, *held, now=NOON)


def trouble(memory: State) -> None:
    """Buyers are not told: the key is not valid, and the shop is gone."""
    stage(memory, *(a_change(f"9{number}", NOON, "lost") for number in range(4)), now=NOON - timedelta(hours=2))
    pushes = take(memory)
    write_down(
        memory,
        outcome(pushes[0], "dead", error="IMSHOP answered 500 for a day: internal error"),
        outcome(pushes[1], "refused", error="IMSHOP says no: order not found"),
        outcome(pushes[2], "retry", error="IMSHOP did not answer within 10 s", next_attempt_at=NOON),
    )
    stage(memory, a_change("95", NOON), now=NOON)
    memory.outbox.record_and_claim(
        [], 0, Pause("unauthorized", NOON - timedelta(minutes=20), "HTTP 401: key is not valid"), NOON
    )
    memory.polls.record_poll(
        NOON + timedelta(seconds=5), "the shop's database (mariadb at 10.0.0.7) cannot be reached: Connection refused"
    )
