"""A program that cancels: real interpreters, real exit codes."""

from __future__ import annotations

import fcntl
import json
import sys
import time
from pathlib import Path
from typing import TextIO

import pytest

from syncd.cancel.by_command import CommandCanceller
from syncd.cancel.interface import shop_answer
from syncd.errors import CancelError
from syncd.model import CancelDecision
from tests.cancel.shops import cancellation

NASTY = "a\"b'c\\d/../e&f=g?h#i\r\nX-Evil: 1;{order_id}$(id)`id`%00|"


def program(text: str) -> CommandCanceller:
    return CommandCanceller([sys.executable, "-c", text], str)


def failure(shop: CommandCanceller, seconds: float = 10.0) -> CancelError:
    with pytest.raises(CancelError) as caught:
        shop.cancel(cancellation(), seconds)
    return caught.value


def test_program_gets_cancellation_but_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cancellation comes on stdin, and no variable of syncd's settings is passed on."""
    monkeypatch.setenv("SYNCD_CANCEL__API_KEY", "secret")
    out = tmp_path / "out"
    shop = program(f"import sys, os; open({str(out)!r}, 'w').write(sys.stdin.read() + repr(sorted(os.environ)))")
    assert shop.cancel(cancellation(NASTY, shop_id="348"), 10) == CancelDecision("accepted")
    told, environment = out.read_text().split("\n")
    known = {"order_id": NASTY, "shop_id": "348", "uuid": "u-7", "reason": "Передумал"}
    assert json.loads(told) == {"id": "token-1", **known}
    assert "SYNCD_" not in environment
    shop.close()


def test_exit_10_is_refusal_with_the_output() -> None:
    said = program("print('<b>Уже</b>\\n в пути'); raise SystemExit(10)").cancel(cancellation(), 10)
    assert said == CancelDecision("refused", message="Уже в пути")
    assert program("raise SystemExit(10)").cancel(cancellation(), 10) == CancelDecision("refused")


def test_words_that_are_no_utf_8_are_none() -> None:
    wrong = program("import sys; sys.stdout.buffer.write('Уже'.encode('cp1251')); raise SystemExit(10)")
    assert wrong.cancel(cancellation(), 10) == CancelDecision("refused")
    cut = program("print('x' + 'Ж' * 3000); raise SystemExit(10)")
    assert cut.cancel(cancellation(), 10) == CancelDecision("refused", message="x" + "Ж" * 199)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([sys.executable, "-c", "raise KeyError('stock')"], "ended with 1, neither 0 (cancelled) nor 10 (refused)"),
        ([sys.executable, "-c", "raise KeyError('stock')"], "KeyError: 'stock'"),
        ([sys.executable, "/no/such/cancel.py"], "No such file"),
        (["sh", "-ec", "false"], "ended with 1, neither 0 (cancelled) nor 10 (refused): it said nothing"),
        (["sh", "-c", "echo 'Could not open input file'; exit 1"], "Could not open input file"),
        (
            ["sh", "-c", "echo 'no database' >&2; exit 3"],
            "ended with 3, neither 0 (cancelled) nor 10 (refused): no",
        ),
    ],
)
def test_other_exit_codes_are_failures_in_doubt(command: list[str], said: str) -> None:
    error = failure(CommandCanceller(command, str))
    assert said in str(error)
    assert error.in_doubt


def test_what_it_says_on_stderr_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    program("import sys; print('mail is off', file=sys.stderr)").cancel(cancellation(), 10)
    (entry,) = caplog.records
    assert (entry.message, "mail is off" in str(entry.__dict__)) == ("cancellation_program_said", True)


def is_free(file: TextIO) -> bool:
    """Whether nobody who lives has a lock on it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_slow_program_is_ended_with_its_children(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    child = (
        f"import fcntl, time; file = open({str(lock)!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        " print('here', file=file, flush=True); time.sleep(60)"
    )
    shop = program(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    assert "was ended" in str(failure(shop, seconds=3))
    assert lock.read_text() == "here\n"
    with lock.open() as file:
        ends_at = time.monotonic() + 10
        while not is_free(file):
            assert time.monotonic() < ends_at, "what the program started lives on"
            time.sleep(0.01)


def test_a_program_that_is_not_there_is_told() -> None:
    error = failure(CommandCanceller(["/no/such/program"], str))
    assert "cannot be run: No such file" in str(error)
    assert not error.in_doubt


def test_hanging_call_is_abandoned_in_doubt() -> None:
    with pytest.raises(CancelError, match=r"did not answer within 0\.1 s") as caught:
        shop_answer(lambda: time.sleep(0.5), 0.1)
    assert caught.value.in_doubt


def test_unexpected_error_is_failure_in_doubt(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(CancelError, match="unexpected: ZeroDivisionError") as caught:
        shop_answer(lambda: 1 // 0, 5)
    assert caught.value.in_doubt
    assert "cancellation_crashed" in caplog.text
