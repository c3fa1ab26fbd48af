"""POST /imshop/cancel: checks the key and the rate, and answers. `syncd.cancel` does what is asked.

401 without the key · 400 for what is not the protocol · 413 over 64 KiB · 429 over 20 a second · 503 where the shop did
not decide, or the state cannot be written · 200 with `success` for a decision · 404 while no key is set
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Request, Response, jsonify, request

from syncd.cancel import CancelService, MalformedError, answer_to, key_in, parse_body, request_in
from syncd.errors import StateError
from syncd.logs import fields
from syncd.model import CancelRequest
from syncd.rate_limiter import RateLimiter

BODY_LIMIT = 64 * 1024
A_SECOND = 20
RETRY_SECONDS = 1

log = logging.getLogger("syncd")


class RefusedError(Exception):
    """The request is turned away with this status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class CancelEndpoint:
    """Takes IMSHOP's requests in. Requests without the key have a rate limit of their own, and use up no other."""

    def __init__(self, service: CancelService, api_key: str, monotonic: Callable[[], float]) -> None:
        self.service = service
        self._key = api_key.encode()
        self._monotonic = monotonic
        self._limit_with_key = RateLimiter(A_SECOND, capacity=A_SECOND)
        self._limit_without_key = RateLimiter(A_SECOND, capacity=A_SECOND)

    def asked(self, asking: Request) -> CancelRequest:
        """The cancellation that a request asks for. RefusedError."""
        body = asking.stream.read(BODY_LIMIT + 1)
        if len(body) > BODY_LIMIT:
            raise RefusedError(413, "the body is over 64 KiB")
        fault, sent = _read(body)
        has_key = any(self._is_key(key) for key in (*_keys_in(asking), key_in(sent)) if key)
        limit = self._limit_with_key if has_key else self._limit_without_key
        if not limit.take(self._monotonic()):
            raise RefusedError(429, f"more than {A_SECOND} requests a second")
        if not has_key:
            raise RefusedError(401, "the key is missing or wrong")
        if fault:
            raise RefusedError(400, fault)
        try:
            return request_in(sent)
        except MalformedError as error:
            raise RefusedError(400, str(error)) from None

    def _is_key(self, key: str) -> bool:
        return hmac.compare_digest(key.encode("utf-8", "surrogatepass"), self._key)


def add_cancel_route(app: Flask, endpoint: CancelEndpoint | None) -> None:
    """Add the route. Without an endpoint it answers 404."""

    @app.post("/imshop/cancel")
    def cancel() -> Response:
        if endpoint is None:
            return _told(404, "cancellations are off: SYNCD_CANCEL__API_KEY is not set")
        try:
            asked = endpoint.asked(request)
            decided = endpoint.service.receive(asked)
        except RefusedError as error:
            log.warning("cancellation_turned_away", extra=fields(status=error.status, error=str(error)))
            return _told(error.status, str(error))
        except StateError as error:
            log.error("cancellation_not_stored", extra=fields(error=str(error), do="nothing: IMSHOP asks again"))
            return _told(503, "it could not be stored")
        if decided.decision and decided.state != "failed":
            return jsonify(answer_to(asked.generation, decided.decision))
        return _told(503, "the shop has not decided; ask again")


def _read(body: bytes) -> tuple[str | None, Mapping[str, Any]]:
    """What is wrong with a body, and its fields. It is read before the key is checked, for the key may be in it."""
    try:
        return None, parse_body(body)
    except MalformedError as error:
        return str(error), {}


def _keys_in(asking: Request) -> list[str | None]:
    scheme, _, bearer = asking.headers.get("Authorization", "").partition(" ")
    return [bearer.strip() if scheme.lower() == "bearer" else None, asking.headers.get("key")]


def _told(status: int, why: str) -> Response:
    reply = jsonify({"success": False, "error": why})
    reply.status_code = status
    if status in (429, 503):
        reply.headers["Retry-After"] = str(RETRY_SECONDS)
    return reply
