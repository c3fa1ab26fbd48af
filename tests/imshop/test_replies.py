"""What each kind of reply amounts to."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import closing
from functools import partial

import pytest

from syncd.imshop.replies import MEANINGS
from syncd.model import Answer
from tests.imshop.stub import Stub, a_push, an_imshop, failed, outcome, reply

UUID = "cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195"


def answered(stub: Stub, act: bytes) -> Answer:
    stub.acts = [act]
    with closing(an_imshop(stub.url)) as imshop:
        return imshop.push(a_push())


def test_success_gives_answer_with_all_fields(stub: Stub) -> None:
    said = {
        "success": True,
        "internalId": "1001",
        "uuid": UUID,
        "newStatus": "packed",
        "imshopStatus": "ready_for_pickup",
        "message": "Готов к выдаче",
    }
    assert answered(stub, reply(200, said)) == Answer(200, "1001", UUID, "packed", "ready_for_pickup", "Готов к выдаче")


def test_answer_fields_of_any_type_become_text(stub: Stub) -> None:
    """Objects and lists are dropped."""
    said: dict[str, object] = {
        "success": True,
        "internalId": 1001,
        "uuid": None,
        "newStatus": False,
        "imshopStatus": ["x"],
        "message": {},
    }
    assert answered(stub, reply(201, said)) == Answer(201, "1001", None, "false", None, None)


@pytest.mark.parametrize("success", [True, "true", "TRUE", 1, "1"])
def test_success_is_understood_in_every_usual_spelling(stub: Stub, success: object) -> None:
    assert answered(stub, reply(200, {"success": success})).http_status == 200


zipped = partial(gzip.compress, mtime=0)
SAID = json.dumps({"success": True, "message": "Готов"}, ensure_ascii=False)
PLAIN = SAID.encode()
ZIPPED = zipped(PLAIN[:20]) + zipped(PLAIN[20:])


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        *((coding, PLAIN) for coding in ("UTF-8", "none", "", "identity", "utf-8, none", "gzip", "deflate", "br")),
        *(("gzip", body) for body in (ZIPPED, ZIPPED + b"garbage", ZIPPED + b"\0\0", b"\xef\xbb\xbf" + PLAIN)),
        ("gzip", zipped(b"\xef\xbb\xbf" + PLAIN)),
        ("deflate", zlib.compress(PLAIN)),
        ("deflate", zlib.compress(PLAIN)[2:-4] + b"garbage"),
        ("UTF-8", ZIPPED),
    ],
)
def test_no_way_of_encoding_hides_a_success(stub: Stub, coding: str, body: bytes) -> None:
    assert answered(stub, reply(200, body, Content_Encoding=coding)).message == "Готов"


@pytest.mark.parametrize("stated", ["utf-8", "windows-1251", "iso-8859-1", "utf-16", "none-such", "hex", None])
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "cp1251", "utf-16", "utf-16-le"])
def test_no_charset_hides_a_success(stub: Stub, charset: str, stated: str | None) -> None:
    kind = f"application/json; charset={stated}" if stated else "application/json"
    assert answered(stub, reply(200, SAID.encode(charset), Content_Type=kind)).http_status == 200


def test_overlong_number_does_not_hide_success(stub: Stub) -> None:
    assert answered(stub, reply(200, f'{{"success": true, "n": {"9" * 5000}}}'.encode())).http_status == 200


def test_message_is_cleaned_masked_and_shortened(stub: Stub) -> None:
    """So it can break no terminal and no database."""
    said = {"success": True, "message": "\x1b[31mred\x00\nline \ud800 K3Y" + "x" * 500}
    message = answered(stub, reply(200, said)).message
    assert message is not None
    assert message.startswith("[31mred line ***xxx")
    assert len(message) == 300


OBJECT = b'{"success": false, "message": "no such order"}'
REFUSED = (True, None, False, True)
RETRY = (False, None, False, True)
IN_DOUBT = (False, None, True, True)
UNAUTHORIZED = (False, "unauthorized", False, True)
REDIRECT = (False, "redirect", False, True)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, OBJECT, REFUSED),
        (200, b'{"success": 0}', REFUSED),
        (200, b'{"success": "False"}', REFUSED),
        (200, b'{"success": null}', IN_DOUBT),
        (200, b'{"success": "perhaps"}', IN_DOUBT),
        (200, b'{"success": [true]}', IN_DOUBT),
        (200, b"{}", IN_DOUBT),
        (200, b"[true]", IN_DOUBT),
        (200, b"", IN_DOUBT),
        (200, b"<html>Welcome</html>", IN_DOUBT),
        (200, b"[" * 60_000, IN_DOUBT),
        (204, b"", IN_DOUBT),
        (301, OBJECT, REDIRECT),
        (307, b"", REDIRECT),
        (400, OBJECT, REFUSED),
        (404, b'{"success": true}', REFUSED),
        (400, b"", RETRY),
        (404, b"<html>", RETRY),
        (422, b"[]", RETRY),
        (401, OBJECT, UNAUTHORIZED),
        (403, b"<html>", UNAUTHORIZED),
        (407, b"", UNAUTHORIZED),
        (408, OBJECT, IN_DOUBT),
        (425, OBJECT, RETRY),
        (429, OBJECT, RETRY),
        (500, b'{"success": true}', IN_DOUBT),
        (503, b"", IN_DOUBT),
        (777, b'{"success": true}', IN_DOUBT),
    ],
)
def test_each_status_and_body_has_its_outcome(
    stub: Stub, status: int, body: bytes, expected: tuple[bool, str | None, bool, bool]
) -> None:
    error = failed(stub, reply(status, body))
    assert outcome(error) == expected
    assert error.http_status == status
    assert f"HTTP {status}" in str(error)


def test_reasons_of_outcomes_are_unique() -> None:
    assert len({meaning.when for meaning in MEANINGS}) == len(MEANINGS) == 11


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "120", 120.0),
        (503, "0", 0.0),
        (425, "Wed, 01 May 2024 12:01:30 GMT", 90.0),
        (500, "Wed, 01 May 2024 15:01:30 +0300", 90.0),
        (408, "Wed, 01 May 2024 12:01:30 -0000", 90.0),
        (429, "999999999", 86_400.0),
        (429, "9" * 400, 86_400.0),
        (429, "Wed, 01 May 2124 12:00:00 GMT", 86_400.0),
        (429, "Wed, 01 May 2024 11:00:00 GMT", None),
        (429, "-5", None),
        (429, "soon", None),
        (429, "²", None),
        (401, "120", None),
    ],
)
def test_retry_after_is_read(stub: Stub, status: int, header: str, seconds: float | None) -> None:
    assert failed(stub, reply(status, OBJECT, Retry_After=header)).retry_after == seconds


def test_without_the_header_there_is_no_wait(stub: Stub) -> None:
    assert failed(stub, reply(503)).retry_after is None


def test_a_refusal_quotes_what_imshop_said(stub: Stub) -> None:
    assert str(failed(stub, reply(200, OBJECT))) == "IMSHOP refused the change (HTTP 200): “no such order”"


def test_refusal_without_message_quotes_the_body(stub: Stub) -> None:
    assert str(failed(stub, reply(404, b'{"error":\n"x"}'))) == "IMSHOP refused the change (HTTP 404): “x”"


def test_a_quotation_is_short_and_holds_no_secret(stub: Stub) -> None:
    error = failed(stub, reply(404, b"no page T0KEN for K3Y" + b"x" * 1000))
    assert "no page *** for ***xxx" in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://new.example/v2/S3CRET", "new.example"),
        ("/login/S3CRET", "127.0.0.1"),
        ("https://u:S3CRET@new.example:8443/", "new.example"),
        ("https://[broken/S3CRET", "nowhere"),
    ],
)
def test_redirect_is_not_followed(stub: Stub, location: str, host: str) -> None:
    """The error names its host alone."""
    error = failed(stub, reply(302, b"S3CRET", Location=location))
    assert f"redirects to {host} (HTTP 302)" in str(error)
    assert "S3CRET" not in str(error)
    assert len(stub.received) == 1


def test_answer_without_readable_success_is_explained(stub: Stub) -> None:
    assert "does not say whether it worked" in str(failed(stub, reply(200, json.dumps({"ok": 1}).encode())))
