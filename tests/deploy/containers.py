"""buildah and podman on a store of the test's own, and a base image of Debian's packages: no registry has to have one.

In the image are Debian's own python3 and venv, unpacked and not set up: a Python that runs is all that is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, program, unavailable

CONTAINERFILE = DEPLOY / "container" / "Containerfile"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Those of this machine's network, which may have one of its own before the package registry."""


LIMITS = ["nofile=1024:1024", "nproc=4096:4096"]
"""Podman's own may be above those of this process, which not everybody may raise."""


class Containers:
    """`home`: where images, containers and settings of the tools are kept."""

    def __init__(self, home: Path) -> None:
        if os.geteuid() != 0:
            unavailable("buildah and podman are tried as root")
        for tool in ("buildah", "podman", "runc", "mmdebstrap"):
            program(tool, tool)
        self._home = home
        (home / "pip").mkdir(parents=True)
        for name, settings in {
            "containers.conf": f'[engine]\nruntime = "runc"\n[containers]\ndefault_ulimits = {LIMITS}\n',
            "storage.conf": f'[storage]\ndriver = "overlay"\ngraphroot = "{home}/images"\nrunroot = "{home}/run"\n',
            "pip.conf": f"[global]\ncert = {AUTHORITIES}\n" if AUTHORITIES.exists() else "",
        }.items():
            (home / name).write_text(settings)
        self._env = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "CONTAINERS_CONF": f"{home}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{home}/storage.conf",
            "TMPDIR": str(home),
        }

    def _ran(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def run(self, *command: str | Path) -> str:
        """What a command prints, whether it succeeds or not."""
        return self._ran(*command).stdout

    def done(self, *command: str | Path) -> str:
        """Run a command that must succeed; what it printed."""
        ran = self._ran(*command)
        assert ran.returncode == 0, f"{command}: {ran.returncode}: {ran.stdout}"
        return ran.stdout

    def make_base(self) -> str:
        """The name of a base image."""
        tar = self._home / "base.tar"
        self.done("mmdebstrap", "--quiet", "--variant=extract", "--include=python3-venv,coreutils,dash", _suite(), tar)
        self.done("podman", "import", tar, "localhost/base")
        tar.unlink()
        return "localhost/base"

    def build(self, base: str, name: str) -> str:
        """The image by our Containerfile: its name."""
        mounts = {self._home / "pip.conf": "/etc/pip.conf", self._home / "pip": "/root/.cache/pip"}
        if AUTHORITIES.exists():
            mounts[AUTHORITIES] = str(AUTHORITIES)
        volumes = [f"--volume={here}:{there}" for here, there in mounts.items()]
        options = ["--isolation=chroot", "--format=docker", "--timestamp=0", f"--build-arg=BASE={base}"]
        self.done("buildah", "bud", *options, *volumes, "--tag", name, "--file", CONTAINERFILE, DEPLOY.parent)
        return name

    @contextmanager
    def started(self, *arguments: str) -> Iterator[str]:
        """The id of a container, which is removed in the end."""
        container = self.done("podman", "run", "--detach", *arguments).split()[-1]
        try:
            yield container
        finally:
            self.run("podman", "rm", "--force", "--volumes", "--time", "0", container)

    def close(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)


def _suite() -> str:
    """This machine's Debian, whose keys are here."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    if release.get("ID") != "debian":
        pytest.skip("the base image is made of this machine's own Debian, and it is none")
    return release["VERSION_CODENAME"]
