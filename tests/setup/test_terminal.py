"""`syncd init` on a terminal: its questions, in a real pseudo-terminal; Ctrl-C at each of them changes nothing."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from syncd.pipeline.statuses_file import load as load_statuses
from syncd.settings import load
from tests.servers import execute, new_login
from tests.setup.conftest import logins
from tests.setup.shops import BY_NAME, OPENCART_SHOP

SECONDS = 30.0
CTRL_C = b"\x03"
IMSHOP = "http://127.0.0.1:1/v1/clients/shop/statuses/sync/token-0123456789"


class Terminal:
    """A command on a terminal: what it printed, and a person who answers."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self.shown = ""
        self._screen = screen
        self._answered = 0

    def expect(self, question: str) -> None:
        """Wait until the question is printed, behind the last one."""
        ends_at = time.monotonic() + SECONDS
        while (at := self.shown.find(question, self._answered)) < 0:
            assert self._read(ends_at), f"no {question!r} in:\n{self.shown}"
        self._answered = at + len(question)

    def prompted(self, question: str) -> None:
        """Wait until the question is printed, and behind it a prompt: `: ` at the end of a line that is no choice."""
        self.expect(question)
        ends_at = time.monotonic() + SECONDS
        while not re.search(r"^(?!  \d).*: $", self.shown.rpartition("\n")[2]):
            assert self._read(ends_at), f"no prompt behind {question!r} in:\n{self.shown}"
        self._answered = len(self.shown)

    def answer(self, question: str, text: str) -> None:
        self.prompted(question)
        os.write(self._screen, f"{text}\n".encode())

    def end(self) -> int:
        ends_at = time.monotonic() + SECONDS
        while self._read(ends_at):
            pass
        return self.process.wait(timeout=SECONDS)

    def interrupt(self, question: str) -> int:
        """Ctrl-C at the question, and again where it came before the command waits for an answer."""
        self.prompted(question)
        gives_up_at = time.monotonic() + SECONDS
        while self.process.poll() is None and "stopped" not in self.shown:
            assert time.monotonic() < gives_up_at, f"Ctrl-C does not stop it:\n{self.shown}"
            os.write(self._screen, CTRL_C)
            ends_at = time.monotonic() + 1.0
            while self._read(ends_at):
                pass
        return self.end()

    def _read(self, ends_at: float) -> bool:
        ready, _, _ = select.select([self._screen], [], [], max(0.0, ends_at - time.monotonic()))
        try:
            read = os.read(self._screen, 65536) if ready else b""
        except OSError:  # the terminal's other end is closed
            read = b""
        self.shown += read.decode(errors="replace").replace("\r\n", "\n")
        return bool(read)


@contextmanager
def init(folder: Path, *arguments: str | Path, language: str = "C.UTF-8") -> Iterator[Terminal]:
    """`syncd init` in this folder, where it writes out.env."""
    screen, inner = pty.openpty()
    # In a session of its own, whose terminal is the one that Ctrl-C comes from. If the tests run as a background job of
    # a shell, they ignore SIGINT, and so would the command.
    command = [
        "env",
        "--default-signal=INT",
        "setsid",
        "--ctty",
        "--wait",
        sys.executable,
        "-m",
        "syncd",
        "init",
        "--output",
        "out.env",
        *map(str, arguments),
    ]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": language, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, cwd=folder, env=env)
    os.close(inner)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


@pytest.fixture
def shop(tmp_path: Path, shop_database: str) -> Path:
    """PrestaShop without a time zone, so that all is asked that can be."""
    prestashop = BY_NAME["prestashop"]
    prestashop.fill(shop_database)
    execute(shop_database, "DELETE FROM ps_configuration")
    return prestashop.write(tmp_path / "shop", shop_database)


ANSWERS = [
    ("In which time zone does the shop write its times?", "Asia/Omsk"),
    ("Which number of an order does the app know?", "2"),
    ("Who creates it?", "1"),
    ("The password of root (it is not shown or kept; empty: none)", ""),
    ("IMSHOP's URL, from IMSHOP's manager (it is not shown)", IMSHOP),
    ("IMSHOP's key (it is not shown; empty: none)", "imshop-key-0123"),
    ("Write this list to", "y"),
    ("Write it all the same? [y/N]", "y"),
]


def test_all_questions_are_answered_on_a_terminal(shop: Path, tmp_path: Path, shop_database: str) -> None:
    """And what is typed for a secret is not shown."""
    with init(tmp_path, shop) as terminal:
        for question, text in ANSWERS:
            terminal.answer(question, text)
        assert terminal.end() == 0, terminal.shown
    assert re.search(r"1\. id_order: (\d), (\d)\n  2\. reference: REF\1, REF\2\n", terminal.shown)
    assert [secret for secret in ("token-0123456789", "imshop-key-0123") if secret in terminal.shown] == []
    found = {name: one.text for name, one in load({}, tmp_path / "out.env").found.items()}
    assert found["SYNCD_SOURCE__PARAMS__ZONE"] == "Asia/Omsk"
    assert found["SYNCD_SOURCE__PARAMS__NUMBER"] == "reference"
    assert found["SYNCD_IMSHOP__URL"] == IMSHOP
    assert found["SYNCD_IMSHOP__API_KEY"] == "imshop-key-0123"
    assert [user for user, _ in logins(shop_database)] == [make_url(found["SYNCD_SOURCE__URL"]).username]
    assert found["SYNCD_STATUSES__FILE"] == f"{tmp_path}/out.statuses.toml"
    assert load_statuses(tmp_path / "out.statuses.toml").listed
    assert f"syncd --env-file {tmp_path}/out.env check\n" in terminal.shown


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_ctrl_c_at_a_question_changes_nothing(number: int, shop: Path, tmp_path: Path, shop_database: str) -> None:
    (tmp_path / "out.env").write_text("SYNCD_POLL__INTERVAL=10s\n")
    with init(tmp_path, shop) as terminal:
        for question, text in ANSWERS[:number]:
            terminal.answer(question, text)
        assert terminal.interrupt(ANSWERS[number][0]) == 1, terminal.shown
    assert "syncd: stopped" in terminal.shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.env", "shop"]
    assert (tmp_path / "out.env").read_text() == "SYNCD_POLL__INTERVAL=10s\n"
    assert logins(shop_database) == []


def test_statements_can_be_run_by_hand(tmp_path: Path, shop_database: str) -> None:
    OPENCART_SHOP.fill(shop_database)
    shop = OPENCART_SHOP.write(tmp_path / "shop", shop_database)
    with init(tmp_path, shop, "--sandbox") as terminal:
        terminal.answer("Who creates it?", "2")
        terminal.prompted("Run these statements, then press Enter")
        statements = re.findall(r"  ((?:CREATE|GRANT) .*);$", terminal.shown, re.MULTILINE)
        execute(shop_database, *statements)
        os.write(terminal._screen, b"\n")
        terminal.answer("Write this list to", "")
        terminal.answer("Write", "")
        assert terminal.end() == 0, terminal.shown
    assert "the login may only read" in terminal.shown
    assert len(statements) == 4


def test_questions_are_in_russian_by_the_locale(shop: Path, tmp_path: Path) -> None:
    with init(tmp_path, shop, "--sandbox", "--shop-login", language="ru_RU.UTF-8") as terminal:
        terminal.answer("В каком часовом поясе магазин пишет время?", "Omsk")
        terminal.answer("'Omsk' is not a time zone", "Asia/Omsk")
        terminal.answer("Какой номер заказа знает приложение?", "")
        terminal.answer("Записать этот список", "")
        terminal.answer("Записать out.env?", "да")
        assert terminal.end() == 0, terminal.shown
    assert "Найден магазин: prestashop" in terminal.shown
    assert load({}, tmp_path / "out.env").found["SYNCD_SOURCE__PARAMS__NUMBER"].text == "id_order"


def test_computed_values_are_typed(tmp_path: Path, shop_database: str) -> None:
    """The database with a wrong name is asked for again, as a URL."""
    OPENCART_SHOP.fill(shop_database)
    shop = OPENCART_SHOP.write(tmp_path / "shop", shop_database)
    config = shop / "config.php"
    database = make_url(shop_database).database
    config.write_text(config.read_text().replace(f"'{database}'", "name_of_database()"))
    with init(tmp_path, shop, "--sandbox", "--shop-login") as terminal:
        terminal.answer("computes the database in line 11 (name_of_database ( )); type it", "no_such_database")
        terminal.expect("no_such_database")
        terminal.answer("The URL of the database", shop_database)
        terminal.answer("Write this list to", "")
        terminal.answer("Write out.env?", "n")
        assert terminal.end() == 1, terminal.shown
    assert not (tmp_path / "out.env").exists()


def test_one_of_several_shops_is_chosen(tmp_path: Path, shop_database: str) -> None:
    """In folders, and in one database under several prefixes."""
    OPENCART_SHOP.fill(shop_database)
    execute(
        shop_database, *(f"CREATE TABLE b_{name} LIKE oc_{name}" for name in ("order_history", "order_status", "order"))
    )
    OPENCART_SHOP.write(tmp_path / "www" / "b", "mysql://nobody@127.0.0.1/none")
    OPENCART_SHOP.write(tmp_path / "www" / "a", shop_database)
    config = tmp_path / "www" / "a" / "config.php"
    config.write_text(config.read_text().replace("'oc_'", "'gone_'"))
    with init(tmp_path, "www", "--sandbox", "--shop-login") as terminal:
        terminal.answer("Several shops are there. Which one?", "1")
        terminal.answer("The prefix 'gone_' is not in the database", "2")
        terminal.answer("Write this list to", "")
        terminal.answer("Write", "y")
        assert terminal.end() == 0, terminal.shown
    assert load({}, tmp_path / "out.env").found["SYNCD_SOURCE__PARAMS__PREFIX"].text == "oc_"


def test_login_that_may_not_create_logins_stops_it(shop: Path, tmp_path: Path, shop_database: str) -> None:
    database = make_url(shop_database).database
    with (
        new_login(shop_database, f"ALL ON `{database}`.*") as (_, url),
        init(
            tmp_path, shop, "--sandbox", "--param", "zone=UTC", "--admin-user", make_url(url).username or ""
        ) as terminal,
    ):
        terminal.answer("Which number", "1")
        terminal.answer("Who creates it?", "1")
        terminal.answer("The password of", "pw")
        terminal.answer("Write this list to", "")
        terminal.answer("Write", "y")
        assert terminal.end() == 1, terminal.shown
    assert "may not create logins" in terminal.shown
    assert not (tmp_path / "out.env").exists()
