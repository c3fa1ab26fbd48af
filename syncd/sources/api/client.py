"""GET requests to one API: limited in rate, time and size, patient when it asks to wait, and never led to another host.

Proxies and the CA bundle come from the environment, as for IMSHOP. No cookie is kept, and no redirect and no next page
is followed to where the credentials do not belong.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from syncd import __version__
from syncd.errors import SourceError
from syncd.http.addresses import origin, shown
from syncd.http.bodies import BodyTooLongError, decode_text, read_body
from syncd.http.connections import Route, new_session, send
from syncd.http.headers import parse_http_date, retry_after_seconds
from syncd.rate_limiter import RateLimiter
from syncd.sources.api.responses import (
    BODY_LIMIT,
    ApiResponse,
    RawResponse,
    header_text,
    parse_response,
    quoted_of,
    why_failed,
)

REDIRECTS_AT_MOST = 5
TRIES = 3
FIRST_PAUSE = 0.5
WAIT_AT_MOST = 120.0
"""Seconds that one page may wait because the API asked for it. If it asks for more, it is not requested before then."""


@dataclass(frozen=True, slots=True)
class ClientClocks:
    """The time of this machine, seconds that only grow, and how to wait."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(kw_only=True, eq=False, repr=False)
class ApiClient:
    """Sends one request at a time, whatever thread asks.

    base_url               whose host, scheme and port are the only ones that are ever asked
    headers                sent with each request, credentials among them
    timeout                seconds to connect, and seconds from then to the last byte
    rate                   requests a second at most; 0: no limit
    wait_in_milliseconds   the platform's own header that says how long to wait
    """

    base_url: str
    headers: Mapping[str, str]
    timeout: float
    rate: float
    wait_in_milliseconds: str | None = None
    redact: Callable[[str], str] = str
    clocks: ClientClocks = field(default_factory=ClientClocks)

    def __post_init__(self) -> None:
        self._origin = origin(self.base_url)
        self._limiter = RateLimiter(self.rate)
        self._not_before = 0.0  # as the last response asked
        self._busy = ""  # what the last response said when it asked to wait
        self._clock_offset: timedelta = timedelta()  # of the API's clock to the one here
        self.requests = 0
        self._session = new_session()
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip"})
        # A cache before the shop would show former statuses, and buyers would be told them once more.
        self._session.headers.update({"Cache-Control": "no-cache"})
        self._session.headers.update({"User-Agent": f"syncd/{__version__}", **self.headers})
        self._way = Route.to(self.base_url)
        self._one_at_a_time = Lock()

    @property
    def host(self) -> str:
        """For a person: without credentials."""
        return shown(self.base_url)

    def present(self) -> datetime:
        """The API's own clock, as its last response showed it in `Date`; before the first, the clock of this
        machine."""
        return self.clocks.now() + self._clock_offset

    def get(self, url: str) -> ApiResponse:
        """What the API responds, as JSON. SourceError says why it does not, and what to do."""
        with self._one_at_a_time:  # an order may be looked up while the next page is prefetched
            return self._get(url)

    def close(self) -> None:
        """Close the connections. The client may be used again."""
        self._session.close()

    def joined(self, url: str, leads_to: str, how: str = "sends") -> str:
        """Where a response from `url` leads. SourceError: to what is no URL, or to another host."""
        try:
            url = urljoin(url, leads_to)
        except ValueError:
            raise self._no_url(how) from None
        self._check_origin(url, how)
        return url

    def _get(self, url: str) -> ApiResponse:
        waited, failures = 0.0, 0
        while True:
            waited += self._wait_for_turn(waited)
            try:
                response = self._follow_redirects(url)
            except _TransientError as error:
                failures += 1
                if failures == TRIES:
                    raise SourceError(str(error)) from None
                self._wait_at_least(FIRST_PAUSE * failures)
                continue
            if response.status in (500, 502, 504) and (failures := failures + 1) < TRIES:
                self._wait_at_least(FIRST_PAUSE * failures)
                continue
            if response.status not in (429, 503):
                return parse_response(response, self.host, self.redact)
            asked = retry_after_seconds(response.headers, self.present(), self.wait_in_milliseconds) or None
            busy = f"is busy (HTTP {response.status})" if asked is None else "asks to wait"
            self._busy = f"{busy}{quoted_of(response, self.redact)}"
            # Some APIs ask for a tiny wait again and again: each time, wait longer.
            self._wait_at_least(waited + 1 if asked is None else max(asked, waited / 10))

    def _wait_for_turn(self, waited: float) -> float:
        """Wait until the next request may be sent; returns for how many seconds."""
        now = self.clocks.monotonic()
        left = max(self._not_before - now, self._limiter.seconds_until(now))
        if self._busy and waited + left > WAIT_AT_MOST:
            raise SourceError(
                f"{self.host} {self._busy}: it is left alone for {max(left, 1):.0f} s before the next request. "
                "SYNCD_SOURCE__RATE keeps requests below its limit"
            )
        if left > 0:
            self.clocks.sleep(left)
        self._busy = ""
        self._limiter.reserve(self.clocks.monotonic())
        return max(left, 0.0)

    def _wait_at_least(self, seconds: float) -> None:
        """Before the next request."""
        self._not_before = max(self._not_before, self.clocks.monotonic() + seconds)

    def _follow_redirects(self, url: str) -> RawResponse:
        for _ in range(REDIRECTS_AT_MOST):
            self._check_origin(url, "sends")
            response = self._send(url)
            if not _redirects(response.status, response.headers):
                return response
            url = self.joined(url, header_text(response.headers["Location"]), "redirects")
        raise SourceError(f"{self.host} redirects in a circle. Check SYNCD_SOURCE__URL")

    def _check_origin(self, url: str, how: str) -> None:
        """SourceError: the credentials must not go there."""
        try:
            scheme, host, port = origin(url)
        except ValueError:
            raise self._no_url(how) from None
        encrypted_alike = self._origin == ("http", host, 80) and (scheme, port) == ("https", 443)
        if (scheme, host, port) != self._origin and not encrypted_alike:
            raise SourceError(
                f"{self.host} {how} to {scheme}://{host}:{port}, where the credentials must not go. "
                "If that is the shop, write it in SYNCD_SOURCE__URL"
            )

    def _no_url(self, how: str) -> SourceError:
        return SourceError(f"{self.host} {how} to what is no URL. Check SYNCD_SOURCE__URL and SYNCD_SOURCE__NEXT")

    def _send(self, url: str) -> RawResponse:
        self.requests += 1
        try:
            with closing(send(self._session, requests.Request("GET", url), self.timeout, self._way)) as response:
                if date := parse_http_date(response.headers.get("Date")):
                    self._clock_offset = date - self.clocks.now()
                redirects = _redirects(response.status_code, response.headers)
                body = b"" if redirects else read_body(response.raw, BODY_LIMIT)
                return RawResponse(url, response.status_code, response.headers, decode_text(body, response.headers))
        except BodyTooLongError:
            raise SourceError(
                "the API's answer is longer than 32 MiB. Lower SYNCD_SOURCE__BATCH, or ask for less"
            ) from None
        except (requests.RequestException, HTTPError, OSError, ValueError, zlib.error) as error:
            why, is_transient = why_failed(error)
            text = self.redact(f"{self.host} {why}")
            raise (_TransientError(text) if is_transient else SourceError(text)) from None


def _redirects(status: int, headers: Mapping[str, str]) -> bool:
    return status in (301, 302, 303, 307, 308) and "Location" in headers


class _TransientError(SourceError):
    """The next try may succeed."""
