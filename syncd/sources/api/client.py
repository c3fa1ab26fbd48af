"""GETs from one API: paced, bounded in time and size, told to wait and waiting, and never led to another host.

Proxies and the CA bundle come from the environment, as for IMSHOP. No cookie is kept, and no redirect or next page is
followed to where the credentials do not belong.

What an API is asked: a URL and its parameters, with gaps that each page fills.

Pure. A parameter whose gap has nothing to be filled with, such as `{cursor}` on the first page, is left out.
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
from syncd.http.bodies import TooLongError, body_of, moment_of, seconds_to_wait, text_of
from syncd.http.connections import Way, new_session, send
from syncd.sources.api.responses import BODY_LIMIT, ApiResponse, RawResponse, answer_of, letters, quoted_of, why_not

REDIRECTS_AT_MOST = 5
TRIES = 3
FIRST_PAUSE = 0.5
WAIT_AT_MOST = 120.0
"""Seconds that one page may wait because the API asked for it. Who asks for more is left alone until then."""


@dataclass(frozen=True, slots=True)
class ClientClocks:
    """The time here, seconds that only grow, and how to wait."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(kw_only=True, eq=False, repr=False)
class ApiClient:
    """One API, asked one thing at a time, whatever thread asks.

    base_url               whose host, scheme and port are the only ones that are ever asked
    headers                sent with each request, credentials among them
    timeout                seconds to connect, and seconds from then to the last byte
    rate                   requests a second at most; 0: no limit
    wait_in_milliseconds   the header of its own in which the platform says how long to wait
    """

    base_url: str
    headers: Mapping[str, str]
    timeout: float
    rate: float = 0.0
    wait_in_milliseconds: str | None = None
    redact: Callable[[str], str] = str
    clocks: ClientClocks = field(default_factory=ClientClocks)

    def __post_init__(self) -> None:
        self._origin = origin(self.base_url)
        self._next_at = 0.0
        self._busy = ""  # how the last answer put the request off
        self._ahead: timedelta = timedelta()
        self.requests = 0
        self._session = new_session()
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip"})
        self._session.headers.update({"User-Agent": f"syncd/{__version__}", **self.headers})
        self._way = Way.to(self.base_url)
        self._one_at_a_time = Lock()

    @property
    def host(self) -> str:
        """For a person: without credentials."""
        return shown(self.base_url)

    def present(self) -> datetime:
        """The API's own clock, as its last answer showed it in `Date`; before the first, the clock of this machine."""
        return self.clocks.now() + self._ahead

    def get(self, url: str) -> ApiResponse:
        """What the API answers, as JSON. SourceError says why there is no such answer, and what to do."""
        with self._one_at_a_time:  # an order may be looked up while the next page is on its way
            return self._got(url)

    def _got(self, url: str) -> ApiResponse:
        waited, failures = 0.0, 0
        while True:
            waited += self._pace(waited)
            try:
                reply = self._followed(url)
            except _PassingError as error:
                failures += 1
                if failures == TRIES:
                    raise SourceError(str(error)) from None
                self._wait_for(FIRST_PAUSE * failures)
                continue
            if reply.status in (500, 502, 504) and (failures := failures + 1) < TRIES:
                self._wait_for(FIRST_PAUSE * failures)
                continue
            if reply.status not in (429, 503):
                return answer_of(reply, self.host, self.redact)
            asked = seconds_to_wait(reply.headers, self.present(), self.wait_in_milliseconds) or None
            busy = f"is busy (HTTP {reply.status})" if asked is None else "asks to wait"
            self._busy = f"{busy}{quoted_of(reply, self.redact)}"
            # Who asks for next to nothing, again and again, is waited for longer each time.
            self._wait_for(waited + 1 if asked is None else max(asked, waited / 10))

    def close(self) -> None:
        """Close the connections. The client may be used again."""
        self._session.close()

    def _pace(self, waited: float) -> float:
        """Wait until the next request may be sent; returns for how many seconds."""
        left = self._next_at - self.clocks.monotonic()
        if self._busy and waited + left > WAIT_AT_MOST:
            raise SourceError(
                f"{self.host} {self._busy}: it is left alone for {max(left, 1):.0f} s before the next request. "
                "SYNCD_SOURCE__RATE keeps requests below its limit"
            )
        if left > 0:
            self.clocks.sleep(left)
        self._busy = ""
        self._next_at = self.clocks.monotonic() + (1 / self.rate if self.rate else 0.0)
        return max(left, 0.0)

    def _wait_for(self, seconds: float) -> None:
        self._next_at = max(self._next_at, self.clocks.monotonic() + seconds)

    def _followed(self, url: str) -> RawResponse:
        for _ in range(REDIRECTS_AT_MOST):
            self._stay_at_home(url, "sends")
            reply = self._asked(url)
            if not _leads_on(reply.status, reply.headers):
                return reply
            url = self.joined(url, letters(reply.headers["Location"]), "redirects")
        raise SourceError(f"{self.host} redirects in a circle. Check SYNCD_SOURCE__URL")

    def joined(self, url: str, leads_to: str, how: str = "sends") -> str:
        """Where an answer from `url` leads. SourceError: nowhere, or to another host."""
        try:
            url = urljoin(url, leads_to)
        except ValueError:
            raise self._lost(how) from None
        self._stay_at_home(url, how)
        return url

    def _stay_at_home(self, url: str, how: str) -> None:
        try:
            scheme, host, port = origin(url)
        except ValueError:
            raise self._lost(how) from None
        encrypted_alike = self._origin == ("http", host, 80) and (scheme, port) == ("https", 443)
        if (scheme, host, port) != self._origin and not encrypted_alike:
            raise SourceError(
                f"{self.host} {how} to {scheme}://{host}:{port}, where the credentials must not go. "
                "If that is the shop, write it in SYNCD_SOURCE__URL"
            )

    def _lost(self, how: str) -> SourceError:
        return SourceError(f"{self.host} {how} to what is no URL. Check SYNCD_SOURCE__URL and SYNCD_SOURCE__NEXT")

    def _asked(self, url: str) -> RawResponse:
        self.requests += 1
        try:
            with closing(send(self._session, requests.Request("GET", url), self.timeout, self._way)) as response:
                self._note_date(response.headers.get("Date"))
                body = b"" if _leads_on(response.status_code, response.headers) else body_of(response.raw, BODY_LIMIT)
                text = text_of(body, response.headers)
                return RawResponse(url, response.status_code, response.headers, text)
        except TooLongError:
            raise SourceError(
                "the API's answer is longer than 32 MiB. Lower SYNCD_SOURCE__BATCH, or ask for less"
            ) from None
        except (requests.RequestException, HTTPError, OSError, ValueError, zlib.error) as error:
            raise self._fault(error) from None

    def _note_date(self, date: str | None) -> None:
        if said := moment_of(date):
            self._ahead = said - self.clocks.now()

    def _fault(self, error: Exception) -> SourceError:
        why, passes = why_not(error)
        text = self.redact(f"{self.host} {why}")
        return _PassingError(text) if passes else SourceError(text)


def _leads_on(status: int, headers: Mapping[str, str]) -> bool:
    return status in (301, 302, 303, 307, 308) and "Location" in headers


class _PassingError(SourceError):
    """May well be over at the next try."""
