"""The three ways to have the shop cancel, against real servers, programs and databases."""

from __future__ import annotations

import fcntl
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from syncd.cancel import CommandShop, HttpShop, SqlShop
from syncd.cancel.bounded import within
from syncd.cancel.desk import Verdict
from syncd.cancel.words import NOT_KNOWN
from syncd.errors import CancelError
from tests.cancel.shops import HttpServer, cancellation, served
from tests.servers import execute, mariadb_database, postgresql_database

__all__ = ["mariadb_database", "postgresql_database"]

NASTY = "a\"b'c\\d/../e&f=g?h#i\r\nX-Evil: 1;{order_id}$(id)`id`%00|"


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with served(HttpServer()) as server:
        yield server


def call(server: HttpServer, path: str = "/orders/{order_id}/cancel", **given: Any) -> HttpShop:
    defaults: dict[str, Any] = {"method": "POST", "body": None, "headers": {}, "redact": str}
    return HttpShop(server.url + path, **{**defaults, **given})


def failure(shop: Any, seconds: float = 5.0, **given: Any) -> CancelError:
    with pytest.raises(CancelError) as caught:
        shop.cancel(cancellation(**given), seconds)
    return caught.value


def test_a_call_carries_all_that_is_known_and_its_token(server: HttpServer) -> None:
    assert call(server).cancel(cancellation(), 5).accepted
    (made,) = server.calls
    assert (made.method, made.path) == ("POST", "/orders/7/cancel")
    assert made.json() == {"id": "token-1", "order_id": "7", "uuid": "u-7", "reason": "Передумал"}
    assert made.headers["Idempotency-Key"] == "token-1"
    assert made.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_method_without_a_body_sends_none(server: HttpServer, method: str) -> None:
    assert call(server, method=method).cancel(cancellation(), 5).accepted
    assert (server.calls[0].method, server.calls[0].body) == (method, b"")


def test_no_value_leaves_its_place_in_an_address_a_header_or_json(server: HttpServer) -> None:
    shop = call(
        server,
        "/o/{order_id}?why={reason}",
        headers={"X-Order": "no {order_id}", "X-Why": "{reason}"},
        body='{"order": ["{order_id}"], "why": "because {reason}", "n": 1}',
    )
    shop.cancel(cancellation(NASTY, reason="Ж" + NASTY), 5)
    (made,) = server.calls
    assert made.path.startswith("/o/a%22b%27c%5Cd%2F..%2Fe%26f%3Dg%3Fh%23i%0D%0AX-Evil%3A%201%3B")
    assert made.path.count("?") == 1
    assert "X-Evil" not in made.headers
    assert made.headers["X-Why"].startswith("%D0%96a")
    assert made.json() == {"order": [NASTY], "why": "because Ж" + NASTY, "n": 1}


def test_a_form_is_quoted_as_a_form(server: HttpServer) -> None:
    call(server, body="order={order_id}&why={reason}").cancel(cancellation(reason="a&b=c d"), 5)
    assert server.calls[0].body == b"order=7&why=a%26b%3Dc+d"
    assert server.calls[0].headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("path", "body", "order_id", "uuid"),
    [
        ("/{order_id}", None, None, "u"),
        ("/{order_id}", None, "..", "u"),
        ("/{uuid}", None, "7", None),
        ("/", "{}", "7", "u"),
        ("/", '["{uuid}"]', "7", None),
    ],
)
def test_an_order_that_cannot_be_named_to_the_shop_is_refused_unasked(
    server: HttpServer, path: str, body: str | None, order_id: str | None, uuid: str | None
) -> None:
    verdict = call(server, path, body=body).cancel(cancellation(order_id, uuid), 5)
    assert (verdict, server.calls) == (Verdict(accepted=False, message=NOT_KNOWN), [])


@pytest.mark.parametrize(
    ("content_type", "answer", "message"),
    [
        ("application/json", '{"message": "Уже\\n в пути"}', "Уже в пути"),
        ("application/json", '{"error": "late"}', "late"),
        ("application/json", '["late"]', None),
        ("application/json", "{", None),
        ("text/plain; charset=utf-8", "Уже в пути", "Уже в пути"),
        ("text/html", "<p>no</p>", None),
    ],
)
def test_a_4xx_is_a_refusal_in_the_shops_words(
    server: HttpServer, content_type: str, answer: str, message: str | None
) -> None:
    server.status, server.answer, server.content_type = 409, answer.encode(), content_type
    assert call(server).cancel(cancellation(), 5) == Verdict(accepted=False, message=message)


@pytest.mark.parametrize(("status", "in_doubt"), [(302, False), (401, False), (429, False), (500, True), (503, True)])
def test_any_other_status_decides_nothing(server: HttpServer, status: int, *, in_doubt: bool) -> None:
    server.status = status
    error = failure(call(server))
    assert f"HTTP {status}" in str(error)
    assert error.in_doubt is in_doubt


def test_a_shop_that_cannot_be_reached_has_certainly_not_applied_it(server: HttpServer) -> None:
    closed = HttpServer(url="http://127.0.0.1:1")
    error = failure(call(closed))
    assert "127.0.0.1 cannot be reached: Connection refused" in str(error)
    assert not error.in_doubt


def test_a_host_that_does_not_exist_is_told_without_the_address() -> None:
    error = failure(HttpShop("http://shop.invalid/{order_id}?token=secret", "POST", None, {}, str))
    assert "shop.invalid cannot be reached" in str(error)
    assert "secret" not in str(error)


def test_a_shop_that_takes_too_long_may_have_applied_it(server: HttpServer) -> None:
    server.seconds = 1
    error = failure(call(server), seconds=0.2)
    assert "did not answer" in str(error)
    assert error.in_doubt


def test_only_this_machine_is_called_without_the_environments_proxy(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert call(server).cancel(cancellation(), 5).accepted
    near = HttpServer(url=server.url.replace("127.0.0.1", "localhost"))
    assert call(near).cancel(cancellation(), 5).accepted


def program(text: str) -> CommandShop:
    return CommandShop([sys.executable, "-c", text], str)


def test_a_program_gets_the_cancellation_on_stdin_and_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCD_CANCEL__API_KEY", "secret")
    out = tmp_path / "out"
    shop = program(f"import sys, os; open({str(out)!r}, 'w').write(sys.stdin.read() + repr(sorted(os.environ)))")
    assert shop.cancel(cancellation(NASTY), 10) == Verdict(accepted=True)
    told, environment = out.read_text().split("\n")
    assert json.loads(told) == {"id": "token-1", "order_id": NASTY, "uuid": "u-7", "reason": "Передумал"}
    assert "SYNCD_" not in environment
    shop.close()


def test_exit_1_is_a_refusal_in_the_programs_words() -> None:
    assert program("print('late'); raise SystemExit(1)").cancel(cancellation(), 10).message == "late"
    assert program("raise SystemExit(1)").cancel(cancellation(), 10) == Verdict(accepted=False)


def test_any_other_exit_decides_nothing() -> None:
    error = failure(program("import sys; print('no database', file=sys.stderr); sys.exit(3)"), 10)
    assert str(error) == "SYNCD_CANCEL__COMMAND ended with 3: no database"
    assert "it said nothing" in str(failure(program("raise SystemExit(7)"), 10))


def is_free(file: TextIO) -> bool:
    """Whether nobody who lives has a lock on it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    child = (
        f"import fcntl, time; file = open({str(lock)!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        " print('here', file=file, flush=True); time.sleep(60)"
    )
    shop = program(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    error = failure(shop, seconds=3)
    assert "was ended" in str(error)
    assert lock.read_text() == "here\n"
    with lock.open() as file:
        ends_at = time.monotonic() + 10
        while not is_free(file):
            assert time.monotonic() < ends_at, "what the program started lives on"
            time.sleep(0.01)


def test_a_program_that_is_not_there_is_told() -> None:
    error = failure(CommandShop(["/no/such/program"], str))
    assert "cannot be run: No such file" in str(error)
    assert not error.in_doubt


UPDATE = "UPDATE orders SET state = 'cancelled', why = :reason WHERE number = :order_id AND state = 'new'"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def shop_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/shop.db"
    else:
        url = str(request.getfixturevalue(f"{request.param}_database"))
    execute(
        url,
        "CREATE TABLE orders (number VARCHAR(200), state VARCHAR(20), why VARCHAR(200))",
        "INSERT INTO orders VALUES ('7', 'new', NULL), ('8', 'new', NULL)",
    )
    return url


def test_rows_that_changed_are_an_acceptance_and_none_a_refusal(shop_url: str) -> None:
    shop = SqlShop(shop_url, UPDATE, 5, str)
    nasty = "7' OR '1'='1"
    assert shop.cancel(cancellation(nasty), 5) == Verdict(accepted=False)
    assert shop.cancel(cancellation(reason="x'; DROP TABLE orders; --"), 5) == Verdict(accepted=True)
    assert shop.cancel(cancellation(), 5) == Verdict(accepted=False)
    shop.close()
    execute(shop_url, "UPDATE orders SET state = 'kept' WHERE state = 'new' AND number = '8'")


def test_a_statement_that_wants_a_number_is_not_run_without_one(tmp_path: Path) -> None:
    shop = SqlShop(f"sqlite:///{tmp_path}/no/such/shop.db", UPDATE, 5, str)
    assert shop.cancel(cancellation(None), 5).message == NOT_KNOWN
    shop.close()


def test_a_database_that_is_not_there_decides_nothing(tmp_path: Path) -> None:
    error = failure(SqlShop(f"sqlite:///{tmp_path}/no/such/shop.db", UPDATE, 5, str))
    assert "unable to open database file" in str(error)
    assert not error.in_doubt


def test_a_row_that_is_locked_decides_nothing_within_the_time(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("CREATE TABLE orders (number, state, why)")
        other.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in str(failure(SqlShop(f"sqlite:///{path}", UPDATE, 1, str)))
        other.execute("ROLLBACK")


def test_an_update_that_is_done_too_late_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("CREATE TABLE orders (number, state, why)")
        other.execute("INSERT INTO orders VALUES ('7', 'new', NULL)")
        error = failure(SqlShop(f"sqlite:///{path}", UPDATE, 1, str), seconds=-1)
        assert "was undone" in str(error)
        assert other.execute("SELECT state FROM orders").fetchall() == [("new",)]


def test_what_hangs_is_left_behind_and_may_have_been_applied() -> None:
    with pytest.raises(CancelError, match=r"did not answer within 0\.1 s") as caught:
        within(0.1, lambda: time.sleep(0.5))
    assert caught.value.in_doubt


def test_a_fault_of_our_own_is_a_failure_in_doubt_and_not_a_lost_thread(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(CancelError, match="unexpected: ZeroDivisionError") as caught:
        within(5, lambda: 1 // 0)
    assert caught.value.in_doubt
    assert "cancellation_crashed" in caplog.text
