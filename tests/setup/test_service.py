"""After the file is written: the service is started where systemd is, and the next commands are named."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from syncd.cli import init_command
from syncd.errors import SyncdError
from syncd.setup import env_file
from tests.servers import free_port
from tests.setup.conftest import Run
from tests.setup.shops import OPENCART_SHOP


@pytest.fixture
def folder(tmp_path: Path, shop_database: str) -> Path:
    OPENCART_SHOP.fill(shop_database)
    return OPENCART_SHOP.write(tmp_path / "shop", shop_database)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with systemd whose settings are in the test's folder; the file has what systemctl was called with."""
    called, systemctl = tmp_path / "called", tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(
        f'#!/bin/sh\necho "$@" >>{called}\n[ ! -e {tmp_path}/broken ] || {{ echo no unit >&2; exit 5; }}\n'
    )
    systemctl.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(init_command, "SYSTEMD", tmp_path)
    monkeypatch.setattr(init_command, "ENV_FILE", tmp_path / "syncd.env")
    return called


def imshop(*more: str) -> list[str]:
    """An IMSHOP that cannot be reached here: the file is written all the same."""
    url = f"http://127.0.0.1:{free_port()}/statuses/sync/token"
    return ["--yes", "--shop-login", "--imshop-url", url, "--force", "--json", *more]


@pytest.mark.parametrize(("name", "service"), [("syncd.env", "syncd"), ("second.env", "syncd@second")])
def test_service_is_started_at_each_boot(
    name: str, service: str, run: Run, folder: Path, systemd: Path, tmp_path: Path
) -> None:
    ran = run(folder, *imshop("--output", str(tmp_path / name)))
    assert ran.exit_code == 0, ran.output
    assert systemd.read_text() == f"enable {service}\nrestart {service}\n"
    assert json.loads(ran.stdout)["next"] == [f"sudo {service} check", f"sudo {service} status"]


def test_service_is_not_started_unless_wanted(run: Run, folder: Path, systemd: Path, tmp_path: Path) -> None:
    """Nor for a rehearsal, nor if no unit reads the file."""
    file = str(tmp_path / "syncd.env")
    ran = run(folder, *imshop("--output", file, "--no-enable"))
    assert json.loads(ran.stdout)["next"] == ["sudo syncd check", "sudo syncd once"]
    ran = run(folder, "--yes", "--shop-login", "--sandbox", "--json", "--output", file)
    assert json.loads(ran.stdout)["next"] == ["/opt/syncd/bin/syncd sandbox", "sudo syncd once"]
    assert run(folder, *imshop("--output", str(tmp_path / "elsewhere" / "syncd.env"))).exit_code == 0
    assert not systemd.exists()


def test_service_that_does_not_start_is_told(run: Run, folder: Path, systemd: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    ran = run(folder, *imshop("--output", str(tmp_path / "syncd.env")))
    assert isinstance(ran.exception, SyncdError)
    assert "is written, but systemctl enable syncd failed: no unit" in str(ran.exception)
    assert (tmp_path / "syncd.env").exists()


def test_host_without_systemd_is_told_the_plain_commands(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run(folder, *imshop())
    file = tmp_path / "out.env"
    assert json.loads(ran.stdout)["next"] == [f"syncd --env-file {file} check", f"syncd --env-file {file} once"]


def test_each_shop_has_a_port_of_its_own(run: Run, folder: Path, systemd: Path, tmp_path: Path) -> None:
    """The first one keeps the usual port."""
    for name, bind in (
        ("syncd", None),
        ("one", "127.0.0.1:9471"),
        ("two", "127.0.0.1:9472"),
        ("one", "127.0.0.1:9471"),
    ):
        assert run(folder, *imshop("--output", str(tmp_path / f"{name}.env"))).exit_code == 0
        assert env_file.variables_in((tmp_path / f"{name}.env").read_text()).get("SYNCD_HTTP__BIND") == bind
