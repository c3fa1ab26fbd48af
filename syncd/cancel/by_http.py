"""Cancels by the shop's own HTTP call.

2xx is accepted (where SYNCD_CANCEL__SUCCESS is true in the answer, if that is set); the codes of SYNCD_CANCEL__REFUSED
are the shop's decision against it; 404 is no such order, or a wrong address. Every other code is a failure: a buyer
does not read what is wrong with the configuration.

The address, the headers and the body are templates. Each call carries the cancellation's token as `Idempotency-Key`,
the same one at each attempt, so that the shop can tell a repeated call from a new request.
"""

from __future__ import annotations

import json
import logging
import re
import zlib
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import jmespath
import requests
from jmespath.exceptions import JMESPathError
from requests.utils import select_proxy
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from syncd.cancel.interface import NO_SUCH_ORDER, known_identifiers, values_of, without_identifiers
from syncd.cancel.protocol import for_the_buyer, shortened
from syncd.errors import CancelError
from syncd.http.addresses import authorization, without_login
from syncd.http.bodies import BodyTooLongError, decode_text, is_html, parse_json, read_body
from syncd.http.connections import Route, causes, new_session, root_cause, send
from syncd.http.error_messages import message_in_text
from syncd.logs import fields
from syncd.model import CancelDecision, Cancellation
from syncd.templates import IDENTIFIERS, JSON, WITH_BODY, Template, Values, body_template, header_template, url_template

log = logging.getLogger("syncd")

ANSWER_LIMIT = 1024 * 1024
QUOTED = 200
_HOLDS_JSON = re.compile(r'^\s*\[\s*["\[{\]]|\{\s*["}]')
_YES = (True, 1, "1", "true", "True", "yes", "Y", "y")
_NO = (False, 0, "0", "false", "False", "no", "N", "n")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HttpCall:
    """How the shop is called: the settings of these names. `body` None: JSON with all that is known, or no body where
    the method has none. `success`, `reason`: JMESPath over the answer."""

    url: str
    method: str
    refused: Collection[int]
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: str | None = None
    success: str | None = None
    reason: str | None = None


class HttpCanceller:
    """A Canceller. ValueError: a template cannot be filled safely; the settings check that earlier."""

    def __init__(self, call: HttpCall, redact: Callable[[str], str]) -> None:
        url, login = without_login(call.url)
        self._call = call
        self._redact = redact
        self._url = url_template(url)
        headers = {name.title(): text for name, text in call.headers.items()}
        self._headers = {name: header_template(text) for name, text in headers.items()}
        self._login = authorization(call.auth or login)
        self._body, self._content_type = _body(call, headers.get("Content-Type"))
        self._success = jmespath.compile(call.success) if call.success else None
        self._reason = jmespath.compile(call.reason) if call.reason else None
        self._places = self._url.placeholders.union(
            *(part.placeholders for part in (self._body, *self._headers.values()) if part)
        )

    @property
    def host(self) -> str:
        return urlsplit(self._call.url).hostname or "nowhere"

    @property
    def proxy(self) -> str | None:
        """The host of the proxy for the call, if it is the proxy that looks up the shop's host name."""
        found = select_proxy(self._call.url, Route.to(self._call.url).proxies)
        if found is None or found.lower().startswith(("socks4://", "socks5://")):
            return None
        return urlsplit(found if "://" in found else f"http://{found}").hostname

    @property
    def wants_shop_id(self) -> bool:
        return "shop_id" in self._places

    @property
    def names_number(self) -> bool:
        """Whether the order is named to the shop by its public number."""
        return "order_id" in self._places

    def cancel(self, cancellation: Cancellation, seconds: float) -> CancelDecision:
        wanted = self._places & IDENTIFIERS
        if self._call.body is None and self._call.method in WITH_BODY:
            wanted |= IDENTIFIERS
        there = known_identifiers(cancellation, wanted)
        missing = (self._url.placeholders & IDENTIFIERS) - there if there else wanted
        if missing or not there:
            return without_identifiers(cancellation, missing, "the shop's call")
        with new_session() as session:
            return self._ask(session, cancellation, seconds)

    def close(self) -> None:
        """Nothing is kept open."""

    def _ask(self, session: requests.Session, cancellation: Cancellation, seconds: float) -> CancelDecision:
        values = values_of(cancellation)
        headers = {"Accept": "application/json", "User-Agent": "syncd", "Idempotency-Key": cancellation.token}
        try:
            body = self._filled_body(cancellation, values)
            url = self._url.filled(values)
        except ValueError as error:
            raise CancelError(f"order {cancellation.order_id}: {error}, so the shop was not asked") from None
        headers |= {"Content-Type": self._content_type} if body is not None and self._content_type else {}
        headers |= {name: header.filled(values) for name, header in self._headers.items()} | {**self._login}
        request = requests.Request(self._call.method, url, headers, data=body)
        try:
            reply = send(session, request, (seconds / 2, seconds), Route.to(self._call.url))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._fault(error) from None
        with closing(reply):
            return self._decision(reply)

    def _decision(self, reply: requests.Response) -> CancelDecision:
        status = reply.status_code
        if 200 <= status < 300:
            return self._accepted(reply) if self._success else CancelDecision("accepted")
        if status in self._call.refused:
            return CancelDecision("refused", message=self._message(_ShopBody.of(reply)))
        said = self._quoted(_ShopBody.of(reply))
        if status == 404:
            error = f"the shop's call answered HTTP 404{said}. If the order is there, correct SYNCD_CANCEL__URL"
            log.warning("cancellation_of_unknown_order", extra=fields(error=error))
            return replace(NO_SUCH_ORDER, error=error)
        raise CancelError(f"the shop's call answered HTTP {status}{said}. {_advice(status)}", in_doubt=status >= 500)

    def _accepted(self, reply: requests.Response) -> CancelDecision:
        """The decision of a 2xx, by what SYNCD_CANCEL__SUCCESS finds in the answer. CancelError: neither yes nor no."""
        assert self._success is not None
        answer = _ShopBody.of(reply)
        try:
            found = self._success.search(answer.json())
        except (ValueError, RecursionError, JMESPathError, TypeError) as error:
            what = answer.fault or f"cannot be read ({type(error).__name__})"
            raise CancelError(
                f"the shop's call answered HTTP {reply.status_code}, but the answer {what}"
                f"{self._quoted(answer)}. Check SYNCD_CANCEL__SUCCESS",
                in_doubt=True,
            ) from None
        if _is_one_of(found, _YES):
            return CancelDecision("accepted")
        message = self._message(answer) if self._reason else None
        if message or _is_one_of(found, _NO):
            return CancelDecision("refused", message=message)
        raise CancelError(
            f"the shop's call answered HTTP {reply.status_code}, but SYNCD_CANCEL__SUCCESS finds neither true nor "
            f"false in the answer{self._quoted(answer)}. Check that JMESPath: {self._call.success}",
            in_doubt=True,
        )

    def _message(self, answer: _ShopBody) -> str | None:
        """The shop's message for the buyer: what SYNCD_CANCEL__REASON finds, else the usual members of JSON, whatever
        Content-Type it has, or plain text; never a page of HTML, nor JSON itself."""
        try:
            content = answer.json()
        except (ValueError, RecursionError):
            is_plain = (
                answer.is_text and not answer.is_html and not self._reason and not _HOLDS_JSON.search(answer.text)
            )
            return for_the_buyer(self._redact(answer.text)) if is_plain else None
        try:
            found = self._reason.search(content) if self._reason else _usual_message(content)
        except (JMESPathError, TypeError, ValueError, RecursionError):
            return None
        return for_the_buyer(self._redact(found)) if isinstance(found, str) else None

    def _quoted(self, answer: _ShopBody) -> str:
        """The shop's own words, in quotation marks, for the log."""
        words = None if answer.is_html else shortened(self._redact(message_in_text(answer.text)[: 4 * QUOTED]), QUOTED)
        return f": “{words}”" if words else ""

    def _filled_body(self, cancellation: Cancellation, values: Values) -> bytes | None:
        if self._body is not None:
            return self._body.filled(values).encode()
        if self._call.method not in WITH_BODY:
            return None
        return json.dumps({"id": cancellation.token, **values}, ensure_ascii=False).encode()

    def _fault(self, error: Exception) -> CancelError:
        unsent = any(isinstance(one, NewConnectionError | ConnectTimeoutError) for one in causes(error))
        cause, _ = root_cause(error)
        why = self._redact(str(getattr(cause, "strerror", None) or type(cause).__name__))
        what = "cannot be reached" if unsent else "did not answer"
        return CancelError(f"the shop at {self.host} {what}: {why}. Check SYNCD_CANCEL__URL", in_doubt=not unsent)


@dataclass(frozen=True, slots=True)
class _ShopBody:
    """The body of the shop's answer. `fault`: why it could not be read whole."""

    text: str
    is_html: bool
    is_text: bool
    fault: str | None = None

    @classmethod
    def of(cls, reply: requests.Response) -> _ShopBody:
        kind = reply.headers.get("Content-Type", "").lower()
        try:
            body = read_body(reply.raw, ANSWER_LIMIT)
        except BodyTooLongError:
            return cls("", is_html=False, is_text=False, fault="is longer than 1 MiB")
        except (requests.RequestException, HTTPError, OSError, ValueError, zlib.error) as error:
            return cls("", is_html=False, is_text=False, fault=f"broke off ({type(root_cause(error)[0]).__name__})")
        text = decode_text(body, reply.headers)
        return cls(text, is_html(text, reply.headers), kind.startswith("text/plain"))

    def json(self) -> Any:
        """ValueError, RecursionError: it is none."""
        if self.fault:
            raise ValueError(self.fault)
        return parse_json(self.text)


def _body(call: HttpCall, content_type: str | None) -> tuple[Template | None, str | None]:
    if call.body is None:
        return None, JSON
    return body_template(call.body, content_type)


def _is_one_of(found: object, which: Collection[object]) -> bool:
    """1 is not True here, nor is an object that happens to be equal to text."""
    return any(type(found) is type(one) and found == one for one in which)


def _usual_message(content: Any) -> object:
    found = [content.get(name) for name in ("message", "error", "reason")] if isinstance(content, dict) else []
    return next((value for value in found if isinstance(value, str) and value.strip()), None)


def _advice(status: int) -> str:
    if status in (401, 403, 407):
        return "Check SYNCD_CANCEL__AUTH and SYNCD_CANCEL__HEADERS, and what that login may do"
    if 300 <= status < 400:
        return "It redirects; correct SYNCD_CANCEL__URL"
    if status >= 500 or status in (408, 425, 429):
        return "See the shop's own log, and its load"
    return (
        f"Check SYNCD_CANCEL__URL, …__METHOD and …__BODY; if that is how the shop says no, add {status} to "
        "SYNCD_CANCEL__REFUSED"
    )
