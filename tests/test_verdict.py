"""One word for whether statuses reach buyers, and what is in the way."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import syncd.web
from syncd.model import CHANGE_STATES, OddRows, Pause
from syncd.pipeline.circuit_breaker import PAUSE_REASONS
from syncd.pipeline.statuses_file import Status, Statuses
from syncd.reasons import KINDS, Reason
from syncd.refusal_score import RefusalScore
from syncd.state import PollView, PushView, Recent, SourceStatus, Summary
from syncd.verdict import PAUSES, Patience, Situation, judge, unreadable
from syncd.web.translations import RUSSIAN, Translator
from syncd.wording import NOT_SHOWN, UNKNOWN
from tests.made import NOON

WEB = Path(syncd.web.__file__).parent
PATIENCE = Patience()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WELL = Summary(
    tracked=5,
    changes=dict.fromkeys(CHANGE_STATES, 0),
    held={},
    oldest_pending_at=NOON,
    next_due_at=None,
    source=SourceStatus(NOON, NOON, None, 0),
    pause=None,
    last_delivered_at=NOON,
    missing_refused=0,
)


def failing(since: timedelta | None) -> SourceStatus:
    return SourceStatus(NOON, None if since is None else NOON - since, "the shop is gone", 3)


def counts(**changes: int) -> dict[str, Any]:
    return {"changes": {**WELL.changes, **changes}}


def quiet_for(longest: timedelta, known: timedelta = 30 * DAY) -> dict[str, Any]:
    return {"longest_quiet": longest, "delivers_since": NOON - known, "last_delivered_at": NOON}


def polled(at: datetime) -> dict[str, Any]:
    return {"source": SourceStatus(at, at, None, 0)}


def pushes(results: str, status: str = "packed", imshop: str | None = "processing") -> list[PushView]:
    """Newest first: `+` was delivered, `-` refused, `?` failed."""
    kinds = {"+": "delivered", "-": "refused", "?": "retry"}
    return [
        PushView(str(at), status, kinds[one], one == "-", NOON - at * MINUTE, "no such order", status, imshop)  # type: ignore[arg-type]
        for at, one in enumerate(results)
    ]


def found(summary: dict[str, Any] | None = None, now: datetime = NOON, **known: Any) -> list[Reason]:
    recent = {name: known.pop(name) for name in ("pushes", "lags", "waiting_since", "unlisted") if name in known}
    situation = Situation(replace(WELL, **(summary or {})), Recent(**recent), **{"interval": MINUTE / 2, **known})
    return [*judge(situation, now).reasons]


def said(*arguments: Any, **known: Any) -> list[tuple[str, str]]:
    return [(reason.kind, reason.severity) for reason in found(*arguments, **known)]


SOURCE = "source"
EXPECTED = Statuses(listed={"packed": Status(imshop="ready_for_pickup")})
SLOW = [PollView(NOON, "incremental", 1, 0, None, 45.0)] * 3


Case: TypeAlias = tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]
CASES: list[Case] = [
    ({}, {}, []),
    ({"source": failing(PATIENCE.source / 2)}, {}, [("source", "warning")]),
    ({"source": failing(PATIENCE.source)}, {}, [("source", "bad")]),
    ({"source": failing(None)}, {}, [("source", "bad")]),
    ({"source": SourceStatus(None, None, None, 0)}, {}, [("first", "warning")]),
    ({"source": SourceStatus(NOON, NOON - PATIENCE.source, None, 0)}, {}, [("late", "warning")]),
    ({"source": SourceStatus(NOON, NOON - PATIENCE.source, None, 0)}, {"is_run": False}, [("late", "bad")]),
    ({"source": SourceStatus(NOON, NOON - PATIENCE.source, None, 0)}, {"interval": PATIENCE.source}, []),
    ({"pause": Pause("tls", NOON, "expired")}, {}, [("paused", "bad")]),
    ({"pause": Pause("unheard of", NOON, "?")}, {}, [("paused", "bad")]),
    (counts(held=3) | {"held": {"guard": 3}}, {}, [("held", "warning")]),
    (counts(held=3) | {"held": {"counting": 3}}, {}, []),
    (counts(held=3) | {"held": {"status": 3}}, {"unlisted": {"courier": 3}}, [("unlisted", "warning")]),
    (counts(dead=3), {}, [("dead", "warning")]),
    (counts(refused=3, superseded=9, discarded=1), {}, []),
    ({"cancellations_failed": 2}, {}, [("cancellations", "warning")]),
    ({"missing_refused": 7}, {}, [("missing", "warning")]),
    ({"missing_refused": 7, "source": failing(timedelta())}, {}, [("missing", "warning")]),
    ({"source": failing(timedelta())}, {}, [("missing", "warning")]),
    ({"lost_at": NOON}, {}, [("lost", "warning")]),
    ({"odd_rows": OddRows(skipped=1)}, {}, [("skipped", "warning")]),
    ({"odd_rows": OddRows(ahead=1, ahead_by=3 * HOUR)}, {}, [("future", "warning")]),
    ({"polls": SLOW}, {}, [("slow", "warning")]),
    ({"polls": SLOW}, {"interval": MINUTE}, []),
    ({"polls": [*SLOW[:2], replace(SLOW[0], seconds=1.0)]}, {}, []),
    ({"polls": [*SLOW[:2], replace(SLOW[0], seconds=None)]}, {}, []),
    ({"polls": [replace(SLOW[0], kind="full"), *SLOW]}, {}, [("slow", "warning")]),
    ({}, {"stands_by": "another one works"}, [("standby", "good")]),
    ({}, {"other_settings": True}, [("settings", "warning")]),
    ({}, {"faults": ["stuck: poll"]}, [("daemon", "bad")]),
    ({}, {"state_fault": "disk full"}, [("state", "bad")]),
    ({}, {"file_fault": "deleted"}, [("state", "bad")]),
    ({"certificate_ends": NOON + 13 * DAY}, {}, [("certificate", "warning")]),
    ({"certificate_ends": NOON - DAY}, {}, [("certificate", "warning")]),
    ({"certificate_ends": NOON + 15 * DAY}, {}, []),
]


@pytest.mark.parametrize(("summary", "known", "reasons"), CASES)
def test_each_reason_is_found(summary: dict[str, Any], known: dict[str, Any], reasons: list[tuple[str, str]]) -> None:
    assert said(summary, **known) == reasons


@pytest.mark.parametrize(
    ("results", "score", "figures"),
    [
        ("-" * 33, RefusalScore(33, 33), (33, 33)),
        ("-" * 4 + "+" * 9, RefusalScore(4, 4), None),
        ("-" * 5 + "+" * 9, RefusalScore(5, 5, since=NOON - 4 * MINUTE), (5, 5)),
        ("-" * 5 + "+" * 9, RefusalScore(5, 5, usual=1), None),
        ("-+--------" + "+" * 9, RefusalScore(8, 8, since=NOON - 9 * MINUTE), (9, 10)),
        ("+-" + "-" * 33, RefusalScore(29, 33), (34, 35)),
        ("++" + "-" * 33, RefusalScore(25, 33), None),
    ],
)
def test_refusals_count_where_they_are_unusual(
    results: str, score: RefusalScore, figures: tuple[int, int] | None
) -> None:
    """Orders that were not placed in the app are refused every day: in some shops most of them."""
    known = {"refusals": score, "last_delivered_at": NOON}
    reasons = [one for one in found(known, pushes=pushes(results)) if one.kind == "refusals"]
    assert [(one.values["refused"], one.values["pushes"]) for one in reasons] == ([figures] if figures else [])
    assert {one.severity for one in reasons} <= {"bad"}


def test_refusals_of_one_order_say_nothing_of_the_others() -> None:
    one_order = [replace(push, order_id="7") for push in pushes("-" * 20)]
    assert said({"refusals": RefusalScore(20, 20), "last_delivered_at": NOON}, pushes=one_order) == []


@pytest.mark.parametrize(("refused", "severity"), [(1, "warning"), (4, "warning"), (5, "bad")])
def test_shop_whose_every_push_is_refused_is_never_green(refused: int, severity: str) -> None:
    assert said({"last_delivered_at": None}, pushes=pushes("-" * refused)) == [("refusals", severity)]


def test_refusals_of_yesterday_say_little_of_today() -> None:
    now = NOON + DAY
    known = counts(refused=33) | {"refusals": RefusalScore(33, 33)} | polled(now)
    assert said(known, now, pushes=pushes("-" * 33)) == [("refusals", "warning")]


@pytest.mark.parametrize(
    ("longest", "known", "lasts", "counts"),
    [
        (60 * HOUR, 14 * DAY, 121 * HOUR, True),
        (60 * HOUR, 14 * DAY, 120 * HOUR, False),
        (60 * HOUR, 13 * DAY, 121 * HOUR, False),
        (MINUTE, 14 * DAY, HOUR, False),
        (MINUTE, 14 * DAY, HOUR + MINUTE, True),
    ],
)
def test_quiet_counts_once_it_is_unusual(longest: timedelta, known: timedelta, lasts: timedelta, counts: bool) -> None:
    """Nights and weekends are no trouble, and of a new shop it is not known how quiet it is."""
    now = NOON + lasts
    assert said(quiet_for(longest, known) | polled(now), now) == ([("quiet", "warning")] if counts else [])


@pytest.mark.parametrize(
    ("results", "headline"),
    [
        ("-" * 7, "IMSHOP refused the last 7 of 7 pushes"),
        ("---+---", "IMSHOP refused 6 of the last 7 pushes"),
    ],
)
def test_refusals_end_with_the_command_for_these(results: str, headline: str) -> None:
    now = NOON + 90 * MINUTE
    (reason,) = found(polled(now) | {"refusals": RefusalScore(8, 8)}, now, pushes=pushes(results))
    assert reason.headline == headline
    assert reason.advice.endswith("syncd retry --refused 2h")
    assert reason.detail == "no such order"


def test_change_that_waits_is_bad_if_nothing_is_delivered() -> None:
    waits = {"waiting_since": NOON - PATIENCE.waiting}
    assert said(**waits) == [("waiting", "warning")]
    assert said({"last_delivered_at": NOON - HOUR}, **waits) == [("waiting", "bad")]
    assert said({"last_delivered_at": None}, **waits) == [("waiting", "bad")]
    assert said(waiting_since=NOON - PATIENCE.waiting / 2) == []


def test_old_change_is_explained_by_a_pause() -> None:
    paused = {"pause": Pause("tls", NOON, "expired"), "last_delivered_at": None}
    reasons = found(paused, waiting_since=NOON - HOUR)
    assert [(one.kind, one.because) for one in reasons] == [("paused", None), ("waiting", "paused")]


@pytest.mark.parametrize(
    ("lags", "late"),
    [
        ([3 * HOUR + MINUTE / 4] * 5, "3:00 h after"),
        ([5.5 * HOUR - MINUTE] * 5, "5:30 h after"),
        ([3 * HOUR] * 4, None),
        ([MINUTE / 4, *[3 * HOUR] * 9], None),
        ([3 * HOUR, 3 * HOUR + 9 * MINUTE, *[3 * HOUR] * 9], None),
        ([MINUTE / 4] * 9, None),
        ([20 * HOUR] * 9, None),
        ([-MINUTE / 2] * 5, "30 s before"),
        ([MINUTE / -60] * 5, None),
    ],
)
def test_whole_half_hours_show_another_zone(lags: list[timedelta], late: str | None) -> None:
    reasons = [one.headline.split(" the time")[0] for one in found(lags=lags) if one.kind == "zone"]
    assert reasons == ([f"Changes are found {late}"] if late else [])
    assert said(lags=lags, interval=HOUR) == []


def test_newest_answer_of_a_code_counts() -> None:
    wrong, right = pushes("+")[0], pushes("+", imshop="ready_for_pickup")[0]
    (reason,) = found(pushes=[wrong, right], statuses=EXPECTED, statuses_file="/etc/s.toml")
    assert (reason.kind, reason.values["orders"], reason.count) == ("mismatch", "0", 1)
    assert "maps 'packed' to 'processing', not to 'ready_for_pickup'" in (reason.detail or "")
    assert "/etc/s.toml" in reason.advice
    assert said(pushes=[right, wrong], statuses=EXPECTED) == []


def test_unlisted_codes_and_their_file_are_named() -> None:
    held = counts(held=2) | {"held": {"status": 2}}
    (reason,) = found(held, unlisted={"courier_wait": 2}, statuses_file="/etc/s.toml")
    assert reason.advice == (
        "List the code in /etc/s.toml: courier_wait (2). Then they go by themselves; see: syncd changes --state held"
    )


def test_the_worst_stands_first() -> None:
    known: dict[str, Any] = {"stands_by": "another", "faults": ["stuck: poll, overdue by 9 s"]}
    reasons = found(counts(dead=1), **known)
    assert [reason.severity for reason in reasons] == ["bad", "warning", "good"]
    assert reasons[0].detail == "stuck: poll, overdue by 9 s"


def test_unreadable_state_leaves_all_else_unknown() -> None:
    assert unreadable("locked").severity == "bad"
    assert judge(Situation(None), NOON).unknown == {*KINDS} - {"state", "daemon"}
    assert judge(Situation(WELL), NOON).unknown == {"certificate"}


def test_a_verdict_fits_in_a_line() -> None:
    assert judge(Situation(WELL), NOON).in_a_line == "polls and pushes"
    paused = Situation(replace(WELL, **counts(dead=1), pause=Pause("unauthorized", NOON, "HTTP 401")))
    assert judge(paused, NOON).in_a_line == (
        "Delivery is paused: IMSHOP does not accept the key: HTTP 401; "
        "Changes were given up, and IMSHOP was never told: 1"
    )


def test_each_reason_to_pause_has_its_own_words() -> None:
    assert set(PAUSES) == set(PAUSE_REASONS)


def test_phrases_and_translations_match() -> None:
    """Each phrase has a translation, and each translation a phrase."""
    files = [path for path in WEB.rglob("*") if path.suffix in (".html", ".py") and path.name != "translations.py"]
    outside = ("verdict.py", "reasons.py", "explain.py", "shop_lookup.py", "wording.py", "cli/explain_command.py")
    rooms = [path.read_text(encoding="utf-8") for path in (*files, *(WEB.parent / name for name in outside))]
    asked = {phrase for room in rooms for phrase in re.findall(r'\b_\("([^"]+)"', room)}
    assert asked <= RUSSIAN.keys()
    said = "".join(rooms) + (WEB / "translations.py").read_text(encoding="utf-8").partition("_UNITS")[2]
    elsewhere = {
        *CHANGE_STATES,
        *PAUSES.values(),
        "retry",
        "paused",
        "unsent",
        "incremental",
        "full",
        NOT_SHOWN,
        UNKNOWN,
    }
    facts = {name for name in RUSSIAN if name[0].islower() or name.startswith("IMSHOP")}
    assert {name for name in RUSSIAN if f'"{name}"' not in said} <= elsewhere | facts


def each_reason() -> list[Reason]:
    """All that is said, in every case: of each kind but `hangs`, which cron says."""
    in_cases = [reason for summary, known, _ in CASES for reason in found(summary, **known)]
    others = [
        *found({"last_delivered_at": None}, pushes=pushes("-" * 5)),
        *found(pushes=pushes("+"), statuses=EXPECTED),
        *found(lags=[3 * HOUR] * 5),
        *found(lags=[-MINUTE] * 5),
        *found(quiet_for(HOUR) | polled(NOON + 20 * DAY), NOON + 20 * DAY),
        *found({"source": SourceStatus(None, None, None, 0)}, is_run=False),
        *found(waiting_since=NOON - HOUR),
        *found({"last_delivered_at": None}, waiting_since=NOON - HOUR),
        *(one for reason in PAUSES for one in found({"pause": Pause(reason, NOON, "?")})),
        *unreadable("locked").reasons,
    ]
    said = [*in_cases, *others]
    assert {reason.kind for reason in said} == {*KINDS} - {"hangs"}
    return said


def test_each_reason_ends_with_what_to_type() -> None:
    """A command of syncd's or of the system's; a restart follows a setting that was corrected."""
    to_type = re.compile(r"syncd [a-z]+|sudo systemctl \w+ syncd|SYNCD_\w+.* restart syncd")
    helpless = {reason.advice for reason in each_reason() if not to_type.search(reason.advice)}
    assert helpless == {"Nothing to do: this one takes over if the other fails"}


def test_nothing_is_left_in_english_in_russian() -> None:
    """But for names and commands, and the errors of others."""
    same = {"IMSHOP", "TLS", "cron", "syncd", "imshop", "packed"}
    commands = re.compile(r"(sudo systemctl \w+ |journalctl -u |syncd [a-z]+( [a-z]+)*( --?[-\w]+)*( \w+)?)|SYNCD_\w+")
    translate = Translator("ru")
    for reason in each_reason():
        for phrase in (reason.what, reason.do):
            text = commands.sub("", translate(phrase, **reason.values))
            assert set(re.findall("[A-Za-z]+", text)) <= same | {"courier"}, text


def test_orders_can_be_pasted_into_a_shell() -> None:
    (wrong,) = pushes("+")
    (reason,) = found(pushes=[replace(wrong, order_id="7; reboot")], statuses=EXPECTED)
    assert reason.advice.endswith("syncd resync '7; reboot'")


def test_what_is_hidden_by_another_reason_is_not_over() -> None:
    now = NOON + 20 * DAY
    quiet = replace(WELL, **(quiet_for(HOUR) | polled(now)))
    assert "quiet" not in judge(Situation(quiet), now).unknown
    paused = replace(quiet, pause=Pause("tls", NOON, "expired"))
    assert "quiet" in judge(Situation(paused), now).unknown
    ahead = replace(WELL, odd_rows=OddRows(ahead=1, ahead_by=HOUR))
    assert "zone" in judge(Situation(ahead), NOON).unknown


def test_daemon_that_never_ran_is_to_be_started() -> None:
    (reason,) = found({"source": SourceStatus(None, None, None, 0)}, is_run=False)
    assert "sudo systemctl start syncd" in reason.advice


def test_each_reason_can_be_said_in_russian() -> None:
    """Each phrase of the module, but for its docstrings."""
    source = ast.parse((WEB.parent / "verdict.py").read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    documented = {
        node.value.value
        for node in ast.walk(source)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    assert {text for text in texts - documented if text[:1].isupper() and " " in text} <= RUSSIAN.keys()


def test_runs_of_cron_are_late_by_their_own_interval() -> None:
    """No daemon keeps the interval of the settings there."""
    quarter = 15 * MINUTE
    runs = {"polls": [PollView(NOON - number * quarter, "incremental", 1, 0, None, 40.0) for number in range(4)]}
    assert said({**runs, **polled(NOON)}, NOON + 29 * MINUTE, is_run=False) == []
    assert ("slow", "warning") in said({**runs, **polled(NOON)}, NOON, is_run=True)
    assert said({**runs, **polled(NOON)}, NOON + 30 * MINUTE, is_run=False) == [("late", "bad")]


def test_daemon_that_polls_no_more_is_not_green_for_ever() -> None:
    """A full compare may read a slow API for an hour: longer than that it is trouble."""
    assert said(polled(NOON), NOON + HOUR) == [("late", "warning")]
    assert said(polled(NOON), NOON + 2 * HOUR) == [("late", "bad")]
