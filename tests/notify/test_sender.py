"""Notices through Apprise, and heartbeats, to a real server."""

from __future__ import annotations

import logging
import sys
import threading
import time
from logging.handlers import BufferingHandler

import pytest

from syncd.notify.sender import NOT_INSTALLED, Heartbeat, NoticeResult, NoticeSender
from syncd.redact import Redactor
from tests.notify.conftest import Receiver
from tests.servers import free_port

LABEL = "1: json://"


def test_notice_arrives_with_title_and_text(receiver: Receiver) -> None:
    assert NoticeSender([receiver.url], str).send("Title", "one\ntwo <b>") == [NoticeResult(LABEL, None)]
    assert receiver.notices == [("Title", "one\ntwo <b>")]
    assert "ThreadPoolExecutor" not in str(threading.enumerate())


def test_each_url_has_its_own_result(receiver: Receiver) -> None:
    """What Apprise says of one that fails is in its result, and not in the log."""
    log = BufferingHandler(100)
    logging.getLogger().addHandler(log)
    away = f"json://127.0.0.1:{free_port()}/T0KEN-T0KEN-T0KEN"
    sent = NoticeSender([away, receiver.url, "nosuch://S3CRET-S3CRET"], str).send("Title", "text")
    assert [(one.label, one.error is None) for one in sent] == [
        (LABEL, False),
        ("2: json://", True),
        ("3: nosuch://", False),
    ]
    assert "Connection error" in str(sent[0].error)
    assert "S3CRET" not in str(sent)
    assert log.buffer == []


def test_errors_hide_secrets_and_phones(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = NoticeSender([receiver.url], Redactor(["T0KEN-T0KEN"]))
    monkeypatch.setattr("syncd.notify.sender._send", lambda *_: "T0KEN-T0KEN\nof +7 916 123-45-67")
    assert sender.send("", "")[0].error == "*** of ***"


def test_silent_server_is_left_behind_in_time(receiver: Receiver) -> None:
    receiver.goes_on.clear()
    began_at = time.monotonic()
    (sent,) = NoticeSender([receiver.url], str, seconds=0.3).send("Title", "text")
    assert sent.error == "no answer within 0.3 s"
    assert time.monotonic() - began_at < 3
    assert Heartbeat(receiver.heartbeat_url, str, seconds=0.3).beat() is not None


def test_missing_apprise_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert NoticeSender(["json://127.0.0.1"], str).send("", "") == [NoticeResult(LABEL, NOT_INSTALLED)]


def test_unusable_urls_are_found_without_sending(receiver: Receiver) -> None:
    usable, unusable = NoticeSender([receiver.url, "tgram://bad"], str).unusable()
    assert (usable.error, "does not know such a URL" in str(unusable.error)) == (None, True)
    assert receiver.asked == []


def test_heartbeat_is_a_get(receiver: Receiver) -> None:
    assert Heartbeat(receiver.heartbeat_url, str).beat() is None
    assert receiver.asked == ["/ping/9a1b2c3d-4e5f"]
    receiver.status = 404
    assert Heartbeat(receiver.heartbeat_url, str).beat() == "HTTP 404"


def test_heartbeat_to_nowhere_hides_its_url() -> None:
    url = f"http://127.0.0.1:{free_port()}/ping/9a1b2c3d-4e5f"
    error = str(Heartbeat(url, Redactor([url])).beat())
    assert "refused" in error
    assert "9a1b2c3d" not in error
