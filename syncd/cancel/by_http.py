"""The shop's own HTTP call that cancels: 2xx accepted, other 4xx refused, anything else undecided.

The address, the headers and the body are templates. Each call carries the cancellation's token as `Idempotency-Key`,
the same one at each attempt, so that the shop can tell a repeated call from a new wish.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from syncd.cancel import filling
from syncd.cancel.desk import Verdict
from syncd.cancel.words import NOT_KNOWN, plain
from syncd.errors import CancelError
from syncd.model import Cancellation

UNDECIDED = frozenset({401, 407, 408, 425, 429})
"""4xx that do not speak of the order: our login, or a shop that is busy."""
ANSWER_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class HttpShop:
    """`body` None: JSON with all that is known, or nothing where the method has none."""

    url: str
    method: str
    body: str | None
    headers: Mapping[str, str]
    redact: Callable[[str], str]

    def cancel(self, cancellation: Cancellation, seconds: float) -> Verdict:
        in_url = filling.places(self.url)
        wanted = in_url | filling.places(self.body or "", *self.headers.values())
        if self.body is None and self._has_body():
            wanted |= filling.IDENTIFIERS
        if not filling.names_an_order(cancellation, wanted, all_of=in_url):
            return Verdict(accepted=False, message=NOT_KNOWN)
        with requests.Session() as session:
            # Neither the environment's proxy nor its .netrc: the shop's own server is called, as it is configured.
            session.trust_env = not self._is_near()
            return self._asked(session, cancellation, seconds)

    def close(self) -> None:
        """Nothing is kept open."""

    def _asked(self, session: requests.Session, cancellation: Cancellation, seconds: float) -> Verdict:
        values = filling.values_of(cancellation)
        body, content_type = self._filled_body(cancellation, values)
        headers = {"Accept": "application/json", "User-Agent": "syncd", "Idempotency-Key": cancellation.token}
        headers |= content_type
        headers |= {name: filling.in_header(value, values) for name, value in self.headers.items()}
        try:
            with session.request(
                self.method,
                filling.in_url(self.url, values),
                data=body,
                headers=headers,
                auth=_as_configured,
                timeout=(seconds / 2, seconds),
                allow_redirects=False,
                stream=True,
            ) as reply:
                return self._verdict(reply)
        except (requests.RequestException, OSError) as error:
            raise self._fault(error) from None

    def _verdict(self, reply: requests.Response) -> Verdict:
        status = reply.status_code
        if 200 <= status < 300:
            return Verdict(accepted=True)
        if 400 <= status < 500 and status not in UNDECIDED:
            return Verdict(accepted=False, message=self._words(reply))
        advice = {3: "it redirects; correct SYNCD_CANCEL__URL", 4: "see SYNCD_CANCEL__HEADERS, or the shop's load"}
        hint = advice.get(status // 100, "see the shop's own log")
        raise CancelError(f"the shop's call answered HTTP {status}: {hint}", in_doubt=status >= 500)

    def _words(self, reply: requests.Response) -> str | None:
        """The reason that the shop gives in JSON or in plain text; never a page of HTML."""
        kind = reply.headers.get("Content-Type", "").lower()
        text = reply.raw.read(ANSWER_LIMIT, decode_content=True).decode("utf-8", "replace")
        if "json" in kind:
            text = _message(text)
        elif not kind.startswith("text/plain"):
            return None
        return plain(self.redact(text))

    def _filled_body(self, cancellation: Cancellation, values: filling.Values) -> tuple[bytes | None, dict[str, str]]:
        json_type = {"Content-Type": "application/json; charset=utf-8"}
        if self.body is None:
            if not self._has_body():
                return None, {}
            return json.dumps({"id": cancellation.token, **values}, ensure_ascii=False).encode(), json_type
        if filling.is_json(self.body, self._content_type()):
            return filling.in_json(self.body, values).encode(), json_type
        return filling.in_form(self.body, values).encode(), {"Content-Type": "application/x-www-form-urlencoded"}

    def _has_body(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH")

    def _content_type(self) -> str | None:
        return next((value for name, value in self.headers.items() if name.lower() == "content-type"), None)

    def _host(self) -> str:
        return urlsplit(self.url).hostname or "nowhere"

    def _is_near(self) -> bool:
        """A proxy leads away from this machine."""
        try:
            return ip_address(self._host()).is_loopback
        except ValueError:
            return self._host() == "localhost"

    def _fault(self, error: Exception) -> CancelError:
        """The innermost words: those around them quote the URL."""
        inner: BaseException = error
        unsent = False
        while cause := inner.__cause__ or inner.__context__:
            unsent = unsent or isinstance(cause, NewConnectionError | ConnectTimeoutError)
            inner = cause
        why = self.redact(str(getattr(inner, "strerror", None) or type(inner).__name__))
        what = "cannot be reached" if unsent else "did not answer"
        return CancelError(f"the shop at {self._host()} {what}: {why}. Check SYNCD_CANCEL__URL", in_doubt=not unsent)


def _as_configured(request: Any) -> Any:
    """In place of requests' own look into .netrc."""
    return request


def _message(text: str) -> str:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    found = [fields.get(name) for name in ("message", "error", "reason")] if isinstance(fields, dict) else []
    return next((value for value in found if isinstance(value, str)), "")
