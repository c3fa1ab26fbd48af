"""URLs and keys, which are secret or hold a secret: checked, and brought into one form.

The ValueErrors here never repeat any part of what was written: one cannot tell where its secret begins.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from syncd.settings.url_arguments import check_arguments

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_DRIVERS = {
    "sqlite": "sqlite",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mssql": "mssql+pymssql",
    "oracle": "oracle+oracledb",
}
_ESCAPES = "in a user name or password @ : / ? # % are written %40 %3A %2F %3F %23 %25"


def filled_out(text: str) -> str:
    """ValueError: it still holds a part of the example, as in <your token>."""
    if re.search(r"<[\w .-]+>", text):
        raise ValueError("still holds a placeholder in <angle brackets>; write the real value in its place")
    return text


def imshop_url(text: str) -> str:
    """An http(s) URL with a host. Whether plain http is allowed is checked by the group, with `is_insecure_remote`."""
    filled_out(text)
    if re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("holds white space; write the URL on one line, as IMSHOP's manager gave it")
    one_login(text)
    if not re.match(r"https?://", text, re.IGNORECASE) or not _host(text):
        raise ValueError("is not a URL of the form https://host/path; write it as IMSHOP's manager gave it")
    return text


def one_login(text: str) -> str:
    """A URL whose login every program splits in the same way. ValueError: programs may differ.

    A program that takes a raw @, /, ? or # in a password for its end connects to the wrong host, and shows the rest of
    the password as a host, a path or a query. So the only @ is the one before the host.
    """
    rest = text.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :] or authority.count("@") > 1:
        raise ValueError(
            f"holds an @ besides the one before the host, so that a password could be cut in two; {_ESCAPES}, and an @ "
            "elsewhere is %40 too"
        )
    if "\\" in authority:
        raise ValueError("holds a \\ before the path; in a user name or password it is written %5C")
    return text


def _host(url: str) -> str | None:
    with suppress(ValueError):  # a port that is no number, a bracket that is not closed
        parts = urlsplit(url)
        return parts.hostname if parts.port != 0 else None
    return None


def api_key(text: str) -> str:
    """What an HTTP header can carry."""
    if not re.fullmatch(r"[!-~]+", filled_out(text)):
        raise ValueError("holds a space or a character that no header can carry; write the bare key, without 'Bearer'")
    return text


def source_url(text: str) -> str:
    """A SQLAlchemy URL with the driver spelled out, or the http(s) URL of an API.

    Plain http is accepted everywhere: shops on a local network have nothing else, and `syncd check` warns of it.
    """
    if not is_http(text):
        return _database_url(text, _DRIVERS)
    if re.search(r"[\s\x00-\x1f]", filled_out(text)) or not _host(one_login(text)):
        raise ValueError(f"is not a URL of the form https://host/path; a space in it is written %20, and {_ESCAPES}")
    return text


def notify_urls(text: str) -> str:
    """Apprise URLs, one blank between them. Whether Apprise knows them is not checked here: it is heavy."""
    urls = apprise_urls(filled_out(text))
    if not all(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s]+$", url) for url in urls):
        raise ValueError("is not a list of Apprise URLs, each scheme://…, with blanks between them")
    return " ".join(urls)


def apprise_urls(text: str) -> list[str]:
    """A URL may hold commas, so one separates two URLs only where another scheme follows."""
    return [url for url in re.split(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)", text.strip()) if url]


def heartbeat_url(text: str) -> str:
    if re.search(r"[\s\x00-\x1f]", filled_out(text)) or not is_http(one_login(text)) or not _host(text):
        raise ValueError("is not a URL of the form https://host/path")
    return text


def is_http(url: str) -> bool:
    return bool(re.match(r"https?://", url, re.IGNORECASE))


def state_url(text: str) -> str:
    """A SQLAlchemy URL of a SQLite file or of PostgreSQL, with the driver spelled out."""
    return _database_url(text, {scheme: _DRIVERS[scheme] for scheme in ("sqlite", "postgresql", "postgres")})


def _database_url(text: str, drivers: dict[str, str]) -> str:
    scheme, separator, rest = filled_out(text).partition("://")
    driver = {**drivers, **{name: name for name in drivers.values()}}.get(scheme.lower())
    if driver is None or not separator:
        raise ValueError(f"does not start with {', '.join(f'{name}://' for name in drivers)}")
    if driver == "sqlite" and rest and not rest.startswith("/"):
        raise ValueError(
            "names a host; a file stands behind three slashes: sqlite:///shop.db or sqlite:////srv/shop.db"
        )
    url = parsed_database_url(f"{driver}://{rest}" if driver == "sqlite" else one_login(f"{driver}://{rest}"))
    check_arguments(url)
    if driver == "sqlite" and _is_in_memory(url):
        raise ValueError(
            "is in memory, where nothing outlives a restart; name a file, e.g. sqlite:////var/lib/syncd/syncd.db"
        )
    return f"{driver}://{rest}"


def parsed_database_url(url: str) -> URL:
    from sqlalchemy.engine.url import make_url  # noqa: PLC0415 - 0.2 s that `syncd --help` need not spend
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - as above

    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"is not of the form scheme://user:password@host:port/database ({_ESCAPES})") from None


def _is_in_memory(url: URL) -> bool:
    name = url.database or ":memory:"
    return name in ("", "file:") or ":memory:" in name or url.query.get("mode") == "memory"
