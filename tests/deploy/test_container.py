"""deploy/container: the image is built and run for real, and what compose.yml and the locks name is there.

buildah builds it without an engine, podman runs it, on a base image that is made here. The container has no network but
a loopback of its own; the stand-in for IMSHOP runs beside the daemon in it.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.containers import Containers
from tests.deploy.tools import DEPLOY, program, ran

FOLDER = DEPLOY / "container"
SETTINGS = """\
SYNCD_IMSHOP__URL=http://127.0.0.1:9470/v1/clients/sandbox/statuses/sync/sandbox-token
SYNCD_SOURCE__URL=sqlite:////shop/shop.db
SYNCD_SOURCE__QUERY="SELECT number AS order_id, state AS status FROM orders"
SYNCD_FIRST_RUN=push
"""
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yml").read_text(encoding="utf-8"))
REQUIREMENT = re.compile(r"^([\w.-]+==\S+)", re.MULTILINE)


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    containers = Containers(tmp_path / "containers")
    yield containers
    containers.close()


def test_container_pushes_unprivileged_with_read_only_root(containers: Containers, tmp_path: Path) -> None:
    """Healthy, its state in its volume, and over with 0 at SIGTERM."""
    image = containers.build(containers.make_base(), "localhost/syncd")
    shop = tmp_path / "shop"
    shop.mkdir()
    with closing(sqlite3.connect(shop / "shop.db")) as database, database:
        database.execute("CREATE TABLE orders AS SELECT '10017' AS number, 'packed' AS state")
    (tmp_path / "syncd.env").write_text(SETTINGS)

    mounts = (f"--volume={shop}:/shop:ro", f"--volume={tmp_path}/syncd.env:/etc/syncd/syncd.env:ro")
    with containers.started("--network=none", "--read-only", "--cap-drop=ALL", *mounts, image) as container:
        within = ("podman", "exec", container)
        containers.done("podman", "exec", "--detach", container, "syncd", "sandbox")
        ends_at = time.monotonic() + 60
        while '"delivered": 1' not in (told := containers.run(*within, "syncd", "status", "--json")):
            assert time.monotonic() < ends_at, f"{told}\n{containers.run('podman', 'logs', container)}"
            time.sleep(0.2)

        containers.done("podman", "healthcheck", "run", container)
        assert containers.done(*within, "id", "-u") == "10001\n"
        assert "Read-only file system" in containers.run(*within, "touch", "/opt/syncd/mine")
        assert "syncd.db" in containers.done(*within, "ls", "/var/lib/syncd")
        containers.done("podman", "stop", "--time=20", container)
        state = containers.done("podman", "inspect", "--format={{.State.ExitCode}}", container)
        assert state == "0\n", containers.run("podman", "logs", container)


@pytest.mark.skipif("TEST_INSTALLATION" not in os.environ, reason="takes a minute; see CONTRIBUTING.md")
def test_two_builds_hold_the_same_files(containers: Containers) -> None:
    base = containers.make_base()
    images = [containers.build(base, f"localhost/syncd-{name}") for name in ("one", "two")]
    one, two = (containers.done("podman", "inspect", "--format={{.RootFS.Layers}}", image) for image in images)

    assert one == two


@pytest.mark.parametrize("lock", ["runtime.lock", "build.lock"])
def test_locks_have_hashes_and_versions_that_are_tested(lock: str) -> None:
    """A version is that of requirements.lock, where that has the package; deploy/container/renew-locks writes it so."""
    locked = (FOLDER / lock).read_text(encoding="utf-8")
    tested = dict(each.split("==") for each in REQUIREMENT.findall((DEPLOY.parent / "requirements.lock").read_text()))
    packages = re.split(r"^(?=[\w.-]+==)", locked, flags=re.MULTILINE)[1:]

    assert packages
    for package in packages:
        assert "--hash=sha256:" in package
        name, version = REQUIREMENT.findall(package)[0].split("==")
        assert tested.get(name, version) == version, name


def test_compose_mounts_files_that_are_there() -> None:
    mounts = [mount for service in COMPOSE["services"].values() for mount in service.get("volumes", [])]
    files = {mount.split(":")[0] for mount in mounts if mount.startswith(".")}
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith(".")}

    assert [file for file in files if not (FOLDER / file).exists()] == ["./syncd.env"]
    assert named == COMPOSE["volumes"].keys()


def test_compose_publishes_ports_to_this_machine_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_profiles_add_to_the_one_daemon() -> None:
    profiles = {name: service.get("profiles") for name, service in COMPOSE["services"].items()}

    assert profiles == {
        "syncd": None,
        "syncd-2": ["postgresql"],
        "postgresql": ["postgresql"],
        "prometheus": ["prometheus"],
        "grafana": ["prometheus"],
    }


def test_prometheus_of_compose_finds_its_rules() -> None:
    checked = ran(program("promtool", "prometheus"), "check", "config", FOLDER / "prometheus.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr
