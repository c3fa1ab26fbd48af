"""Whether people would be told."""

from __future__ import annotations

from pathlib import Path

from syncd.notify.notices import NoticeRecord
from syncd.state import open_state
from tests.doctor.installation import Installation

URLS = "json://127.0.0.1:1/T0KEN-T0KEN mailtos://user:pa55word@example.com"


def test_that_nobody_is_told_is_said(installation: Installation) -> None:
    assert installation.found("notify") == "ok: nobody is told of troubles: SYNCD_NOTIFY__URLS is not set"


def test_unusable_url_is_a_warning_without_secrets(installation: Installation) -> None:
    found = installation.found("notify", SYNCD_NOTIFY__URLS=f"{URLS} nosuch://S3CRET-S3CRET")
    assert [line.partition(":")[0] for line in found.splitlines()] == ["ok", "ok", "warning"]
    assert "3: nosuch://" in found
    assert not [secret for secret in ("S3CRET", "pa55word", "T0KEN") if secret in found]


def test_notice_that_failed_is_a_warning(installation: Installation, tmp_path: Path) -> None:
    state = open_state(f"sqlite:///{tmp_path}/state.db", redact=str)
    state.notices.keep(NoticeRecord(failing={"1: json://": "HTTP 500"}).stored())
    state.close()
    found = installation.found("notify", "warning", SYNCD_NOTIFY__URLS=URLS)
    assert found == "warning: the last notice did not reach 1: json://: HTTP 500 Run: syncd notify --test"
