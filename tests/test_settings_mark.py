"""Whether a command reads other settings than the daemon was started with."""

from __future__ import annotations

import json

import pytest

from syncd.runtime.settings_mark import has_other_settings, note_settings
from syncd.settings import load
from syncd.state import State

HEADERS = {"SYNCD_SOURCE__HEADERS__A": "1", "SYNCD_SOURCE__HEADERS__B": "2"}
WRITTEN = {
    "SYNCD_IMSHOP__URL": "https://imshop.example/v1/clients/acme/statuses/sync/5f9c5363a1b2c3d4",
    "SYNCD_IMSHOP__API_KEY": "k3y-k3y-k3y",
    "SYNCD_SOURCE__URL": "https://shop.example/orders?page={page}",
    "SYNCD_SOURCE__PAGING": "page",
    "SYNCD_SOURCE__FIELDS": '{"order_id": "id", "status": "state"}',
    **HEADERS,
}


def is_told(state: State, daemon: dict[str, str], command: dict[str, str]) -> bool:
    """What a command says that reads these settings, while the daemon works with those."""
    note_settings(load(daemon, usual_env_files=()).settings, state)
    return has_other_settings(load(command, usual_env_files=()).settings, state)


@pytest.mark.parametrize(
    "other",
    [
        {"SYNCD_IMSHOP__API_KEY": "another-key"},
        {"SYNCD_IMSHOP__URL": WRITTEN["SYNCD_IMSHOP__URL"] + "5"},
        {"SYNCD_POLL__INTERVAL": "7s"},
        {"SYNCD_SOURCE__HEADERS__B": "3"},
        {"SYNCD_SOURCE__HEADERS__C": "3"},
        {"SYNCD_SOURCE__FIELDS": '{"order_id": "id", "status": "status"}'},
        {"SYNCD_NOTIFY__HEARTBEAT_URL": "https://hc.example/ping/1"},
    ],
)
def test_other_settings_are_told(memory: State, other: dict[str, str]) -> None:
    assert is_told(memory, WRITTEN, WRITTEN | other)


@pytest.mark.parametrize(
    "other",
    [
        {"SYNCD_HTTP__BIND": "127.0.0.1:9470"},
        {"SYNCD_LOG__LEVEL": "debug"},
        {"SYNCD_STATE__URL": "postgresql://syncd@db-1.example/syncd"},
        {"SYNCD_SOURCE__FIELDS": '{"status": "state", "order_id": "id"}'},
    ],
)
def test_what_may_differ_is_not_told(memory: State, other: dict[str, str]) -> None:
    """Between two daemons of one state, say, each with an address of its own."""
    assert not is_told(memory, WRITTEN, WRITTEN | other)


def test_order_of_the_environment_does_not_matter(memory: State) -> None:
    assert not is_told(memory, WRITTEN, dict(reversed(WRITTEN.items())))


@pytest.mark.parametrize("missing", ["SYNCD_IMSHOP__API_KEY", "SYNCD_SOURCE__HEADERS__A"])
def test_secrets_that_only_the_daemon_has_are_not_told(memory: State, missing: str) -> None:
    """As with systemd's LoadCredential; a secret that both have is compared all the same."""
    without = {name: text for name, text in WRITTEN.items() if name != missing}
    assert not is_told(memory, WRITTEN, without)
    assert is_told(memory, WRITTEN, without | {"SYNCD_SOURCE__HEADERS__B": "3"})


def test_mark_tells_no_value(memory: State) -> None:
    note_settings(load(WRITTEN, usual_env_files=()).settings, memory)
    mark = json.dumps(memory.settings_mark())
    assert "k3y" not in mark
    assert "5f9c5363a1b2c3d4" not in mark
