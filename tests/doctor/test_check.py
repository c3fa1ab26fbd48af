"""`syncd check` as a process, and what it says of the settings."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from syncd.doctor import examine
from syncd.errors import SettingsError
from syncd.settings import load
from tests.doctor.installation import QUERY, Installation, areas
from tests.e2e.world import World, end


def test_sound_installation_exits_0(world: World) -> None:
    """Each finding is one line, and nothing is sent or created."""
    world.shop.put("0042", "packed")
    lines = world.done("check").splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}
    assert {line[9:17].strip() for line in lines} == {
        "settings",
        "source",
        "state",
        "imshop",
        "http",
        "cancel",
        "notify",
    }
    assert any('order 0042 would be pushed as {"id": "0042", "code": "packed"}' in line for line in lines)
    assert world.sandbox.requests == 0
    assert not (world.home / "state.db").exists()


def test_json_is_one_document(world: World) -> None:
    document = world.json("check")
    assert document["ok"] is True
    assert set(document["findings"][0]) == {"area", "level", "text", "advice"}


def test_fault_exits_1_after_all_other_checks(world: World) -> None:
    ran = world.syncd("check", SYNCD_SOURCE__URL=f"sqlite:///{world.home}/gone.db", SYNCD_IMSHOP__URL="http://[::1]:1/")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stdout + ran.stderr
    faults = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("fault")]
    assert faults == ["source", "imshop"]
    assert not (world.home / "gone.db").exists()


def test_configuration_fault_exits_2_before_any_check(world: World) -> None:
    ran = world.syncd("check", SYNCD_POLL__INTERVAL="soon")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "SYNCD_POLL__INTERVAL" in ran.stderr


def test_no_secret_is_shown(world: World) -> None:
    ran = world.syncd(
        "check",
        SYNCD_SOURCE__URL="postgresql://reader:p4ssw0rd@127.0.0.1:1/shop",
        SYNCD_IMSHOP__URL="http://127.0.0.1:1/T0KEN-T0KEN-T0KEN",
    )
    assert ran.returncode == 1
    for secret in ("p4ssw0rd", "T0KEN", "test-key"):
        assert secret not in ran.stdout + ran.stderr


def test_a_running_daemon_is_seen_and_undisturbed(world: World) -> None:
    world.shop.put("0042", "packed")
    daemon = world.started()
    found = world.done("check")
    assert "a daemon works with it (process " in found
    assert f"a daemon answers at 127.0.0.1:{world.port}, and is well" in found
    assert end(daemon) == 0


def test_silent_shop_does_not_stop_other_checks(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://reader@127.0.0.1:{silent.getsockname()[1]}/shop"
        findings = Installation(tmp_path, seconds=0.3).examined(SYNCD_SOURCE__URL=url)
    assert "Does the query run? No answer within 0.3 s" in [finding.text for finding in findings]
    assert areas(findings) == {"settings", "source", "state", "imshop", "http", "cancel", "notify"}


def test_where_the_settings_come_from_is_told(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    file = tmp_path / "syncd.env"
    file.write_text("".join(f"{name}={text!r}\n" for name, text in installation.env.items()))
    file.chmod(0o600)
    findings = [*examine(load({"SYNCD_FIRST_RUN": "push"}, file))]
    assert (
        findings[0].text
        == f"the settings can be used: {len(installation.env)} from {file}, 1 from environment; the others are defaults"
    )
    assert areas(findings) == {"settings", "source", "state", "imshop", "http", "cancel", "notify"}


def test_world_readable_secret_file_is_a_warning(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    key = secrets / "SYNCD_IMSHOP__API_KEY"
    key.write_text("K3Y-K3Y")
    key.chmod(0o644)
    installation = Installation(tmp_path)
    del installation.env["SYNCD_IMSHOP__API_KEY"]
    found = installation.found("settings", "warning", SYNCD_SECRETS_DIR=str(secrets))
    assert f"every user of this machine may read {key} and the secrets in it Run: chmod o-r {key}" in found


def test_what_overrides_a_preset_is_told(tmp_path: Path) -> None:
    installation = Installation(
        tmp_path, {"SYNCD_SOURCE__URL": "mysql://u@127.0.0.1:1/shop", "SYNCD_SOURCE__PRESET": "opencart"}
    )
    del installation.env["SYNCD_SOURCE__QUERY"]
    assert "preset" not in installation.found("settings").partition("\n")[2]
    installation.env |= {"SYNCD_SOURCE__TIMEZONE": "UTC", "SYNCD_SOURCE__QUERY": QUERY}
    found = installation.found("settings", SYNCD_SOURCE__PARAMS__ZONE="Asia/Omsk")
    replaced = "SYNCD_SOURCE__TIMEZONE (UTC, not Asia/Omsk), SYNCD_SOURCE__QUERY"
    assert f"ok: set by hand instead of the preset opencart: {replaced}" in found
    assert "warning: SYNCD_SOURCE__PARAMS__ZONE has no effect: SYNCD_SOURCE__TIMEZONE is set" in found


def test_the_statuses_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "statuses.toml"
    file.write_text('unknown = "hold"\n[new]\n[packed]\n')
    found = Installation(tmp_path).found("settings", SYNCD_STATUSES__FILE=str(file))
    assert f"ok: statuses file {file}: 2 codes; others: hold" in found


def test_unusable_statuses_file_fails_before_any_check(tmp_path: Path) -> None:
    file = tmp_path / "statuses.toml"
    file.write_text("unknown = 1\n")
    with pytest.raises(SettingsError):
        examine(load({**Installation(tmp_path).env, "SYNCD_STATUSES__FILE": str(file)}, usual_env_files=()))
