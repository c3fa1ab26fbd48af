"""The notifier on a real state, and what a real server gets of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from syncd.model import OddRows, Pause
from syncd.notify.notices import AGAIN_AFTER
from syncd.notify.sender import Heartbeat, NoticeSender
from syncd.pipeline.staging import PollKind
from syncd.runtime.notifier import HeartbeatJob, Notifier
from syncd.state import State
from syncd.verdict import Patience, Situation
from tests.made import NOON
from tests.notify.conftest import Receiver
from tests.state.made import MINUTE, decision, outcome, stage, take, write_down

DAY = timedelta(days=1)


@dataclass
class Watched:
    """A leader's notifier, and what it counted."""

    state: State
    receiver: Receiver
    leads: bool = True
    results: list[str] = field(default_factory=list)
    now: datetime = NOON

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.notifier = Notifier(
            state=self.state,
            known=self.known,
            leads=lambda: self.leads,
            sender=NoticeSender([self.receiver.url], str),
            about="Shop: x",
            counted=self.results.append,
            patience=Patience(),
        )

    def known(self) -> Situation:
        return Situation(self.state.reports.summary(), self.state.reports.recent())

    def told(self, after: timedelta = timedelta()) -> list[str]:
        """The titles of what is told by now, and not before."""
        self.now += after
        before = len(self.receiver.notices)
        self.notifier.look(self.now)
        return [title for title, _ in self.receiver.notices[before:]]

    @property
    def text(self) -> str:
        return self.receiver.notices[-1][1]


@pytest.fixture
def watched(memory: State, receiver: Receiver) -> Watched:
    return Watched(memory, receiver)


def poll(state: State, *skipped: str, kind: PollKind = "incremental", now: datetime = NOON) -> None:
    """One that could not read these orders."""
    odd = OddRows(len(skipped), skipped, "of +79161234567" if skipped else None)
    state.polls.record_poll(now, None, kind=kind, odd_rows=odd)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "syncd"]


def die(state: State, *order_ids: str) -> None:
    stage(state, *(decision(order_id) for order_id in order_ids))
    write_down(state, *(outcome(push, "dead") for push in take(state)))


def test_dead_changes_are_told_with_their_orders(watched: Watched) -> None:
    assert watched.told() == []
    die(watched.state, "05671891", "05671892")
    assert watched.told(MINUTE) == ["syncd: Changes were given up, and IMSHOP was never told: 2"]
    assert "Orders: 05671892, 05671891.\nRun: syncd changes --state dead\n" in watched.text
    watched.state.operator.discard([1, 2], now=NOON)
    assert watched.told(MINUTE) == ["syncd: 1 trouble over"]
    assert watched.results == ["sent", "sent"]


def test_restart_tells_nothing_again(watched: Watched) -> None:
    die(watched.state, "1")
    assert len(watched.told()) == 1
    watched.restart()
    assert watched.told(MINUTE) == []


def test_who_stands_by_tells_nothing(watched: Watched) -> None:
    """Neither does it tell again, once it leads, what the other one told."""
    die(watched.state, "1")
    other = Watched(watched.state, watched.receiver, leads=False)
    assert other.told() == []
    assert len(watched.told()) == 1
    other.leads = True
    assert other.told() == []


def test_pause_is_told_and_that_it_is_over(watched: Watched) -> None:
    watched.state.outbox.record_and_claim([], 0, Pause("unreachable", NOON, "refused +79161234567"), NOON)
    assert watched.told(4 * MINUTE) == []
    assert watched.told(MINUTE) == ["syncd: Delivery is paused: IMSHOP cannot be reached"]
    assert "for 5 min." in watched.text
    assert "7916" not in watched.text
    watched.state.outbox.record_and_claim([], 0, None, NOON)
    assert watched.told(MINUTE) == ["syncd: 1 trouble over"]


def test_unreadable_shop_is_told(watched: Watched) -> None:
    watched.state.polls.record_poll(NOON, None)
    watched.state.polls.record_poll(NOON + MINUTE, "the shop's database is gone")
    assert watched.told(4 * MINUTE) == []
    assert watched.told(MINUTE) == ["syncd: The shop cannot be read: what changes there is not seen"]
    watched.state.polls.record_poll(NOON + 6 * MINUTE, None)
    assert watched.told(MINUTE) == ["syncd: 1 trouble over"]


def test_change_that_waits_long_is_told(watched: Watched) -> None:
    stage(watched.state, decision("05671891"))
    assert watched.told(14 * MINUTE) == []
    assert len(watched.told(MINUTE)) == 1
    assert "Orders: 05671891." in watched.text


def test_skipped_rows_are_told_until_all_are_read(watched: Watched) -> None:
    poll(watched.state, "7", "8")
    assert watched.told() == ["syncd: Rows of the shop cannot be read as orders: 2"]
    assert "Orders: 7, 8." in watched.text
    assert "7916" not in watched.text
    poll(watched.state)
    assert watched.told(MINUTE) == []
    poll(watched.state, kind="full")
    assert watched.told(MINUTE) == ["syncd: 1 trouble over"]


def test_certificate_near_its_end_is_told(watched: Watched) -> None:
    poll(watched.state)
    watched.state.note_certificate(NOON + 13 * DAY, NOON)
    assert watched.told() == ["syncd: IMSHOP's certificate ends in 13 d"]
    watched.state.note_certificate(NOON + 90 * DAY, NOON)
    assert watched.told() == ["syncd: 1 trouble over"]


def test_state_that_cannot_be_read_is_told(watched: Watched) -> None:
    die(watched.state, "1")
    assert len(watched.told()) == 1
    state = Path(watched.state.place)
    watched.state.store.engine.dispose()
    for path in state.parent.glob(f"{state.name}*"):
        path.rename(f"{path}.away")
    state.mkdir()
    assert watched.told(MINUTE) == []
    assert watched.told(5 * MINUTE) == ["syncd: The state cannot be read: nothing is polled or pushed"]
    state.rmdir()
    for path in state.parent.glob("*.away"):
        path.rename(path.with_suffix(""))
    assert watched.told(MINUTE) == ["syncd: 1 trouble over; 1 trouble left"]


def test_failing_notifier_is_logged_once(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """And when it is over; and kept for the doctor."""
    caplog.set_level(logging.INFO, "syncd")
    die(watched.state, "1")
    watched.receiver.status = 500
    for _ in range(3):
        assert watched.told(AGAIN_AFTER) == []
    assert events(caplog) == ["notice_failed"]
    assert (watched.state.notices.read() or {})["failing"].keys() == {"1: json://"}
    watched.receiver.status = 200
    assert len(watched.told(AGAIN_AFTER)) == 1
    assert events(caplog) == ["notice_failed", "notices_recovered"]
    assert watched.results == ["failed", "failed", "failed", "sent"]


def test_heart_beats_only_while_all_is_well(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "syncd")
    well = [True]
    job = HeartbeatJob(Heartbeat(receiver.heartbeat_url, str), lambda: well[0])
    job.beat(NOON)
    well[0] = False
    job.beat(NOON)
    assert len(receiver.asked) == 1
    well[0], receiver.status = True, 404
    job.beat(NOON)
    job.beat(NOON)
    receiver.status = 200
    job.beat(NOON)
    assert events(caplog) == ["heartbeat_failed", "heartbeat_recovered"]
