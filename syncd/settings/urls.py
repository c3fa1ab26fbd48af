"""URLs that hold secrets: checked without being repeated, masked for people, and taken apart for the redactor.

The ValueErrors here never repeat any part of what was written: one cannot tell where its secret begins.
"""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from syncd.settings.url_arguments import check_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_LONG = 12
"""A part of a URL that long is a token rather than a word such as "statuses", which no log could do without."""
_SHORT = 8
_ESCAPES = "in a user name or password @ : / ? # % are written %40 %3A %2F %3F %23 %25"
_HOOK = re.compile(r"/rest/[0-9]+/([^/]+)|/(?:web)?hooks?/(.+)", re.IGNORECASE)
"""Paths of which one knows that what follows is a key: of a webhook of Bitrix24, and of webhooks at large."""


def no_placeholder(text: str) -> str:
    if re.search(r"<[\w .-]+>", text):
        raise ValueError("still holds a placeholder in <angle brackets>; write the real value in its place")
    return text


def imshop_url(text: str) -> str:
    """An http(s) URL with a host. Whether plain http is allowed there is for `is_insecure_remote` to say."""
    no_placeholder(text)
    if re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("holds white space; write the URL on one line, as IMSHOP's manager gave it")
    one_login(text)
    if not re.match(r"https?://", text, re.IGNORECASE) or not _host(text):
        raise ValueError("is not a URL of the form https://host/path; write it as IMSHOP's manager gave it")
    return text


def one_login(text: str) -> str:
    """A URL whose login all the programs that it passes take apart in the same way. ValueError: one may not.

    Whoever takes a raw @, /, ? or # of a password for the end of it connects to the wrong host, and shows the rest of
    the password as a host, a path or a query. So there is no @ but the one before the host.
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
    if not re.fullmatch(r"[!-~]+", no_placeholder(text)):
        raise ValueError("holds a space or a character that no header can carry; write the bare key, without 'Bearer'")
    return text


def source_url(text: str) -> str:
    """A SQLAlchemy URL with the driver spelled out, or the http(s) URL of an API.

    Plain http is taken anywhere: shops on a local network have nothing else, and the doctor warns of it.
    """
    if not is_http(text):
        return _database_url(text, _DRIVERS)
    if re.search(r"[\s\x00-\x1f]", no_placeholder(text)) or not _host(one_login(text)):
        raise ValueError(f"is not a URL of the form https://host/path; a space in it is written %20, and {_ESCAPES}")
    return text


def is_http(url: str) -> bool:
    return bool(re.match(r"https?://", url, re.IGNORECASE))


def mask_source_url(url: str) -> str:
    """Without login, query string and what may be a token; for a database as `mask_database_url`."""
    if not is_http(url):
        return mask_database_url(url)
    parts = urlsplit(url)
    _, at, address = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'***@' if at else ''}{address}{mask_path(parts.path)}" + ("?***" if parts.query else "")


def mask_path(path: str) -> str:
    """Without what may be a key: then nothing of it is shown, as of IMSHOP's."""
    return "/***" if any(path_secrets(path)) else path


def shows_a_key(path: str) -> bool:
    """Whether one may say so to a person; of a long word alone `path_secrets` only suspects it."""
    return bool(_HOOK.search(path)) or any(re.search("[0-9]", part) for part in path_secrets(path) if "/" not in part)


def path_secrets(path: str) -> Iterator[str]:
    """What in a path may be a key, as of a webhook; and the whole path then, as a server's error repeats it."""
    found = [part for part in path.split("/") if _is_token(part) and "{" not in part]
    found += [part for hook in _HOOK.findall(path) for part in "/".join(hook).split("/") if part and "{" not in part]
    if found:
        yield path
        yield from found


def source_secrets(url: str) -> Iterator[str]:
    """The password, alone and as a header carries it; in an API's URL also tokens in path and query."""
    if not is_http(url):
        yield from database_secrets(url)
        return
    parts = urlsplit(url)
    yield from login_secrets(url)
    yield from path_secrets(parts.path)
    for name, value in parse_qsl(parts.query):
        if looks_secret(name) or _is_token(value):
            yield value


def login_secrets(url: str) -> Iterator[str]:
    """The password that stands in an http(s) URL, as written, as decoded, and as a header carries it. A key may stand
    for the user, without a password."""
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    if at:
        for written in (login, unquote(login)):
            yield written.partition(":")[2] or written.removesuffix(":")
        yield basic(unquote(login))


def basic(login: str) -> str:
    """USER:PASSWORD, or USER alone, as the header Authorization carries it."""
    return b64encode((login if ":" in login else f"{login}:").encode()).decode()


def looks_secret(name: str) -> bool:
    return bool(re.search(r"key|token|secret|pass|pwd|auth|sign|login|hash", name, re.IGNORECASE))


def _is_token(text: str) -> bool:
    """Long, and of letters and digits; or longer, and of letters alone without anything that parts words; or shorter,
    and letters and digits take turns: no word."""
    if re.search(r"[A-Za-z]", text) and re.search(r"[0-9]", text):
        turns = re.findall(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])", text)
        return len(text) >= _LONG or (len(text) >= _SHORT and len(turns) >= 3)
    return bool(re.fullmatch(r"[A-Za-z]{16,}", text))


def state_url(text: str) -> str:
    """A SQLAlchemy URL of a SQLite file or of PostgreSQL, with the driver spelled out."""
    return _database_url(text, {scheme: _DRIVERS[scheme] for scheme in ("sqlite", "postgresql", "postgres")})


def _database_url(text: str, drivers: dict[str, str]) -> str:
    scheme, separator, rest = no_placeholder(text).partition("://")
    driver = {**drivers, **{name: name for name in drivers.values()}}.get(scheme.lower())
    if driver is None or not separator:
        raise ValueError(f"does not start with {', '.join(f'{name}://' for name in drivers)}")
    if driver == "sqlite" and rest and not rest.startswith("/"):
        raise ValueError(
            "names a host; a file stands behind three slashes: sqlite:///shop.db or sqlite:////srv/shop.db"
        )
    url = _parsed(f"{driver}://{rest}" if driver == "sqlite" else one_login(f"{driver}://{rest}"))
    check_arguments(url)
    if driver == "sqlite" and _is_in_memory(url):
        raise ValueError(
            "is in memory, where nothing outlives a restart; name a file, e.g. sqlite:////var/lib/syncd/syncd.db"
        )
    return f"{driver}://{rest}"


def _parsed(url: str) -> URL:
    from sqlalchemy.engine.url import make_url  # noqa: PLC0415 - 0.2 s that `syncd --help` need not spend
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - as above

    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"is not of the form scheme://user:password@host:port/database ({_ESCAPES})") from None


def _is_in_memory(url: URL) -> bool:
    name = url.database or ":memory:"
    return name in ("", "file:") or ":memory:" in name or url.query.get("mode") == "memory"


def mask_imshop_url(url: str) -> str:
    """Scheme, host and port alone: the path ends in a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/***"


def mask_database_url(url: str) -> str:
    """Without password and query string. It may be written as `source_url` and `state_url` read it."""
    parsed = _parsed(url)
    return parsed.set(query={}).render_as_string(hide_password=True) + ("?***" if parsed.query else "")


def imshop_secrets(url: str) -> Iterator[str]:
    """The URL, its path and query as a driver's error shows them, and each part that may be a token."""
    yield url
    path = url[len(url.partition("://")[0]) + 3 :].partition("/")[2].partition("#")[0]
    yield f"/{path}"
    yield from (part for part in re.split(r"[/?&=;]", path) if len(part) >= _LONG)
    yield urlsplit(url).password or ""


def database_secrets(url: str) -> Iterator[str]:
    """The passwords in it, as written and as decoded."""
    parsed = _parsed(url)
    yield str(parsed.password or "")
    written = re.match(r"[^:]*://[^:/]*:([^@]*)@", url)
    yield written[1] if written else ""
    for name, value in parsed.query.items():
        if re.search(r"pass|pwd|secret|token", name, re.IGNORECASE):
            yield from [value] if isinstance(value, str) else value
