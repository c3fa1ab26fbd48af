"""The few errors this project raises, each with what is to be done about it.

Every message is for a person: what happened, to what, and what to do. Secrets are already masked in it.
"""

from __future__ import annotations


class SyncdError(Exception):
    """Something expected went wrong: it is told in one line, without a traceback."""


class SettingsError(SyncdError):
    """The configuration cannot be used. `faults` holds one line a fault, each naming its variable."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class SourceError(SyncdError):
    """The shop could not be read, or what it shows cannot be right. The next poll tries again."""


class StateError(SyncdError):
    """The state could not be opened, read or written. What was not written is not done."""


class InUseError(StateError):
    """Another process works on this state just now. This one has done nothing."""


class LeaseLostError(StateError):
    """This process lost its lease, which `holder` has now (None: nobody). Nothing was written; it must stop."""

    def __init__(self, message: str, holder: str | None = None) -> None:
        super().__init__(message)
        self.holder = holder


class CancelError(SyncdError):
    """The shop did not decide on a cancellation. `in_doubt`: it may have been applied all the same."""

    def __init__(self, message: str, *, in_doubt: bool = False) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class PushError(SyncdError):
    """A push did not end in a success. The fields say what to do next; see `pipeline.backoff`.

    refused           IMSHOP answered in its protocol that it will not take this change
    pauses_delivery   a reason (`unauthorized`, `unreachable`, `tls`, `redirect`): no push can succeed now
    in_doubt          IMSHOP may have applied it all the same
    answered          a server spoke HTTP: the endpoint is alive, whatever it said
    retry_after       seconds that the server asked to wait
    http_status       of the answer, where there was one
    """

    def __init__(
        self,
        message: str,
        *,
        refused: bool = False,
        pauses_delivery: str | None = None,
        in_doubt: bool = False,
        answered: bool = False,
        retry_after: float | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.refused = refused
        self.pauses_delivery = pauses_delivery
        self.in_doubt = in_doubt
        self.answered = answered
        self.retry_after = retry_after
        self.http_status = http_status
