"""Sends a notice to each URL through Apprise, and a heartbeat by GET: each within a limit of time, in a thread that is
left behind if need be.

Apprise is imported when the first notice is sent: it takes 0.25 s of CPU and 18 MB, which a daemon without troubles
does not spend.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import requests

from syncd.deadline import BoundedCalls, DeadlineError, ThreadError
from syncd.http.connections import Route, new_session, root_cause, send
from syncd.redact import without_phones
from syncd.text import one_line

if TYPE_CHECKING:
    from apprise import Apprise

SEND_SECONDS = 30.0
HEARTBEAT_SECONDS = 10.0
LEFT_BEHIND = 4
"""Calls that took too long and still run; when they are that many, nothing more is sent until one ends."""
LONGEST_ERROR = 200
UNKNOWN_URL = "Apprise does not know such a URL; see https://github.com/caronc/apprise/wiki"
NOT_INSTALLED = "Apprise is not installed; run: pip install 'syncd[notify]'"


@dataclass(frozen=True, slots=True)
class NoticeResult:
    """What became of a notice at one URL. `label` names the URL without its secrets. `error` None: it took it."""

    label: str
    error: str | None


class NoticeSender:
    """`urls` are secrets: a label names a URL by its place and its scheme. Errors are redacted and on one line."""

    def __init__(self, urls: Sequence[str], redact: Callable[[str], str], seconds: float = SEND_SECONDS) -> None:
        self._urls = {f"{number}: {url.partition('://')[0]}://": url for number, url in enumerate(urls, 1)}
        self._redact = redact
        self._calls = BoundedCalls(seconds, at_most=LEFT_BEHIND, patience=0.0, name="notice")

    def send(self, title: str, body: str) -> Sequence[NoticeResult]:
        """Send it to each URL, one after the other."""
        return [
            NoticeResult(label, self._bounded(partial(_send, url, title, body))) for label, url in self._urls.items()
        ]

    def unusable(self) -> Sequence[NoticeResult]:
        """Whether each URL is one that Apprise can use. Nothing is sent."""
        return [NoticeResult(label, self._bounded(partial(_fault, url))) for label, url in self._urls.items()]

    def _bounded(self, call: Callable[[], str | None]) -> str | None:
        try:
            error = self._calls(call)
        except DeadlineError:
            error = f"no answer within {self._calls.seconds:g} s"
        except ThreadError as refused:
            error = str(refused)
        except ImportError:
            error = NOT_INSTALLED
        except Exception as unexpected:  # noqa: BLE001 - of one of Apprise's many plugins
            error = f"{type(unexpected).__name__}: {unexpected}"
        return None if error is None else without_phones(self._redact(one_line(error)))[:LONGEST_ERROR]


def _fault(url: str) -> str | None:
    return None if _apprise(url) else UNKNOWN_URL


def _send(url: str, title: str, body: str) -> str | None:
    """Why the notice could not be sent, in Apprise's words; None: it was."""
    apprise = _apprise(url)
    if apprise is None:
        return UNKNOWN_URL
    last = _LastMessage()
    logger = logging.getLogger("apprise")
    logger.addHandler(last)
    try:
        taken = apprise.notify(title=title, body=body, body_format="text")
    finally:
        logger.removeHandler(last)
    return None if taken else last.text or "it could not be sent"


def _apprise(url: str) -> Apprise | None:
    """An Apprise with this URL alone; None: it knows no such URL. ImportError: it is not installed.

    It sends in the thread that calls it: in a pool of its own, for which the process would wait at its end, it works
    where it may do several things at once or has a limit of time.
    """
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415 - see above

    logger = logging.getLogger("apprise")
    logger.propagate = False  # its warnings are told as what became of a URL
    logger.setLevel(logging.WARNING)
    apprise = Apprise(asset=AppriseAsset(app_id="syncd", async_mode=False, service_timeout=0))
    return apprise if apprise.add(url) else None


class _LastMessage(logging.Handler):
    """Keeps the last thing that Apprise said: it returns only whether it worked."""

    text: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class Heartbeat:
    """A GET that says that all is well, as healthchecks.io and its like expect."""

    def __init__(self, url: str, redact: Callable[[str], str], seconds: float = HEARTBEAT_SECONDS) -> None:
        self._url = url
        self._redact = redact
        self._calls = BoundedCalls(seconds, at_most=LEFT_BEHIND, patience=0.0, name="heartbeat")

    def beat(self) -> str | None:
        """Why it could not be sent; None: it was."""
        try:
            status = self._calls(self._get)
        except DeadlineError:
            return f"no answer within {self._calls.seconds:g} s"
        except (requests.RequestException, OSError, ValueError, ThreadError) as error:
            return self._redact(one_line(root_cause(error)[1]))[:LONGEST_ERROR]
        return None if status < 300 else f"HTTP {status}"

    def _get(self) -> int:
        with (
            new_session() as session,
            send(session, requests.Request("GET", self._url), self._calls.seconds / 2, Route.to(self._url)) as answer,
        ):
            return answer.status_code
