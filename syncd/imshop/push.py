"""START HERE. ImshopClient tells IMSHOP that an order's status changed (docs/protocol.md, section 1)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import urljoin, urlsplit

from syncd import __version__
from syncd.errors import SettingsError
from syncd.http.error_messages import message_in_text
from syncd.http.headers import retry_after_seconds
from syncd.imshop.replies import (
    BUSY,
    FAILING,
    TAKEN,
    TEXT_LIMIT,
    ReplyFields,
    json_object,
    meaning_of,
    text_field,
)
from syncd.imshop.transport import Connected, RawReply, Transport
from syncd.model import Answer, Push
from syncd.text import one_line

Auth: TypeAlias = Literal["bearer", "key", "x-api-key", "body"]
SendIdAs: TypeAlias = Literal["auto", "uuid", "order_id"]

_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"syncd/{__version__}",
}
LONGEST_MESSAGE = 500
"""Characters. A longer one is cut: buyers read it as a notification on a phone."""
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_HEADER_TEXT = re.compile(r"[\x21-\x7e\xa1-\xff]([\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa1-\xff])?")


class ImshopClient:
    """IMSHOP's endpoint for one merchant. `push` may be called by many threads at once.

    url              the whole URL, token included
    api_key          None: only the URL's token authenticates
    auth             how the key is sent; see SYNCD_IMSHOP__AUTH
    send_id_as       `auto`: the UUID where the order has one and no other order has it, else the number; `uuid`: the
                     UUID, and the number where the order has none; `order_id`: the number
    timeout_seconds  one push, from connecting to the last byte; see Transport.post for what it can exceed that by
    clock            now, aware; for a Retry-After that is a date
    redact           masks secrets in what IMSHOP says before it reaches an Answer or an error

    Raises SettingsError where the URL or the key cannot be sent, or the environment's proxy or CA bundle is unusable.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        auth: Auth,
        send_id_as: SendIdAs,
        timeout_seconds: float,
        clock: Callable[[], datetime],
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._url = url
        self._send_id_as = send_id_as
        self._clock = clock
        self._redact = redact
        self._key_field = {"key": api_key} if api_key and auth == "body" else {}
        headers = _HEADERS | _key_header(api_key, auth)
        self._transport = Transport(url, headers, timeout_seconds, redact)

    def push(self, push: Push) -> Answer:
        """Send one change, once. Raises PushError unless IMSHOP said that it took the change."""
        reply = self._transport.post(self.body(push))
        fields = None if reply.flaw else json_object(reply.text)
        meaning = meaning_of(reply.status, fields)
        if meaning is TAKEN and fields:
            return self._answer(reply.status, fields)
        raise meaning.error(
            reply.status,
            retry_after_seconds(reply.headers, self._clock()) if meaning in (BUSY, FAILING) else None,
            flaw=reply.flaw or "does not say whether it worked",
            host=self._redirects_to(reply),
            quote=self._quote(reply, fields),
        )

    def close(self) -> None:
        """Close the connections. Nothing may be pushed afterwards."""
        self._transport.close()

    def connect(self, seconds: float) -> Connected:
        """Open a connection as a push would, and close it: nothing is sent. PushError if that cannot be done."""
        return self._transport.connect(seconds)

    @property
    def proxy(self) -> str | None:
        """Host and port of the proxy that pushes go through, or None."""
        return self._transport.proxy

    def body(self, push: Push) -> bytes:
        """What `push` sends: JSON in UTF-8. It holds the key where that is sent as a field."""
        by_number = self._send_id_as == "order_id" or (self._send_id_as == "auto" and push.uuid_is_shared)
        order_id = push.order_id if by_number else push.imshop_uuid or push.order_id
        text = json.dumps({"id": order_id, "code": push.code, **_optional(push), **self._key_field}, ensure_ascii=False)
        # A database can hold half of a UTF-16 pair (an emoji cut by a column's width), UTF-8 cannot.
        return _LONE_SURROGATES.sub("\ufffd", text).encode()

    def _answer(self, status: int, fields: ReplyFields) -> Answer:
        def plain(name: str) -> str | None:
            value = text_field(fields, name)
            return None if value is None else self._plain(value)

        return Answer(
            http_status=status,
            internal_id=plain("internalId"),
            uuid=plain("uuid"),
            new_status=plain("newStatus"),
            imshop_status=plain("imshopStatus"),
            message=plain("message"),
        )

    def _quote(self, reply: RawReply, fields: ReplyFields | None) -> str:
        """IMSHOP's own words where there are any, else how the body begins."""
        message = text_field(fields, "message") if fields else None
        words = self._plain(message or message_in_text(reply.text))
        return f": “{words}”" if words else ""

    def _redirects_to(self, reply: RawReply) -> str:
        """The host alone: the rest of the URL may hold a token."""
        try:
            host = urlsplit(urljoin(self._url, reply.headers.get("Location", ""))).hostname
        except ValueError:
            host = None
        return self._plain(host or "nowhere")

    def _plain(self, text: str) -> str:
        return self._redact(one_line(text))[:TEXT_LIMIT]


def _optional(push: Push) -> dict[str, Any]:
    """The optional fields that the order has: the protocol has no null for them."""
    message = push.message or ""
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    texts = {"message": message, "trackingUrl": push.tracking_url, "userId": push.user_id}
    given: dict[str, Any] = {name: text for name, text in texts.items() if text}
    if push.payment:
        given["payment"] = {"paid": push.payment.paid, "paymentId": push.payment.payment_id}
    return given


def _key_header(api_key: str | None, auth: Auth) -> dict[str, str]:
    if not api_key or auth == "body":
        return {}
    if not _HEADER_TEXT.fullmatch(api_key):
        fault = "a line break, a space at an end or a character that no HTTP header can carry"
        raise SettingsError([f"SYNCD_IMSHOP__API_KEY: holds {fault}. Copy it anew from IMSHOP"])
    return {"Authorization": f"Bearer {api_key}"} if auth == "bearer" else {auth: api_key}
