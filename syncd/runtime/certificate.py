"""When IMSHOP's certificate ends, looked at now and then and kept in the state, for all who say what is in the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Self

from syncd.errors import PushError, StateError
from syncd.imshop.push import ImshopClient
from syncd.state import Lease, State

CONNECT_SECONDS = 8.0
LOOK_EVERY = timedelta(hours=12)
LOOK_AGAIN = timedelta(hours=1)
"""While it is a trouble, so that its end shows soon."""
NEAR = timedelta(days=14)


class CertificateWatch:
    """Looks at the certificate when that is due, and keeps what it finds under the right to deliver. `ends` asks
    IMSHOP's server; None: it has no TLS. PushError."""

    def __init__(self, state: State, lease: Lease, ends: Callable[[], datetime | None]) -> None:
        self._state = state.under(lease)
        self._leads = lease.held
        self._ends = ends

    @classmethod
    def of(cls, state: State, lease: Lease, endpoint: ImshopClient) -> Self:
        return cls(state, lease, lambda: endpoint.connect(CONNECT_SECONDS).certificate_ends)

    def look(self, now: datetime) -> None:
        """If it cannot be seen, delivery says why, and what was seen before stays. A state that cannot be read or
        written shows elsewhere."""
        if not self._leads():
            return
        with suppress(StateError):
            ends, seen_at = self._state.certificate()
            is_near = ends is not None and ends - now < NEAR
            if seen_at and seen_at <= now < seen_at + (LOOK_AGAIN if is_near else LOOK_EVERY):
                return
            self._state.note_certificate(ends, now)  # nobody is asked, again and again, for what cannot be kept
            with suppress(PushError):
                self._state.note_certificate(self._ends(), now)
