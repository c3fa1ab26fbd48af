"""What an API is asked: a URL and its parameters, with placeholders that are filled in for each page. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from urllib.parse import quote, urlencode

PLACEHOLDERS = ("since", "page", "offset", "limit", "cursor", "last_id")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


class RequestTemplate:
    """A URL with parameters; `{since}`, `{page}` and so on may stand in its path, its query and its parameters."""

    def __init__(self, url: str, params: Mapping[str, str]) -> None:
        self._url = url
        self._params = params
        self._used = {name for text in (url, *params.values()) for name in _PLACEHOLDER.findall(text)}

    def has(self, placeholder: str) -> bool:
        return placeholder in self._used

    def filled(self, values: Mapping[str, str | None]) -> str:
        """The URL to ask. A value is quoted, so that it cannot become another parameter. A parameter with a placeholder
        that has no value, such as `{cursor}` on the first page, is left out."""
        url = _PLACEHOLDER.sub(lambda found: quote(values.get(found[1]) or "", safe=""), self._url)
        params = [
            (name, _PLACEHOLDER.sub(lambda found: values[found[1]] or "", text))
            for name, text in self._params.items()
            if all(values.get(placeholder) is not None for placeholder in _PLACEHOLDER.findall(text))
        ]
        if not params:
            return url
        return f"{url}{'&' if '?' in url else '?'}{urlencode(params, quote_via=quote)}"


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
