"""An administrator's day, on clean Debians: from nothing to the first push, an upgrade from 0.1, the removal.

It takes minutes, so it runs only with TEST_INSTALLATION=1 and `-n 0`, as root: see CONTRIBUTING.md. With `-s` it prints
how long the way to the first push was.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.sandbox import Sandbox
from tests.deploy.machines import Machine, booted, made
from tests.deploy.tools import DEPLOY
from tests.presets.shop import PlatformShop
from tests.setup.shops import OPENCART_SHOP

pytestmark = pytest.mark.skipif("TEST_INSTALLATION" not in os.environ, reason="takes minutes; see CONTRIBUTING.md")
SECONDS_TO_FIRST_PUSH = 180
VERSION_0_1 = "fa59574"
KEY = "imshop-key-0123"
PYTHON = "apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-venv"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A server with MariaDB, which runs, and nothing else. The tests below share it, in their order."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail("several workers would each make machines, and take tests out of their order: run these with -n 0")
    with booted(made(request.param, tmp_path_factory.mktemp(request.param) / "root")) as machine:
        machine.wait("systemctl is-active mariadb")
        yield machine


@pytest.fixture(scope="module")
def shop(machine: Machine) -> PlatformShop:
    """OpenCart in /var/www/shop, with its database."""
    logins = ("shop@localhost", "shop@127.0.0.1")
    statements = [f"CREATE USER {login} IDENTIFIED BY 'pw'; GRANT ALL ON shop.* TO {login};" for login in logins]
    machine.done(f'mariadb -e "CREATE DATABASE shop; {" ".join(statements)}"')
    url = f"mysql+pymysql://shop:pw@127.0.0.1:{machine.database_port}/shop"
    OPENCART_SHOP.write(machine.root / "var/www/shop", url, host="localhost")
    return OPENCART_SHOP.fill(url)


@pytest.fixture
def imshop() -> Iterator[Sandbox]:
    with Sandbox(key=KEY) as sandbox:
        yield sandbox


def told(imshop: Sandbox) -> list[tuple[str, str]]:
    return [(one.id, one.code) for one in imshop.applied]


def wait_for(imshop: Sandbox, expected: list[tuple[str, str]], machine: Machine) -> None:
    ends_at = time.monotonic() + 60
    while told(imshop) != expected:
        assert time.monotonic() < ends_at, f"{told(imshop)}: {machine.run('journalctl --unit syncd').stdout}"
        time.sleep(0.1)


def left(machine: Machine) -> list[str]:
    """What of syncd is on the machine."""
    places = "/opt /etc/syncd /etc/systemd/system /usr/local /var/lib/private /var/lib/syncd"
    return sorted(machine.run(f"find {places} -path '*syncd*' -not -type d 2>/dev/null").stdout.split())


def test_first_push_comes_within_three_minutes(machine: Machine, shop: PlatformShop, imshop: Sandbox) -> None:
    """By the commands of docs/install.md, with the options of `init` that answer its questions."""
    machine.clone()
    (machine.root / "root/key").write_text(KEY)
    began_at = time.monotonic()
    machine.done(PYTHON)
    machine.done("deploy/systemd/install")
    answers = f"--imshop-url {imshop.url} --imshop-key-file /root/key --statuses /etc/syncd/statuses.toml --enable"
    machine.done(f"syncd init --yes {answers}")
    machine.wait('syncd status --json | grep -q \'"last_success_at": "\'')
    assert told(imshop) == []
    shop.do(shop.platform.ship, 2)
    wait_for(imshop, [("2", "3")], machine)
    seconds = time.monotonic() - began_at
    print(f"from nothing to the first push: {seconds:.0f} s")  # noqa: T201 - what one wants to know

    assert seconds < SECONDS_TO_FIRST_PUSH
    machine.done("systemctl is-enabled syncd && syncd check")
    assert "User=root" not in machine.done("systemctl show syncd --property=User")


def test_removal_leaves_settings_and_state_unless_asked(machine: Machine) -> None:
    """Of what the test before has installed."""
    machine.done("deploy/systemd/remove")
    names = {Path(file).name for file in left(machine)}
    link, locks = "syncd", {"syncd.db.lock", "syncd.db.poll.lock"}
    assert names - locks == {"syncd.env", "syncd.env.before-init", "statuses.toml", "syncd.db", link}
    machine.done("deploy/systemd/install && deploy/systemd/remove --with-settings-and-state")
    assert left(machine) == []


def test_upgrade_from_0_1_keeps_settings_and_state(machine: Machine, shop: PlatformShop, imshop: Sandbox) -> None:
    """Nobody is told anything for it, and what changed meanwhile is told after it."""
    known = subprocess.run(["git", "cat-file", "-e", VERSION_0_1], cwd=DEPLOY.parent, capture_output=True, check=False)
    if known.returncode != 0:
        pytest.skip("this clone has no version 0.1")
    machine.clone(VERSION_0_1)
    machine.done(f"{PYTHON} && deploy/systemd/install")
    url = f"mysql://shop:pw@127.0.0.1:{machine.database_port}/shop"
    settings = [f"IMSHOP__URL={imshop.url}", f"IMSHOP__API_KEY={KEY}", f"SOURCE__URL={url}", "SOURCE__PRESET=opencart"]
    (machine.root / "etc/syncd/syncd.env").write_text("".join(f"SYNCD_{setting}\n" for setting in settings))
    machine.done("systemctl enable --now syncd")
    machine.wait('syncd status --json | grep -q \'"last_success_at": "\'')
    shop.do(shop.platform.finish, 3)
    wait_for(imshop, [("3", "5")], machine)
    before = (machine.root / "etc/syncd/syncd.env").read_text()

    machine.clone()
    assert "Next" not in machine.done("deploy/systemd/install")
    machine.wait('syncd status --json | grep -q \'"version": "0.2\'')
    assert (machine.root / "etc/syncd/syncd.env").read_text() == before
    shop.do(shop.platform.finish, 2)
    wait_for(imshop, [("3", "5"), ("2", "5")], machine)
    assert '"delivered": 2' in machine.done("syncd status --json")
    machine.done("deploy/systemd/remove --with-settings-and-state")
    assert left(machine) == []
