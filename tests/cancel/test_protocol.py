"""What is a cancellation, and what is none."""

from __future__ import annotations

import pytest

from syncd.cancel import MalformedError, answer_to, key_in, parse_body, request_in
from syncd.model import CancelDecision, CancelRequest


def read(body: str) -> CancelRequest:
    return request_in(parse_body(body.encode("utf-8", "surrogatepass")))


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ('{"uuid": "u", "internalId": "7", "reason": "Передумал"}', CancelRequest("first", "7", "u", "Передумал")),
        ('{"uuid": "u"}', CancelRequest("first", None, "u")),
        ('{"internalId": " 0007 ", "reason": null}', CancelRequest("first", "0007", None)),
        ('{"id": "7", "status": "canceled", "reason": ""}', CancelRequest("current", "7", None)),
        ('{"id": 7, "status": "Cancelled"}', CancelRequest("current", "7", None)),
        ('{"id": "7", "internalId": "7", "uuid": "u"}', CancelRequest("current", "7", "u")),
        ('\ufeff{"id": "7", "key": "k", "more": {"a": [1]}}', CancelRequest("current", "7", None)),
        ('{"id": "\\u00a07\\t", "uuid": "u\\u200b", "status": "canceled "}', CancelRequest("current", "7", "u")),
        ('{"id": "7", "reason": "a\\u0000b\\ud800\\r\\nc"}', CancelRequest("current", "7", None, "a b   c")),
    ],
)
def test_each_generation_is_understood(body: str, asked: CancelRequest) -> None:
    assert read(body) == asked


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("[" * 60_000, "not JSON"),
        ('{"id": ' + "9" * 5000 + "}", "not JSON"),
        ('{"id": NaN}', "not JSON"),
        ('{"id": "7", "id": "8"}', "twice"),
        ('{"id": "7", "key": {"a": 1, "a": 2}}', "twice"),
        ("{}", "none of id, internalId and uuid"),
        ('{"id": " ", "uuid": null}', "none of id, internalId and uuid"),
        ('{"id": "7", "internalId": "8"}', "two orders"),
        ('{"id": true}', "id is no text"),
        ('{"id": 7.0}', "id is no text"),
        ('{"id": ' + "9" * 19 + "}", "id is no text"),
        ('{"uuid": ["u"]}', "uuid is no text"),
        ('{"id": "7\\u0000"}', "id can be no identifier"),
        ('{"id": "7\\ud800"}', "id can be no identifier"),
        ('{"id": "' + "7" * 129 + '"}', "id can be no identifier"),
        ('{"id": "7", "status": "delivered"}', "status is not canceled"),
        ('{"id": "7", "status": 1}', "status is not canceled"),
        ('{"id": "7", "reason": 5}', "reason is no text"),
    ],
)
def test_doubtful_body_is_malformed(body: str, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        read(body)


def test_a_body_in_another_charset_is_none() -> None:
    with pytest.raises(MalformedError, match="not UTF-8"):
        parse_body('{"id": "7", "reason": "Передумал"}'.encode("cp1251"))


def test_a_key_that_is_no_text_is_none() -> None:
    assert key_in({"key": "k"}) == "k"
    assert key_in({"key": ["k"]}) is None


def test_each_generation_is_answered_in_its_own_words() -> None:
    accepted = CancelDecision("accepted", "cancelled", "Отменён")
    refused = CancelDecision("refused", message="Уже в пути", error="for the operator")
    assert answer_to("first", accepted) == {"success": True, "newStatus": "cancelled", "newMessage": "Отменён"}
    assert answer_to("current", accepted) == {"success": True, "status": "cancelled", "message": "Отменён"}
    assert answer_to("first", refused) == {"success": False, "newMessage": "Уже в пути"}
    assert answer_to("current", CancelDecision("accepted")) == {"success": True}
