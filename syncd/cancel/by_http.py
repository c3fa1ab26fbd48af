"""The shop's own HTTP call that cancels.

2xx is accepted (where SYNCD_CANCEL__SUCCESS is true in the answer, if that is set); the codes of SYNCD_CANCEL__REFUSED
are the shop's decision against it; 404 is no such order, or a wrong address. Every other code is a failure: what is
wrong with the set-up is not told to the buyer.

The address, the headers and the body are templates. Each call carries the cancellation's token as `Idempotency-Key`,
the same one at each attempt, so that the shop can tell a repeated call from a new wish.
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

from syncd.cancel.protocol import for_the_buyer, one_line
from syncd.cancel.shop import NO_SUCH_ORDER, known, unnamed, values_of
from syncd.errors import CancelError
from syncd.http.addresses import authorization, without_login
from syncd.http.bodies import TooLongError, body_of, is_html, json_of, text_of, words_of
from syncd.http.connections import Way, causes, new_session, root_cause, send
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
    """How the shop is called, as the settings of these names say; `body` None: JSON with all that is known, or nothing
    where the method has none. `success`, `reason`: JMESPath over the answer."""

    url: str
    method: str = "POST"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: str | None = None
    success: str | None = None
    reason: str | None = None
    refused: Collection[int] = (409, 410, 422)


class HttpShop:
    """Satisfies `syncd.cancel.shop.Shop`. ValueError: a template cannot be filled safely; settings say so earlier."""

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
        """The host of the proxy that the call is made through, if that is who resolves the shop's."""
        found = select_proxy(self._call.url, Way.to(self._call.url).proxies)
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
        there = known(cancellation, wanted)
        missing = (self._url.placeholders & IDENTIFIERS) - there if there else wanted
        if missing or not there:
            return unnamed(cancellation, missing, "the shop's call")
        with new_session() as session:
            return self._asked(session, cancellation, seconds)

    def close(self) -> None:
        """Nothing is kept open."""

    def _asked(self, session: requests.Session, cancellation: Cancellation, seconds: float) -> CancelDecision:
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
            reply = send(session, request, (seconds / 2, seconds), Way.to(self._call.url))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._fault(error) from None
        with closing(reply):
            return self._decision(reply)

    def _decision(self, reply: requests.Response) -> CancelDecision:
        status = reply.status_code
        if 200 <= status < 300:
            return self._accepted(reply) if self._success else CancelDecision("accepted")
        if status in self._call.refused:
            return CancelDecision("refused", message=self._words(_Answer.of(reply)))
        said = self._said(_Answer.of(reply))
        if status == 404:
            error = f"the shop's call answered HTTP 404{said}. If the order is there, correct SYNCD_CANCEL__URL"
            log.warning("cancellation_of_unknown_order", extra=fields(error=error))
            return replace(NO_SUCH_ORDER, error=error)
        raise CancelError(f"the shop's call answered HTTP {status}{said}. {_advice(status)}", in_doubt=status >= 500)

    def _accepted(self, reply: requests.Response) -> CancelDecision:
        """A 2xx, by what SYNCD_CANCEL__SUCCESS finds in the answer: nothing at all, and no words either, is no
        decision."""
        assert self._success is not None
        answer = _Answer.of(reply)
        try:
            found = self._success.search(answer.json())
        except (ValueError, RecursionError, JMESPathError, TypeError) as error:
            what = answer.fault or f"cannot be read ({type(error).__name__})"
            raise CancelError(
                f"the shop's call answered HTTP {reply.status_code}, but the answer {what}"
                f"{self._said(answer)}. Check SYNCD_CANCEL__SUCCESS",
                in_doubt=True,
            ) from None
        if _is_one_of(found, _YES):
            return CancelDecision("accepted")
        message = self._words(answer) if self._reason else None
        if message or _is_one_of(found, _NO):
            return CancelDecision("refused", message=message)
        raise CancelError(
            f"the shop's call answered HTTP {reply.status_code}, but SYNCD_CANCEL__SUCCESS finds neither true nor "
            f"false in the answer{self._said(answer)}. Check that JMESPath: {self._call.success}",
            in_doubt=True,
        )

    def _words(self, answer: _Answer) -> str | None:
        """The shop's words for the buyer: by SYNCD_CANCEL__REASON, else where they usually are in JSON, whatever type
        it comes as, or plain text; never a page of HTML, nor JSON itself."""
        try:
            content = answer.json()
        except (ValueError, RecursionError):
            is_plain = (
                answer.is_text and not answer.is_html and not self._reason and not _HOLDS_JSON.search(answer.text)
            )
            return for_the_buyer(self._redact(answer.text)) if is_plain else None
        try:
            found = self._reason.search(content) if self._reason else _usual_words(content)
        except (JMESPathError, TypeError, ValueError, RecursionError):
            return None
        return for_the_buyer(self._redact(found)) if isinstance(found, str) else None

    def _said(self, answer: _Answer) -> str:
        """The shop's own words, for the log."""
        words = None if answer.is_html else one_line(self._redact(words_of(answer.text)[: 4 * QUOTED]), QUOTED)
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
class _Answer:
    """What the shop answered. `fault`: why it could not be read whole."""

    text: str
    is_html: bool
    is_text: bool
    fault: str | None = None

    @classmethod
    def of(cls, reply: requests.Response) -> _Answer:
        kind = reply.headers.get("Content-Type", "").lower()
        try:
            body = body_of(reply.raw, ANSWER_LIMIT)
        except TooLongError:
            return cls("", is_html=False, is_text=False, fault="is longer than 1 MiB")
        except (requests.RequestException, HTTPError, OSError, ValueError, zlib.error) as error:
            return cls("", is_html=False, is_text=False, fault=f"broke off ({type(root_cause(error)[0]).__name__})")
        text = text_of(body, reply.headers)
        return cls(text, is_html(text, reply.headers), kind.startswith("text/plain"))

    def json(self) -> Any:
        """ValueError, RecursionError: it is none."""
        if self.fault:
            raise ValueError(self.fault)
        return json_of(self.text)


def _body(call: HttpCall, content_type: str | None) -> tuple[Template | None, str | None]:
    if call.body is None:
        return None, JSON
    return body_template(call.body, content_type)


def _is_one_of(found: object, which: Collection[object]) -> bool:
    """1 is not True here, nor is an object that happens to be equal to text."""
    return any(type(found) is type(one) and found == one for one in which)


def _usual_words(content: Any) -> object:
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
