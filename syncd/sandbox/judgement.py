"""What IMSHOP answers to a request, by docs/protocol.md, section 1. Pure: no socket, no clock, nothing kept."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from syncd.imshop.statuses import sandbox_status
from syncd.sandbox.failures import Failure

PATH = "/v1/clients/sandbox/statuses/sync/sandbox-token"

FIELDS = ("id", "code", "message", "trackingUrl", "userId", "payment", "key")
TEXT_FIELDS = ("id", "code", "message", "trackingUrl", "userId", "key")
WEB_PAGE = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)

Body: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PushReceived:
    """One request as it came in.

    `number` counts from 1; `headers` have lower-case names; `body` is None where `unreadable` says why; `order_id` and
    `code` are the body's, and empty where it has none.
    """

    number: int
    at: datetime
    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Body | None
    unreadable: str | None
    order_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the protocol answers, with everything that is wrong with the request.

    `failure` is how the sandbox misbehaves instead, if it does.
    """

    status: int
    answer: Body
    faults: tuple[str, ...] = ()
    failure: Failure | None = None


def read(number: int, at: datetime, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> PushReceived:
    """The request, its body read as far as it can be read."""
    body, unreadable = _body(raw)
    order_id, code = (_text(body, "id"), _text(body, "code")) if body is not None else ("", "")
    return PushReceived(
        number=number,
        at=at,
        method=method,
        path=path,
        headers=headers,
        raw=raw,
        body=body,
        unreadable=unreadable,
        order_id=order_id,
        code=code,
    )


def _body(raw: bytes) -> tuple[Body | None, str | None]:
    """The JSON object in `raw`, or why there is none."""
    try:
        body = json.loads(raw.decode())
    except UnicodeDecodeError:
        return None, "the body is not UTF-8"
    except (ValueError, RecursionError):
        return None, "the body is not JSON"
    if not isinstance(body, dict):
        return None, "the body must be a JSON object, one order a request"
    return body, None


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def judge(received: PushReceived, key: str | None) -> Judgement:
    """Check all of the request; with a `key`, it has to come in one of the four ways."""
    if received.path != PATH:
        return refusal(404, f"no such path: the sandbox's is {PATH}")
    if received.method != "POST":
        return refusal(405, f"the method must be POST, not {received.method}")
    if key is not None and key not in _keys(received):
        return refusal(401, "the API key is missing or wrong")
    faults = _faults(received)
    return refusal(400, *faults) if faults else Judgement(200, _success(received))


def refusal(status: int, *faults: str) -> Judgement:
    """A no, with its reasons as the message."""
    return Judgement(status, {"success": False, "message": "; ".join(faults)}, faults)


def _success(received: PushReceived) -> Body:
    assert received.body is not None
    return {
        "success": True,
        "internalId": received.order_id,
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, received.order_id)),
        "newStatus": received.code,
        "imshopStatus": sandbox_status(received.code),
        "message": received.body.get("message", ""),
    }


def _keys(received: PushReceived) -> set[object]:
    """Every key the request carries: as bearer, in either header, in the body."""
    scheme, _, bearer = received.headers.get("authorization", "").partition(" ")
    in_body = received.body.get("key") if received.body is not None else None
    return {
        bearer.strip() if scheme.lower() == "bearer" else None,
        received.headers.get("key"),
        received.headers.get("x-api-key"),
        in_body if isinstance(in_body, str) else None,
    }


def _faults(received: PushReceived) -> list[str]:
    faults = _content_type_faults(received.headers.get("content-type", ""))
    if received.body is None:
        return [*faults, str(received.unreadable)]
    body = received.body
    faults += [f"`{name}` is not a field of the protocol" for name in body if name not in FIELDS]
    faults += [f"`{name}` is missing" for name in ("id", "code") if name not in body]
    faults += [fault for name in TEXT_FIELDS if name in body and (fault := _text_fault(name, body[name]))]
    if "payment" in body:
        faults += _payment_faults(body["payment"])
    return faults


def _content_type_faults(content_type: str) -> list[str]:
    kind, _, parameters = content_type.lower().partition(";")
    faults = []
    if kind.strip() != "application/json":
        faults.append(f"Content-Type must be application/json, not {content_type or 'missing'}")
    if "charset" in parameters and "utf-8" not in parameters:
        faults.append("the charset must be utf-8")
    return faults


def _text_fault(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        return f"`{name}` must be a string" + ("; leave it out where there is none" if value is None else "")
    if name in {"id", "code"} and not value.strip():
        return f"`{name}` must not be empty"
    if not _is_unicode(value):
        return f"`{name}` holds half of a surrogate pair, which no UTF-8 text can"
    if name == "trackingUrl" and not WEB_PAGE.fullmatch(value):
        return "`trackingUrl` must be an http or https URL"
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _payment_faults(payment: object) -> list[str]:
    if not isinstance(payment, dict) or set(payment) != {"paid", "paymentId"}:
        return ["`payment` must be an object with exactly `paid` and `paymentId`"]
    paid, payment_id = payment["paid"], payment["paymentId"]
    if not isinstance(paid, bool):
        return ["`payment.paid` must be true or false"]
    if paid and not (isinstance(payment_id, str) and payment_id):
        return ["`payment.paymentId` must be a non-empty string where `paid` is true"]
    if not paid and payment_id is not None:
        return ["`payment.paymentId` must be null where `paid` is false"]
    return []
