"""What IMSHOP's reply means. Pure: an HTTP status and a JSON object in, one row of MEANINGS out.

Nothing is documented about HTTP status codes (docs/protocol.md, section 1): `success` is the only field that says it
worked, and a request without a readable answer may have been applied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from syncd.errors import PushError
from syncd.http.bodies import parse_json

ReplyFields: TypeAlias = Mapping[str, Any]
"""The JSON object of a reply. The values are whatever a server chose to send."""

TEXT_LIMIT = 300


@dataclass(frozen=True, slots=True)
class ReplyMeaning:
    """One kind of reply: when it comes, what it says to a person, and the fields of its PushError."""

    when: str
    says: str
    refused: bool = False
    pauses_delivery: str | None = None
    in_doubt: bool = False
    answered: bool = True

    def error(self, status: int | None = None, retry_after: float | None = None, **words: str) -> PushError:
        """The error to raise. `words` fill the placeholders of `says`; they are printable and free of secrets."""
        return PushError(
            self.says.format(status=status, **words),
            refused=self.refused,
            pauses_delivery=self.pauses_delivery,
            in_doubt=self.in_doubt,
            answered=self.answered,
            retry_after=retry_after,
            http_status=status,
        )


TAKEN = ReplyMeaning("2xx, `success` is true", "IMSHOP took the change")
REFUSED = ReplyMeaning(
    "2xx, `success` is false; any other 4xx with a JSON object",
    "IMSHOP refused the change (HTTP {status}){quote}",
    refused=True,
)
UNREADABLE = ReplyMeaning(
    "2xx without a readable `success`: no JSON object, over 64 KiB, cut short",
    "The answer {flaw} (HTTP {status}), so the change may have been applied{quote}",
    in_doubt=True,
)
REDIRECT = ReplyMeaning(
    "3xx",
    "The endpoint redirects to {host} (HTTP {status}), and the key is never sent there: correct SYNCD_IMSHOP__URL",
    pauses_delivery="redirect",
)
UNAUTHORIZED = ReplyMeaning(
    "401, 403, 407",
    "IMSHOP does not accept the key (HTTP {status}): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL{quote}",
    pauses_delivery="unauthorized",
)
BUSY = ReplyMeaning("425, 429", "IMSHOP asks to wait (HTTP {status}){quote}")
FAILING = ReplyMeaning(
    "408, 5xx", "IMSHOP failed (HTTP {status}), so the change may have been applied{quote}", in_doubt=True
)
FOREIGN = ReplyMeaning(
    "any other 4xx without a JSON object",
    "The answer is not in IMSHOP's protocol (HTTP {status}): check SYNCD_IMSHOP__URL{quote}",
)
UNREACHABLE = ReplyMeaning(
    "no connection: refused, no route, unknown host, time-out, proxy",
    "Cannot connect to {host}: {why}. Check the network, the proxy and SYNCD_IMSHOP__URL",
    pauses_delivery="unreachable",
    answered=False,
)
TLS = ReplyMeaning(
    "no TLS: certificate, host name, protocol",
    "Cannot trust {host}: {why}. Check its certificate, this machine's clock and REQUESTS_CA_BUNDLE",
    pauses_delivery="tls",
    answered=False,
)
SILENT = ReplyMeaning(
    "sent, but no answer: time-out, connection cut, not HTTP",
    "No answer from {host}: {why}. The change may have been applied",
    in_doubt=True,
    answered=False,
)

MEANINGS = (TAKEN, REFUSED, UNREADABLE, REDIRECT, UNAUTHORIZED, BUSY, FAILING, FOREIGN, UNREACHABLE, TLS, SILENT)

_BY_STATUS = {401: UNAUTHORIZED, 403: UNAUTHORIZED, 407: UNAUTHORIZED, 408: FAILING, 425: BUSY, 429: BUSY}
_BY_HUNDRED = {3: REDIRECT, 5: FAILING}
_SUCCESS = {"true": TAKEN, "1": TAKEN, "false": REFUSED, "0": REFUSED}


def meaning_of(status: int, fields: ReplyFields | None) -> ReplyMeaning:
    """The row for a reply with this status and JSON object; None: it has none that can be read."""
    hundred = status // 100
    by_status = _BY_STATUS.get(status) or _BY_HUNDRED.get(hundred)
    if by_status:
        return by_status
    if hundred == 4:
        return FOREIGN if fields is None else REFUSED
    success = text_field(fields, "success") if fields and hundred == 2 else None
    return _SUCCESS.get((success or "").lower(), UNREADABLE)


def json_object(text: str) -> ReplyFields | None:
    """The JSON object in `text`, or None where there is none."""
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):  # 64 KiB of brackets nest deeper than the parser goes
        return None
    return value if isinstance(value, dict) else None


def text_field(fields: ReplyFields, name: str) -> str | None:
    """A field as text, whichever JSON type it came in; None for null, objects and arrays."""
    value = fields.get(name)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return value if isinstance(value, str) else None
