"""What in a setting is secret: how `syncd config` shows the setting without it, and which texts the redactor masks.

`mask_…` gives a text for people. `…_secrets` gives every text that no log, message or page may show.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from syncd.settings.urls import apprise_urls, is_http, parsed_database_url

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONG = 12
"""A part of a URL that long is a token rather than a word such as "statuses", which no log could do without."""
_SHORT = 8
_HOOK = re.compile(r"/rest/[0-9]+/([^/]+)|/(?:web)?hooks?/(.+)", re.IGNORECASE)
"""Paths in which what follows is known to be a key: of a webhook of Bitrix24, and of webhooks in general."""
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


def is_secret_name(name: str) -> bool:
    """Whether a parameter of this name holds a secret."""
    return bool(re.search(r"key|token|secret|pass|pwd|auth|sign|login|hash", name, re.IGNORECASE))


def is_secret_parameter(name: str, text: str) -> bool:
    return not _PLACEHOLDER.search(text) and (is_secret_name(name) or bool(re.search(r"[^\s]{20}", text)))


def _is_token(text: str) -> bool:
    """Letters and digits that are long, or short but alternate; or letters alone that are longer and have nothing that
    separates words."""
    if re.search(r"[A-Za-z]", text) and re.search(r"[0-9]", text):
        turns = re.findall(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])", text)
        return len(text) >= _LONG or (len(text) >= _SHORT and len(turns) >= 3)
    return bool(re.fullmatch(r"[A-Za-z]{16,}", text))


def has_key_in_path(path: str) -> bool:
    """Whether a path certainly holds a key. A long word alone is masked, but not reported as a key."""
    return bool(_HOOK.search(path)) or any(re.search("[0-9]", part) for part in path_secrets(path) if "/" not in part)


def mask_header(_name: str, _text: str) -> str:
    return "***"


def mask_parameter(name: str, text: str) -> str:
    return "***" if is_secret_parameter(name, text) else text


def mask_imshop_url(url: str) -> str:
    """Scheme, host and port alone: the path ends in a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/***"


def mask_source_url(url: str) -> str:
    """Without login, query string and what may be a token; a database's as `mask_database_url`."""
    if not is_http(url):
        return mask_database_url(url)
    parts = urlsplit(url)
    _, at, address = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'***@' if at else ''}{address}{_mask_path(parts.path)}" + ("?***" if parts.query else "")


def mask_call_url(url: str) -> str:
    """Without login, query string and what may be a token. The URL is a template: its braces stay."""
    scheme, _, rest = url.partition("://")
    address, question, _ = rest.partition("?")
    host, slash, path = address.rpartition("@")[2].partition("/")
    return f"{scheme}://{host}{_mask_path(slash + path)}" + ("?***" if question else "")


def _mask_path(path: str) -> str:
    """If part of it may be a key, nothing of it is shown."""
    return "/***" if any(path_secrets(path)) else path


def mask_database_url(url: str) -> str:
    """Without password and query string."""
    parsed = parsed_database_url(url)
    return parsed.set(query={}).render_as_string(hide_password=True) + ("?***" if parsed.query else "")


def mask_notify_urls(urls: str) -> str:
    """The schemes alone: what is secret in the rest depends on the service."""
    return " ".join(f"{url.partition('://')[0]}://***" for url in apprise_urls(urls))


def imshop_secrets(url: str) -> Iterator[str]:
    """The URL, its path and query as a driver's error shows them, and each part that may be a token."""
    yield url
    path = url[len(url.partition("://")[0]) + 3 :].partition("/")[2].partition("#")[0]
    yield f"/{path}"
    yield from (part for part in re.split(r"[/?&=;]", path) if len(part) >= _LONG)
    yield urlsplit(url).password or ""


def notify_secrets(urls: str) -> Iterator[str]:
    """Each URL, its password, and each part that may be a token: of a service without a host, what stands in its place
    too."""
    for url in apprise_urls(urls):
        yield url
        authority, *path = re.split(r"[/?&=;,]", url.partition("://")[2])
        login, _, host = authority.rpartition("@")
        yield login.partition(":")[2]
        parts = [*login.split(":"), *path, *(() if _is_address(host) else host.split(":"))]
        yield from (part for part in parts if len(part) >= _SHORT and not re.fullmatch(r"[a-z.@-]+", part))


def _is_address(host: str) -> bool:
    """Whether it is the address of a server, which logs and messages show."""
    return host.startswith("[") or "localhost" in host or "." in host


def source_secrets(url: str) -> Iterator[str]:
    """The password, alone and as a header carries it; in an API's URL also tokens in path and query."""
    if not is_http(url):
        yield from database_secrets(url)
        return
    parts = urlsplit(url)
    yield from _login_secrets(url)
    yield from path_secrets(parts.path)
    yield from (value for name, value in parse_qsl(parts.query) if is_secret_name(name) or _is_token(value))


def call_secrets(url: str) -> Iterator[str]:
    """The password, tokens in the path, and each value of the query that is not a placeholder."""
    yield from _login_secrets(url)
    yield from path_secrets(urlsplit(url).path)
    parts = (part.partition("=") for part in re.split(r"[?&]", url)[1:])
    yield from (value for _name, _equals, value in parts if "{" not in value)


def path_secrets(path: str) -> Iterator[str]:
    """What in a path may be a key, as in a webhook's; then the whole path too, as a server's error repeats it."""
    found = [part for part in path.split("/") if _is_token(part) and "{" not in part]
    found += [part for hook in _HOOK.findall(path) for part in "/".join(hook).split("/") if part and "{" not in part]
    if found:
        yield path
        yield from found


def _login_secrets(url: str) -> Iterator[str]:
    """The password of an http(s) URL as written, as decoded, and as a header carries it. A key may be written as the
    user, without a password."""
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    if at:
        for written in (login, unquote(login)):
            yield written.partition(":")[2] or written.removesuffix(":")
        yield _basic(unquote(login))


def auth_secrets(text: str) -> Iterator[str]:
    """Of `bearer:TOKEN` the token; of `basic:USER:PASSWORD` the password, alone and as the header carries it."""
    scheme, _, credentials = text.partition(":")
    yield credentials
    if scheme == "basic":
        yield credentials.partition(":")[2]
        yield _basic(credentials)


def _basic(login: str) -> str:
    """USER:PASSWORD, or USER alone, as the header Authorization carries it."""
    return b64encode((login if ":" in login else f"{login}:").encode()).decode()


def database_secrets(url: str) -> Iterator[str]:
    """The passwords in it, as written and as decoded."""
    parsed = parsed_database_url(url)
    yield str(parsed.password or "")
    written = re.match(r"[^:]*://[^:/]*:([^@]*)@", url)
    yield written[1] if written else ""
    for name, value in parsed.query.items():
        if re.search(r"pass|pwd|secret|token", name, re.IGNORECASE):  # what is named key is the path of a file
            yield from [value] if isinstance(value, str) else value
