"""What the sandbox says to a request, right or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import requests

from syncd.sandbox import Judgement, PushReceived, Sandbox

ORDER = {"id": "05671863", "code": "packed", "message": "Готов к выдаче"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def post(sandbox: Sandbox, body: object = ORDER, headers: Mapping[str, str] | None = None) -> requests.Response:
    return requests.post(sandbox.url, json=body, timeout=5, headers=headers)


def test_a_right_request_gets_the_protocols_answer(sandbox: Sandbox) -> None:
    answer = post(sandbox).json()
    assert answer.pop("uuid") == post(sandbox).json()["uuid"]
    assert answer == {
        "success": True,
        "internalId": "05671863",
        "newStatus": "packed",
        "imshopStatus": "ready_for_pickup",
        "message": "Готов к выдаче",
    }


def test_every_optional_field_is_taken(sandbox: Sandbox) -> None:
    payment = {"paid": True, "paymentId": "p-1"}
    answer = post(
        sandbox, {**ORDER, "trackingUrl": "https://cdek.ru/t?id=1", "userId": "79001234567", "payment": payment}
    )
    assert answer.json()["success"] is True


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"code": "packed"}, "`id` is missing"),
        ({"id": "1"}, "`code` is missing"),
        ({**ORDER, "id": 1}, "`id` must be a string"),
        ({**ORDER, "id": " "}, "`id` must not be empty"),
        ({**ORDER, "code": ""}, "`code` must not be empty"),
        ({**ORDER, "code": "\ud83d"}, "`code` holds half of a surrogate pair"),
        ({**ORDER, "message": None}, "leave it out where there is none"),
        ({**ORDER, "userId": 79001234567}, "`userId` must be a string"),
        ({**ORDER, "trackingUrl": "1234567890"}, "`trackingUrl` must be an http or https URL"),
        ({**ORDER, "trackingUrl": "ftp://cdek.ru/1"}, "`trackingUrl` must be an http or https URL"),
        ({**ORDER, "status": "packed"}, "`status` is not a field of the protocol"),
        ({**ORDER, "payment": True}, "exactly `paid` and `paymentId`"),
        ({**ORDER, "payment": {"paid": False}}, "exactly `paid` and `paymentId`"),
        ({**ORDER, "payment": {"paid": 1, "paymentId": "p"}}, "`payment.paid` must be true or false"),
        ({**ORDER, "payment": {"paid": True, "paymentId": None}}, "`payment.paymentId` must be a non-empty string"),
        ({**ORDER, "payment": {"paid": False, "paymentId": "p"}}, "`payment.paymentId` must be null"),
        ([ORDER], "the body must be a JSON object, one order a request"),
    ],
)
def test_faulty_body_is_named_and_applies_nothing(sandbox: Sandbox, body: object, fault: str) -> None:
    answer = post(sandbox, body)
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert fault in answer.json()["message"]
    assert sandbox.applied == []


@pytest.mark.parametrize(
    ("body", "content_type", "fault"),
    [
        (b'{"id": "1", "code": "\xcf"}', "application/json", "the body is not UTF-8"),
        (b'{"id": "1"', "application/json", "the body is not JSON"),
        (b"[" * 60_000, "application/json", "the body is not JSON"),
        (b"", "application/json", "the body is not JSON"),
        (b'{"id": "1", "code": "n"}', "text/plain", "Content-Type must be application/json, not text/plain"),
        (b'{"id": "1", "code": "n"}', "application/json; charset=cp1251", "the charset must be utf-8"),
    ],
)
def test_body_other_than_utf_8_json_is_refused(sandbox: Sandbox, body: bytes, content_type: str, fault: str) -> None:
    answer = requests.post(sandbox.url, data=body, headers={"Content-Type": content_type}, timeout=5)
    assert answer.status_code == 400
    assert fault in answer.json()["message"]


def test_all_faults_of_a_request_are_reported_together() -> None:
    """Both the client and `on_request` get them."""
    told: list[tuple[PushReceived, Judgement]] = []
    with Sandbox(on_request=lambda received, judgement: told.append((received, judgement))) as sandbox:
        message = post(sandbox, {"id": 1, "colour": "red"}).json()["message"]
    [(received, judgement)] = told
    assert received.body == {"id": 1, "colour": "red"}
    assert judgement.faults == ("`colour` is not a field of the protocol", "`code` is missing", "`id` must be a string")
    assert message == "; ".join(judgement.faults)


def test_other_paths_are_404_and_other_methods_405(sandbox: Sandbox) -> None:
    assert requests.post(f"{sandbox.url}/more", json=ORDER, timeout=5).status_code == 404
    assert requests.get(sandbox.url, timeout=5).status_code == 405


@pytest.mark.parametrize(
    ("headers", "extra"),
    [
        ({"Authorization": "Bearer s3cret"}, {}),
        ({"key": "s3cret"}, {}),
        ({"x-api-key": "s3cret"}, {}),
        ({}, {"key": "s3cret"}),
    ],
)
def test_key_is_accepted_in_all_four_ways(headers: Mapping[str, str], extra: Mapping[str, str]) -> None:
    with Sandbox(key="s3cret") as sandbox:
        assert post(sandbox, {**ORDER, **extra}, headers=headers).json()["success"] is True


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": "s3cret"}, {"key": ""}])
def test_a_wrong_or_missing_key_is_401(headers: Mapping[str, str]) -> None:
    with Sandbox(key="s3cret") as sandbox:
        assert post(sandbox, headers=headers).status_code == 401
        assert sandbox.applied == []
