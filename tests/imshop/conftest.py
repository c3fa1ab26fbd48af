"""The stand-ins that these tests push to, and an environment without a proxy."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imshop.stub import Stub


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as running:
        yield running


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    return self_signed(tmp_path / "certificate.pem")


def self_signed(made: Path, days: int = 2) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command, to make a certificate")
    subject = ["-subj", "/CN=stub", "-addext", "subjectAltName=IP:127.0.0.1,DNS:imshop.example"]
    key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        str(made.with_suffix(".key")),
    ]
    subprocess.run(
        ["openssl", "req", "-x509", "-days", str(days), *key, "-out", str(made), *subject],
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture
def tls_stub(certificate: Path) -> Iterator[Stub]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with Stub(tls=context) as running:
        yield running
