"""What is told, and when. Time is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.notify.notices import (
    AGAIN_AFTER,
    HOUR,
    HOURLY,
    OVER,
    Notice,
    NoticeRecord,
    after_sending,
    body,
    next_notice,
    title,
)
from syncd.reasons import KINDS, Reason, ReasonKind, Severity, Verdict
from tests.made import NOON

MINUTE = timedelta(minutes=1)


def trouble(kind: ReasonKind = "dead", count: int = 0, severity: Severity = "warning", **fields: object) -> Reason:
    return Reason(kind, severity, f"{kind} went wrong", "Mend it", "check", count=count, **fields)  # type: ignore[arg-type]


@dataclass
class Telling:
    """Looks again and again, and sends what is to be told. `works`: whether sending does."""

    now: datetime = NOON
    works: bool = True
    record: NoticeRecord = field(default_factory=NoticeRecord)
    told: list[Notice] = field(default_factory=list)

    def look(
        self, *found: Reason, after: timedelta = timedelta(), unknown: frozenset[ReasonKind] = frozenset()
    ) -> list[str]:
        """What is told: the kinds that begin, and with a minus those that are over."""
        self.now += after
        self.record, notice = next_notice(self.record, Verdict(found, unknown), self.now)
        if notice is None:
            return []
        failing = {} if self.works else {"1: json://": "HTTP 500"}
        self.record = after_sending(self.record, notice, failing, reached_nobody=not self.works, now=self.now)
        self.record = NoticeRecord.of(self.record.stored())  # as after a restart
        self.told.append(notice)
        return [one.kind for one in notice.begun] + [f"-{kind}" for kind in notice.over]


def test_trouble_is_told_once_and_when_over() -> None:
    telling = Telling()
    assert telling.look(trouble()) == ["dead"]
    assert telling.look(trouble(), after=MINUTE) == []
    assert telling.look(after=MINUTE) == ["-dead"]
    assert telling.look(after=MINUTE) == []
    assert telling.look(trouble(), after=MINUTE) == ["dead"]


def test_trouble_counts_once_it_lasted() -> None:
    """From when it began; or was noticed, where that is not known."""
    telling = Telling()
    lasting = trouble("paused", since=NOON, lasts=5 * MINUTE)
    unknown_since = trouble("source", lasts=7 * MINUTE)
    assert telling.look(lasting, unknown_since, after=4 * MINUTE) == []
    assert telling.look(lasting, unknown_since, after=MINUTE) == ["paused"]
    assert telling.look(lasting, unknown_since, after=6 * MINUTE) == ["source"]


def test_short_trouble_is_never_told() -> None:
    telling = Telling()
    assert telling.look(trouble("source", lasts=5 * MINUTE)) == []
    assert telling.look(after=9 * MINUTE) == []
    assert telling.look(trouble("source", lasts=5 * MINUTE), after=MINUTE) == []


def test_many_at_once_are_one_notice() -> None:
    telling = Telling()
    telling.look(trouble("held"), trouble("skipped"))
    assert telling.look(trouble("held"), trouble("dead"), trouble("source")) == ["dead", "source", "-skipped"]


def test_consequence_is_not_told_beside_its_cause() -> None:
    telling = Telling()
    waiting, paused = trouble("waiting", because="paused"), trouble("paused")
    assert telling.look(waiting, paused) == ["paused"]
    assert telling.look(waiting, after=MINUTE) == ["waiting", "-paused"]
    assert telling.look(waiting, paused, after=MINUTE) == ["paused"]


def test_unknown_is_not_over() -> None:
    telling = Telling()
    telling.look(trouble("dead"))
    assert telling.look(trouble("state"), unknown=frozenset(KINDS) - {"state"}, after=MINUTE) == ["state"]
    assert telling.look(trouble("dead"), after=MINUTE) == ["-state"]


def test_growth_is_told_after_an_hour() -> None:
    """From the least that it went down to meanwhile."""
    telling = Telling()
    telling.look(trouble(count=5))
    assert telling.look(trouble(count=6), after=HOUR / 2) == []
    assert telling.look(trouble(count=6), after=HOUR / 2) == ["dead"]
    assert telling.look(trouble(count=2), after=2 * HOUR) == []
    assert telling.look(trouble(count=3), after=MINUTE) == ["dead"]


def test_what_gets_worse_is_told_again() -> None:
    """Once for each trouble, however often it changes, and within the notices of an hour."""
    telling = Telling()
    amber, red = trouble("source"), trouble("source", severity="bad")
    assert telling.look(amber) == ["source"]
    assert telling.look(red, after=5 * MINUTE) == ["source"]
    assert title(telling.told[-1]) == "syncd: worse now: source went wrong"
    assert telling.look(amber, after=MINUTE) == []
    assert telling.look(red, after=2 * HOUR) == []
    assert telling.look(after=MINUTE) == ["-source"]
    assert telling.look(red, after=MINUTE) == ["source"]
    assert title(telling.told[-1]) == "syncd: source went wrong"
    assert telling.look(amber, after=MINUTE) == []


def test_what_an_earlier_version_told_is_not_told_again() -> None:
    """It did not keep whether that was red."""
    stored = {"announced": {"source": {"at": NOON.isoformat(), "since": NOON.isoformat(), "count": 0}}}
    telling = Telling(record=NoticeRecord.of(stored))
    assert telling.look(trouble("source", severity="bad"), after=MINUTE) == []


def test_hour_has_six_notices_at_most() -> None:
    """What comes after them is told together, once that is allowed."""
    telling = Telling()
    for number in range(HOURLY):
        assert telling.look(*([] if number % 2 else [trouble()]), after=MINUTE)
    assert telling.look(trouble(), after=MINUTE) == []
    assert telling.look(trouble(), trouble("held"), after=HOUR - 7 * MINUTE) == []
    assert telling.look(trouble(), trouble("held"), after=MINUTE) == ["dead", "held"]


def test_notice_that_reached_nobody_is_tried_again() -> None:
    telling = Telling(works=False)
    assert telling.look(trouble()) == ["dead"]
    assert telling.record.failing == {"1: json://": "HTTP 500"}
    assert telling.look(trouble(), trouble("held"), after=AGAIN_AFTER - MINUTE) == []
    telling.works = True
    assert telling.look(trouble(), trouble("held"), after=MINUTE) == ["dead", "held"]
    assert telling.record.failing == {}


def test_clock_set_back_stops_no_notice() -> None:
    telling = Telling(works=False)
    telling.look(trouble())
    telling.works = True
    assert telling.look(trouble(), after=-5 * HOUR) == ["dead"]


def test_record_of_another_version_is_a_new_one() -> None:
    assert NoticeRecord.of({"announced": {"unheard of": 1}}) == NoticeRecord()
    assert NoticeRecord.of(None) == NoticeRecord()


def test_notice_names_orders_and_the_command() -> None:
    begun = [trouble("dead", 9), trouble("paused", since=NOON - 7 * MINUTE, lasts=5 * MINUTE)]
    notice = Notice(begun, {"source": 3 * HOUR}, left=0)
    assert title(notice) == "syncd: 2 troubles"
    assert body(notice, {"dead": ["1", "2", "3", "4"]}, "Shop: x", NOON) == (
        "dead went wrong. Orders: 1, 2, 3 and more.\n"
        "Run: syncd check\n"
        "paused went wrong, for 7 min.\n"
        "Run: syncd check\n"
        "Over: The shop is read again, after 3 h.\n"
        "\n"
        "Shop: x"
    )


def test_title_says_what_it_is_about() -> None:
    assert title(Notice([trouble()], {}, left=2)) == "syncd: dead went wrong"
    assert title(Notice([], {"dead": HOUR}, left=0)) == "syncd: 1 trouble over"
    assert title(Notice([], {"dead": HOUR, "held": HOUR}, left=1)) == "syncd: 2 troubles over; 1 trouble left"
    assert set(OVER) == set(KINDS) - {"standby", "hangs"}
