"""A clean Debian with a booted systemd, in which syncd is installed as an administrator does it.

systemd-nspawn boots it, without asking a systemd of this machine. It has this machine's network, so that it reaches the
package registries, and what a test serves on the loopback. Its own MariaDB has a port of its own for that reason.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.tools import DEPLOY, program, unavailable
from tests.servers import free_port

PACKAGES = "systemd,systemd-sysv,dbus,ca-certificates,mariadb-server,python3"
"""A server with a shop's database. What syncd needs besides is for its installation."""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# Of systemd's resources, only that of cgroups is missing where this machine runs without systemd or with another one's
# layout. The mounts are of a namespace of their own.
BOOT = """
umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs tmpfs /run && mkdir /run/systemd
exec systemd-nspawn --quiet --register=no --keep-unit --directory="$1" --machine="$2" --boot
"""


class Machine:
    def __init__(self, root: Path, leader: int, database_port: int) -> None:
        self.root = root
        self.database_port = database_port
        self._leader = leader

    def run(self, command: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """What root runs in a shell, in the clone."""
        enter = ["nsenter", f"--target={self._leader}", "--all", f"--root=/proc/{self._leader}/root"]
        return subprocess.run(
            [*enter, "sh", "-c", f"cd /root/syncd 2>/dev/null; {command}"],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )

    def done(self, command: str) -> str:
        ran = self.run(command)
        assert ran.returncode == 0, f"{command}: {ran.returncode}: {ran.stdout}"
        return ran.stdout

    def wait(self, command: str, seconds: float = 60) -> str:
        """Until the command succeeds; what it printed then."""
        ends_at = time.monotonic() + seconds
        while (ran := self.run(command)).returncode != 0:
            assert time.monotonic() < ends_at, f"{command}: {ran.stdout}"
            time.sleep(0.2)
        return ran.stdout

    def clone(self, commit: str = "HEAD") -> None:
        """Put the files of a commit into /root/syncd, in place of others."""
        folder = self.root / "root" / "syncd"
        subprocess.run(["rm", "-rf", folder], check=True)
        folder.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=DEPLOY.parent, stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)


def made(suite: str, root: Path) -> Path:
    """The root of a clean machine of this Debian."""
    if os.geteuid() != 0:
        unavailable("only root boots a machine")
    packages = f"--include={PACKAGES}"
    tar = root.with_suffix(".tar")
    command = [program("mmdebstrap", "mmdebstrap"), "--quiet", "--variant=minbase", packages, suite, str(tar)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    root.mkdir()
    subprocess.run(["tar", "-x", "-C", root, "-f", tar], check=True)
    tar.unlink()
    return root


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    program("systemd-nspawn", "systemd-container")
    port = free_port()
    (root / "etc/mysql/mariadb.conf.d/99-test.cnf").write_text(f"[mysqld]\nport = {port}\n[client]\nport = {port}\n")
    if AUTHORITIES.exists():  # the network's own may be among them
        (root / "etc/test-ca.crt").write_bytes(AUTHORITIES.read_bytes())
        (root / "etc/pip.conf").write_text("[global]\ncert = /etc/test-ca.crt\n")
    command = [
        "unshare",
        "--mount",
        "--propagation=private",
        "sh",
        "-ec",
        BOOT,
        "sh",
        str(root),
        f"syncd-{os.getpid()}",
    ]
    with (root.parent / "boot.log").open("wb") as log:
        nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield Machine(root, _leader(nspawn), port)
    finally:
        nspawn.terminate()
        nspawn.wait(60)


def _leader(nspawn: subprocess.Popen[bytes]) -> int:
    """The process of the machine's systemd, once it is there."""
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    ends_at = time.monotonic() + 30
    while nspawn.poll() is None and time.monotonic() < ends_at:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.1)
    raise AssertionError("no systemd was started; see boot.log")
