"""No wait for PostgreSQL is for ever, whichever side or way between hangs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import make_url, text

from syncd.errors import StateError
from syncd.state import open_state
from syncd.state.engine import HALF_DONE_SECONDS, SILENT_SECONDS, STATEMENT_SECONDS
from syncd.state.postgresql import connected
from tests.e2e.relay import Relay


@pytest.fixture
def relay(postgresql_state: str) -> Iterator[Relay]:
    relay = Relay(postgresql_state)
    yield relay
    relay.thaw()
    relay.cut()


def test_the_server_has_limits_on_each_session_too(postgresql_state: str) -> None:
    with closing(open_state(postgresql_state, redact=str, wait_seconds=7)) as state, state.store.read() as connection:
        shown = {
            name: connection.execute(text(f"SHOW {name}")).scalar()
            for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        }
        times = {
            name: connection.execute(
                text(f"SELECT extract(epoch FROM current_setting('{name}')::interval)")
            ).scalar_one()
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        }
        user_timeout = connection.execute(text("SHOW tcp_user_timeout")).scalar()
    assert (
        sum(int(shown[f"tcp_keepalives_{name}"] or 0) for name in ("idle", "interval", "count")) <= SILENT_SECONDS + 1
    )
    assert times == {
        "statement_timeout": STATEMENT_SECONDS,
        "lock_timeout": 7,
        "idle_in_transaction_session_timeout": HALF_DONE_SECONDS,
    }
    assert user_timeout == str(SILENT_SECONDS * 1000)


def test_options_of_ones_own_stay(postgresql_state: str) -> None:
    """The fixture's schema is one."""
    with closing(open_state(postgresql_state, redact=str)) as state, state.store.read() as connection:
        schema = connection.execute(text("SELECT current_schema()")).scalar_one()
    assert schema in postgresql_state


def test_silent_server_has_the_connection_closed(relay: Relay) -> None:
    url = make_url(relay.url)
    params = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    connection = connected({**params, "autocommit": True}, 0.3, SILENT_SECONDS)
    assert connection.execute("SELECT 1").fetchone() == (1,)
    relay.freeze()
    with pytest.raises(Exception, match=r"no answer within 0\.3 s"):
        connection.execute("SELECT 2")
    assert connection.closed


def test_state_reconnects_after_a_hang(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.state.engine.STATEMENT_SECONDS", 1)
    monkeypatch.setattr("syncd.state.engine.SILENT_SECONDS", 3)
    with closing(open_state(relay.url, redact=str, wait_seconds=2)) as state:
        relay.freeze()
        with pytest.raises(StateError, match="cannot be reached"):
            state.polls.cursor()
        relay.thaw()
        state.polls.set_cursor("one")
        assert state.polls.cursor() == "one"
