"""SYNCD_CANCEL__…: what a buyer cancels in the app, and how the shop is made to cancel it."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo, field_validator

from syncd.settings import urls
from syncd.settings.group import Group, Masked, Members
from syncd.settings.values import duration, quoted, within

_PLACE = re.compile(r"\{(?:order_id|uuid|reason)\}")
_PLAIN_HEADERS = ("Accept", "Content-Type", "User-Agent")
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)")


def call_url(text: str) -> str:
    """An http(s) URL whose host holds no place."""
    urls.no_placeholder(text)
    if not re.match(r"https?://[^\s/{}?#]+(?:[/?#][^\s]*)?$", text, re.IGNORECASE):
        raise ValueError(
            "is not a URL of the form https://host/path; {order_id}, {uuid} and {reason} go behind the host"
        )
    return text


def mask_call_url(text: str) -> str:
    """Without a password and without the query, which may hold a token."""
    scheme, _, rest = text.partition("://")
    address, question, _ = rest.partition("?")
    return f"{scheme}://{address.rpartition('@')[2]}" + ("?***" if question else "")


def header_name(written: str) -> str:
    """No variable's name can hold the - of a header's."""
    return written.replace("_", "-").title()


def header_texts(texts: Mapping[str, str]) -> dict[str, SecretStr]:
    """Headers by their names, in one spelling: HTTP knows no capitals there."""
    found = {name.title(): text for name, text in texts.items()}
    for name, text in found.items():
        if not re.fullmatch(r"[!#$%&'*+.^`|~0-9A-Za-z-]+", name):
            raise ValueError(f"{quoted(name)} is not the name of a header")
        if not re.fullmatch(r"[ -~]*", text):
            raise ValueError(f"the value of {name} holds a character that no header can carry")
    return {name: SecretStr(text.strip()) for name, text in found.items()}


def program(text: str) -> tuple[str, ...]:
    """A program and its arguments, split as a shell would."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{quoted(text)} cannot be split into words: {error}") from None


def statement(text: str) -> str:
    """One UPDATE that names the order by a parameter."""
    if not re.match(r"\s*UPDATE\b", text, re.IGNORECASE):
        raise ValueError(f"{quoted(text)} is not an UPDATE; use SYNCD_CANCEL__URL or …__COMMAND for anything else")
    named = set(_PARAMETER.findall(re.sub(r"'[^']*'", "''", text)))
    if unknown := sorted(named - {"order_id", "uuid", "reason"}):
        raise ValueError(f"holds :{unknown[0]}, but there are only :order_id, :uuid and :reason")
    if not named & {"order_id", "uuid"} or not re.search(r"\bWHERE\b", text, re.IGNORECASE):
        raise ValueError("does not say which order: it needs a WHERE with :order_id or :uuid")
    return text.strip().rstrip("; \t\r\n")


def _hidden(_name: str, _text: str) -> str:
    return "***"


class Cancel(Group):
    api_key: Annotated[SecretStr | None, BeforeValidator(urls.api_key)] = Field(
        default=None,
        description="set: POST /imshop/cancel is on and requires this key; one of URL, COMMAND and SQL must be set too",
    )
    url: Annotated[SecretStr | None, BeforeValidator(call_url), Masked(mask_call_url)] = Field(
        default=None,
        description="the shop's own call that cancels; {order_id}, {uuid}, {reason} are filled in, safely quoted",
    )
    method: Annotated[Literal["POST", "GET", "PUT", "PATCH", "DELETE"], BeforeValidator(str.upper)] = Field(
        default="POST",
        description="of that call: POST, GET, PUT, PATCH, DELETE",
    )
    headers: Annotated[Mapping[str, SecretStr], PlainValidator(header_texts), Members(header_name, _hidden)] = Field(
        default={},
        description="its headers: one variable each, the name behind __ and _ for -; or all of them as a JSON object",
    )
    body: str | None = Field(
        default=None,
        description="its body, JSON or a form, with the same places in it; unset: JSON with id, order_id, uuid, reason",
    )
    command: Annotated[tuple[str, ...] | None, PlainValidator(program)] = Field(
        default=None,
        description="or a program: it gets JSON on stdin; exit 0: accepted; 1: refused, stdout says why; else failed",
    )
    sql: Annotated[str | None, BeforeValidator(lambda text: text and statement(text))] = Field(
        default=None,
        validate_default=True,
        description="or an UPDATE with :order_id, :uuid, :reason; no row changed: refused",
    )
    database_url: Annotated[SecretStr | None, BeforeValidator(urls.source_url), Masked(urls.mask_database_url)] = Field(
        default=None,
        description="the database of that UPDATE, with a login that may write; unset: the source's",
    )
    status: str | None = Field(
        default=None,
        description="the shop's code of a cancelled order: answered on success, and taken as last seen, so not pushed",
    )
    message: str | None = Field(
        default=None,
        description="that status in words, answered on success; the buyer reads it",
    )
    timeout: Annotated[timedelta, within(duration, "500ms", "60s")] = Field(
        default=timedelta(seconds=5),
        description="time limit of one cancellation in all; IMSHOP waits no longer (500ms to 60s)",
    )

    def secrets(self) -> Iterator[str]:
        """Every text of these that no log, message or page may show."""
        yield from (value.get_secret_value() for name, value in self.headers.items() if name not in _PLAIN_HEADERS)
        yield self.api_key.get_secret_value() if self.api_key else ""
        if self.url:
            yield urlsplit(self.url.get_secret_value()).password or ""
            parts = (part.partition("=") for part in re.split(r"[?&]", self.url.get_secret_value())[1:])
            yield from (value for _name, _equals, value in parts if "{" not in value)
        if self.database_url:
            yield from urls.database_secrets(self.database_url.get_secret_value())

    @field_validator("body")
    @classmethod
    def _is_json_or_a_form(cls, body: str | None, info: ValidationInfo) -> str | None:
        given = info.data.get("headers", {})
        kind = next((value.get_secret_value() for name, value in given.items() if name == "Content-Type"), None)
        if body is None or (kind and "x-www-form-urlencoded" in kind):
            return body
        if kind and "json" not in kind:
            raise ValueError("can be JSON or a form, and the Content-Type header says neither")
        if kind or body.lstrip()[:1] in ("{", "["):
            try:
                json.loads(body)
            except (ValueError, RecursionError):
                raise ValueError('is not JSON; places stand within quotes: {"number": "{order_id}"}') from None
        return body

    @field_validator("sql")
    @classmethod
    def _one_way(cls, sql: str | None, info: ValidationInfo) -> str | None:
        given = [name for name in ("url", "command") if info.data.get(name) is not None] + (["sql"] if sql else [])
        if len(given) > 1:
            names = " and ".join(f"SYNCD_CANCEL__{name.upper()}" for name in given)
            raise ValueError(f"{names} are set, but only one of them can be; leave the others out")
        if not given and info.data.get("api_key") is not None and {"url", "command"} <= info.data.keys():
            raise ValueError("SYNCD_CANCEL__API_KEY is set, so one of SYNCD_CANCEL__URL, …__COMMAND and …__SQL must be")
        return sql
