"""A network namespace with one cable to this machine, which can be pulled: then packets vanish, and nobody is told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

HERE, THERE = "10.213.77.1", "10.213.77.2"


@dataclass(frozen=True)
class Namespace:
    """`name` is for `ip netns exec`; from within, this machine is HERE."""

    name: str
    cable: str

    @property
    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def pull(self) -> None:
        _run("ip", "link", "set", self.cable, "down")

    def plug_in(self) -> None:
        _run("ip", "link", "set", self.cable, "up")


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Skips the test where this user may not make one."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces are root's to make")
    name = f"syncd{uuid4().hex[:6]}"
    made = Namespace(name, f"{name}h")
    try:
        _run("ip", "netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces cannot be made here: {error}")
    try:
        _run("ip", "link", "add", made.cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "address", "add", f"{HERE}/30", "dev", made.cable)
        _run("ip", "link", "set", made.cable, "up")
        for command in (f"address add {THERE}/30 dev eth0", "link set eth0 up", "link set lo up"):
            _run(*made.prefix, "ip", *command.split())
        yield made
    finally:
        _run("ip", "netns", "delete", name)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
