"""What a push is on the wire, and settings that cannot be sent."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from syncd.errors import SettingsError
from syncd.imshop.push import Auth, SendIdAs
from syncd.model import Push
from tests.imshop.stub import TAKEN, Received, Stub, a_push, an_imshop, paid, reply

UUID = "cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195"


def sent(stub: Stub, push: Push, **settings: Any) -> Received:
    with closing(an_imshop(stub.url, **settings)) as imshop:
        imshop.push(push)
    return stub.received[-1]


def test_bare_change_sends_only_id_and_code(stub: Stub) -> None:
    received = sent(stub, a_push())
    assert received.start == "POST /v1/clients/shop/statuses/sync/T0KEN HTTP/1.1"
    assert received.headers["content-type"] == "application/json"
    assert received.fields == {"id": "1001", "code": "packed"}


def test_a_long_message_is_cut(stub: Stub) -> None:
    assert sent(stub, a_push(message="Ж" * 500)).fields["message"] == "Ж" * 500
    assert sent(stub, a_push(message="Ж" * 501)).fields["message"] == "Ж" * 499 + "…"


def test_everything_that_the_order_has_is_sent(stub: Stub) -> None:
    push = a_push(message="Готов", tracking_url="https://track.example/1", user_id="79001234567", payment=paid("p-1"))
    assert sent(stub, push).fields == {
        "id": "1001",
        "code": "packed",
        "message": "Готов",
        "trackingUrl": "https://track.example/1",
        "userId": "79001234567",
        "payment": {"paid": True, "paymentId": "p-1"},
    }


def test_an_unpaid_payment_goes_with_a_null_id(stub: Stub) -> None:
    assert sent(stub, a_push(payment=paid(None))).fields["payment"] == {"paid": False, "paymentId": None}


def test_cyrillic_goes_as_plain_utf_8(stub: Stub) -> None:
    assert "Готов к выдаче".encode() in sent(stub, a_push(message="Готов к выдаче")).body


def test_lone_surrogate_is_replaced(stub: Stub) -> None:
    assert sent(stub, a_push(message="ok \ud83d!")).fields["message"] == "ok \ufffd!"


@pytest.mark.parametrize(
    ("send_id_as", "uuid", "shared", "expected"),
    [
        ("auto", UUID, False, UUID),
        ("auto", UUID, True, "1001"),
        ("auto", None, False, "1001"),
        ("uuid", UUID, False, UUID),
        ("uuid", UUID, True, UUID),
        ("uuid", None, False, "1001"),
        ("order_id", UUID, False, "1001"),
    ],
)
def test_id_is_chosen_by_the_setting(
    stub: Stub, send_id_as: SendIdAs, uuid: str | None, shared: bool, expected: str
) -> None:
    push = a_push(imshop_uuid=uuid, uuid_is_shared=shared)
    assert sent(stub, push, send_id_as=send_id_as).fields["id"] == expected


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [("bearer", "authorization", "Bearer K3Y"), ("key", "key", "K3Y"), ("x-api-key", "x-api-key", "K3Y")],
)
def test_key_goes_only_in_the_chosen_header(stub: Stub, auth: Auth, header: str, value: str) -> None:
    received = sent(stub, a_push(), auth=auth)
    assert {name: text for name, text in received.headers.items() if "K3Y" in text} == {header: value}
    assert b"K3Y" not in received.body


def test_key_goes_in_the_body_if_chosen(stub: Stub) -> None:
    received = sent(stub, a_push(), auth="body", api_key="ключ")
    assert received.fields["key"] == "ключ"
    assert not {"authorization", "key", "x-api-key"} & received.headers.keys()


@pytest.mark.parametrize("auth", ["bearer", "body"])
def test_without_a_key_none_is_sent(stub: Stub, auth: Auth) -> None:
    received = sent(stub, a_push(), auth=auth, api_key=None)
    assert "authorization" not in received.headers
    assert received.fields == {"id": "1001", "code": "packed"}


def test_password_in_url_does_not_replace_key(stub: Stub) -> None:
    with closing(an_imshop(stub.url.replace("//", "//user:password@"))) as imshop:
        imshop.push(a_push())
    assert stub.received[0].headers["authorization"] == "Bearer K3Y"


@pytest.mark.parametrize("key", ["line\nbreak", "ключ", " k3y", "k3y ", "\x00"])
def test_unsendable_key_error_names_its_variable(key: str) -> None:
    with pytest.raises(SettingsError, match="SYNCD_IMSHOP__API_KEY") as caught:
        an_imshop("http://127.0.0.1/", api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("url", ["T0KEN", "ftp://host/T0KEN", "http://host:port/T0KEN", "http:///T0KEN"])
def test_unusable_url_error_does_not_quote_it(url: str) -> None:
    with pytest.raises(SettingsError, match="SYNCD_IMSHOP__URL") as caught:
        an_imshop(url)
    assert "T0KEN" not in str(caught.value)


def test_a_cookie_is_not_sent_back(stub: Stub) -> None:
    stub.acts = [reply(200, {"success": True}, Set_Cookie="a=b; Path=/"), TAKEN]
    with closing(an_imshop(stub.url)) as imshop:
        imshop.push(a_push())
        imshop.push(a_push())
    assert "cookie" not in stub.received[1].headers
