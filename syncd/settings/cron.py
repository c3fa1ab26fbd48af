"""A cron line, read as cron does: its triggers for APScheduler, and its next time.

APScheduler differs from cron in two things. It counts weekdays from Monday = 0, cron from Sunday = 0 (and 7), so that
a range such as SUN-THU runs backwards there. And if a line names both days of the month and weekdays, cron runs on
days that are either, APScheduler on those that are both.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from time import localtime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfoNotFoundError

from syncd.settings.values import quoted

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY = rf"[0-7]|{'|'.join(_WEEKDAYS)}"
_ENTRY = re.compile(rf"(?:\*|(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?)(?:/(?P<step>[1-9]))?", re.IGNORECASE)
_START = datetime(2000, 1, 1, tzinfo=UTC)
"""Every line that ever runs does so after this time: the calendar repeats itself."""


def cron_line(text: str) -> str | None:
    """A cron line of five fields, with single blanks; empty: None. ValueError: it is not one, or it never runs."""
    if not text.strip():
        return None
    line = " ".join(text.split())
    try:
        comes = next_time(triggers(line, UTC), _START)
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is not a cron line; write e.g. '0 4 * * *' ({error})") from None
    if comes is None:
        raise ValueError(f"{quoted(text)} never comes: no month that it names has such a day; write e.g. '0 4 * * *'")
    return line


def machine_zone() -> tzinfo:
    """The machine's time zone. Where its settings name none, as TZ=MSK-3, or two, /etc/timezone and /etc/localtime: the
    offset from UTC that it has now. APScheduler alone would not start there."""
    from tzlocal import get_localzone  # noqa: PLC0415 - most commands need it as little as the triggers

    try:
        return get_localzone()
    except ZoneInfoNotFoundError:
        return timezone(timedelta(seconds=localtime().tm_gmtoff))


def triggers(line: str, zone: tzinfo) -> list[CronTrigger]:
    """The triggers that together run at a cron line's times. ValueError: not a cron line."""
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - 30 ms that most commands need not spend

    fields = line.split()
    if len(fields) != 5:
        raise ValueError(f"it has {len(fields)} fields, not 5")
    minute, hour, day, month, weekday = fields
    weekdays = _weekdays(weekday)
    either = not day.startswith("*") and not weekday.startswith("*")
    days = [(day, "*"), ("*", weekdays)] if either else [(day, weekdays)]
    return [CronTrigger.from_crontab(f"{minute} {hour} {of} {month} {on}", timezone=zone) for of, on in days]


def next_time(together: list[CronTrigger], now: datetime) -> datetime | None:
    """The first time of any of them that is not before `now`. None: there is none."""
    return min((time for one in together if (time := one.get_next_fire_time(None, now))), default=None)


def _weekdays(field: str) -> str:
    """The same days by name, one by one."""
    days: set[int] = set()
    for entry in field.split(","):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"{quoted(entry)} is no weekday: write 0 to 7 or SUN to SAT, 0 and 7 being Sunday")
        first, last, step = match["first"], match["last"], match["step"]
        start = _number(first) if first else 0
        end = _number(last) if last else 6 if not first or step else start
        if end < start:  # over the end of the week, as in FRI-MON
            end += 7
        days |= {day % 7 for day in range(start, end + 1, int(step or 1))}
    return "*" if len(days) == 7 else ",".join(_WEEKDAYS[day] for day in sorted(days))


def _number(day: str) -> int:
    return int(day) if day.isdigit() else _WEEKDAYS.index(day.lower())
