"""deploy/nginx/syncd.conf in a real nginx, before a real daemon: TLS ends there, and only cancellations get through."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.servers import free_port

CONF = Path(__file__).parents[2] / "deploy" / "nginx" / "syncd.conf"
KEY = "imshop-cancels-with-this"
BODY = json.dumps({"id": "0007", "status": "canceled"}).encode()
MAIN = """
{user}
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/syncd.conf;
}}
"""


@dataclass(frozen=True)
class Front:
    port: int
    certificate: Path

    def ask(self, method: str, path: str, body: bytes = BODY) -> tuple[int, bytes]:
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        line = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=trusted)
        with closing(line):
            line.request(method, path, body, {"Authorization": f"Bearer {KEY}"})
            reply = line.getresponse()
            return reply.status, reply.read()


@pytest.fixture
def front(world: World, certificate: Path, tmp_path: Path) -> Iterator[Front]:
    nginx = _nginx()
    program = tmp_path / "cancel"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    world.env |= {"SYNCD_CANCEL__API_KEY": KEY, "SYNCD_CANCEL__COMMAND": str(program)}
    world.started()
    port = free_port()
    (tmp_path / "syncd.conf").write_text(_edited(world.port, port, certificate))
    user = "user root;" if os.getuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(MAIN.format(home=tmp_path, user=user))
    with (tmp_path / "nginx.log").open("wb") as log:
        arguments: list[str | Path] = ["-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", tmp_path / "error.log"]
        running = subprocess.Popen([nginx, *arguments], stdout=log, stderr=log)
    try:
        world.wait(lambda: _listens(port), "nginx listens")
        yield Front(port, certificate)
    finally:
        running.terminate()
        running.wait(10)


def _nginx() -> str:
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("nginx is not installed; run: apt-get install nginx-light")
    if found is None:
        pytest.skip("nginx is not installed; run: apt-get install nginx-light")
    return found


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


def _edited(daemon: int, port: int, certificate: Path) -> str:
    """What an administrator changes, and the ports of this test."""
    text = CONF.read_text()
    edits = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "    listen [::]:443 ssl;\n": "",
        "server_name shop.example;": "server_name 127.0.0.1;",
        "/etc/ssl/syncd/fullchain.pem": str(certificate),
        "/etc/ssl/syncd/privkey.pem": str(certificate.with_suffix(".key")),
        "http://127.0.0.1:9469;": f"http://127.0.0.1:{daemon};",
    }
    for before, after in edits.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def test_only_cancellations_get_through_and_only_encrypted(front: Front, world: World) -> None:
    status, answer = front.ask("POST", "/imshop/cancel")
    assert (status, json.loads(answer)) == (200, {"success": True})
    assert front.ask("GET", "/imshop/cancel", b"")[0] == 403
    for path in ("/", "/metrics", "/healthz", "/readyz", "/api/status", "/imshop/cancel/", "/imshop/../metrics"):
        assert front.ask("GET", path, b"")[0] == 404, path
    assert front.ask("POST", "/imshop/cancel", BODY.ljust(64 * 1024))[0] == 200
    assert front.ask("POST", "/imshop/cancel", BODY.ljust(64 * 1024 + 1))[0] == 413
    with closing(http.client.HTTPConnection("127.0.0.1", front.port, timeout=10)) as plain:
        plain.request("POST", "/imshop/cancel", BODY, {"Authorization": f"Bearer {KEY}"})
        assert plain.getresponse().status == 400
    assert [one["asked"] for one in world.json("cancellations")] == [2]
