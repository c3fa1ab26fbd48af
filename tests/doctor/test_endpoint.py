"""What the doctor says of the way to IMSHOP."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.doctor.host_checks import check_endpoint
from tests.doctor.installation import Installation
from tests.imshop.stub import Stub, an_imshop
from tests.servers import free_port


def test_listening_host_is_ok_and_receives_nothing(installation: Installation, stub: Stub) -> None:
    found = installation.found("imshop", SYNCD_IMSHOP__URL=stub.url)
    assert found == (f"ok: 127.0.0.1 resolves to 127.0.0.1\nok: {stub.address} accepts connections, without TLS")
    assert stub.received == []


def test_host_that_does_not_listen_is_fault(installation: Installation) -> None:
    found = installation.found("imshop", "fault", SYNCD_IMSHOP__URL=f"http://127.0.0.1:{free_port()}/T0KEN-T0KEN-T0KEN")
    assert "Cannot connect to 127.0.0.1: Connection refused. Check the network" in found
    assert "T0KEN" not in found


def test_unresolvable_host_is_a_fault(installation: Installation) -> None:
    found = installation.found("imshop", SYNCD_IMSHOP__URL="https://host.invalid/v1/T0KEN-T0KEN-T0KEN")
    assert found.startswith("fault: host.invalid does not resolve: ")
    assert "Check SYNCD_IMSHOP__URL" in found


def test_untrusted_certificate_is_a_fault(installation: Installation, tls_stub: Stub) -> None:
    found = installation.found("imshop", "fault", SYNCD_IMSHOP__URL=tls_stub.url)
    assert "Cannot trust 127.0.0.1: " in found
    assert "self-signed certificate" in found


def test_certificate_that_expires_soon_is_a_warning(
    installation: Installation, tls_stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    found = installation.found("imshop", "warning", SYNCD_IMSHOP__URL=tls_stub.url)
    assert f"{tls_stub.address} accepts connections, and its certificate is trusted until " in found
    assert ", 1 days from now Ask the operator of that server" in found
    assert tls_stub.received == []


def test_a_trusted_certificate_that_lasts_is_well(
    tls_stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    long_before_its_end = datetime.now(UTC) - timedelta(days=30)
    with closing(an_imshop(tls_stub.url)) as imshop:
        _, reached = check_endpoint(tls_stub.url, imshop, long_before_its_end)
    assert reached.level == "ok"
    assert "its certificate is trusted until " in reached.text


def test_proxy_is_reported_without_its_password(
    installation: Installation, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:PASSW0RD@{stub.address}")
    found = installation.found(
        "imshop", SYNCD_IMSHOP__URL="http://imshop.invalid/T0KEN", SYNCD_IMSHOP__ALLOW_HTTP="true"
    )
    assert f"ok: pushes go through the proxy {stub.address}" in found
    assert "PASSW0RD" not in found
    assert "fault" not in found


def test_plain_http_to_another_machine_is_a_warning(
    installation: Installation, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{stub.address}")
    found = installation.found(
        "imshop", SYNCD_IMSHOP__URL="http://imshop.invalid/T0KEN", SYNCD_IMSHOP__ALLOW_HTTP="true"
    )
    assert "warning: pushes and their key travel unencrypted" in found
