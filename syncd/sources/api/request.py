"""What an API is asked: a URL and its parameters, with gaps that each page fills.

Pure. A parameter whose gap has nothing to be filled with, such as `{cursor}` on the first page, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from urllib.parse import quote, urlencode

GAPS = ("since", "page", "offset", "limit", "cursor", "last_id")
_GAP = re.compile(r"\{([A-Za-z_]+)\}")


def gaps(text: str) -> list[str]:
    """The names in braces, known or not."""
    return _GAP.findall(text)


class Template:
    """A URL with parameters; `{since}`, `{page}` and so on may stand in its path, its query and its parameters."""

    def __init__(self, url: str, params: Mapping[str, str]) -> None:
        self._url = url
        self._params = params
        self._used = {gap for text in (url, *params.values()) for gap in gaps(text)}

    def has(self, gap: str) -> bool:
        return gap in self._used

    def filled(self, values: Mapping[str, str | None]) -> str:
        """The URL to ask. What is filled in is quoted, so that it cannot become another parameter."""
        url = _GAP.sub(lambda gap: quote(values.get(gap[1]) or "", safe=""), self._url)
        query = urlencode([*self._parameters(values)], quote_via=quote)
        if not query:
            return url
        return f"{url}{'&' if '?' in url else '?'}{query}"

    def _parameters(self, values: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
        for name, text in self._params.items():
            if all(values.get(gap) is not None for gap in gaps(text)):
                yield name, _GAP.sub(lambda gap: values[gap[1]] or "", text)


def since_text(when: datetime, pattern: str, zone: tzinfo) -> str:
    """An instant as SYNCD_SOURCE__SINCE_FORMAT wants it: `iso`, `epoch`, `epoch_ms` or a strftime pattern."""
    match pattern:
        case "epoch":
            return str(int(when.timestamp()))
        case "epoch_ms":
            return str(int(when.timestamp() * 1000))
        case "iso":
            return when.astimezone(zone).isoformat()
    return when.astimezone(zone).strftime(pattern)
