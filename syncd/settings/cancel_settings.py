"""SYNCD_CANCEL__…: how the shop cancels an order that its buyer cancels in the app."""

import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from syncd.settings import api_values, masking, urls
from syncd.settings.source_settings import JmesPath
from syncd.settings.values import EmptyMeansOff, Group, Masked, Members, duration, quoted, whole_number, within
from syncd.sql import Grammar, comparisons
from syncd.templates import IDENTIFIERS, NAMES, WITH_BODY, body_template, header_template, url_template
from syncd.text import without_blanks

_PLAIN_HEADERS = ("Accept", "Content-Type", "User-Agent")


def call_url(text: str) -> str:
    """An http(s) URL with no placeholder in its host."""
    urls.one_login(urls.filled_out(text))
    if not re.match(r"https?://[^\s/{}?#]+(?:[/?#][^\s]*)?$", text, re.IGNORECASE):
        raise ValueError(
            "is not a URL of the form https://host/path; {order_id}, {shop_id}, {uuid} and {reason} go behind the host"
        )
    url_template(text)
    return text


def call_path(text: str) -> str:
    """A path that may hold placeholders and parameters, but no secret, because it is shown."""
    if text:
        api_values.plain_path(text)
        url_template(f"https://shop{text}")
    return text


def header_name(written: str) -> str:
    """A variable's name cannot hold the - of a header's."""
    return written.replace("_", "-").title()


def header_texts(texts: Mapping[str, str]) -> dict[str, SecretStr]:
    """Headers by name, in one spelling: HTTP ignores case there."""
    found = {name.title(): text for name, text in texts.items()}
    for name, text in found.items():
        if not re.fullmatch(r"[!#$%&'*+.^`|~0-9A-Za-z-]+", name):
            raise ValueError(f"{quoted(name)} is not the name of a header")
        if not re.fullmatch(r"[ -~]*", text):
            raise ValueError(f"the value of {name} holds a character that no header can carry")
        header_template(text)
    return {name: SecretStr(text.strip()) for name, text in found.items()}


def program(text: str) -> tuple[str, ...]:
    """A program and its arguments, split as a shell would."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{quoted(text)} cannot be split into words: {error}") from None


def statement(text: str, grammar: Grammar) -> str:
    """One UPDATE that names the order by a parameter, without what ends it."""
    if grammar.first_word(text) != "UPDATE":
        raise ValueError(f"{quoted(text)} is not an UPDATE; use SYNCD_CANCEL__URL or …__COMMAND for anything else")
    if not grammar.is_single(text):
        raise ValueError("is more than one statement: a ; stands within it; write one UPDATE")
    named = grammar.parameters(text)
    if unknown := sorted(named - {*NAMES}):
        raise ValueError(f"holds :{unknown[0]}, but there are only {', '.join(f':{name}' for name in NAMES)}")
    if not named & IDENTIFIERS or not comparisons(text, grammar):
        raise ValueError("does not say which order: it needs a WHERE with column = :order_id, :shop_id or :uuid")
    return grammar.stripped(text).strip()


def codes(text: str) -> tuple[str, ...]:
    """Status codes of the shop, comma-separated."""
    found = tuple(without_blanks(code) for code in text.split(","))
    if not all(found):
        raise ValueError(f"{quoted(text)} is not a list of the shop's codes, such as pending,processing")
    return found


def http_codes(text: str) -> tuple[int, ...]:
    found = [code.strip() for code in text.split(",")]
    if not all(re.fullmatch(r"[45]\d\d", code) for code in found):
        raise ValueError(f"{quoted(text)} is not a list of HTTP codes from 400 to 599, such as 409,410,422")
    return tuple(int(code) for code in found)


def _content_type(headers: Mapping[str, SecretStr]) -> str | None:
    return headers["Content-Type"].get_secret_value() if "Content-Type" in headers else None


class CancelSettings(Group):
    api_key: Annotated[SecretStr | None, BeforeValidator(urls.api_key)] = Field(
        default=None,
        description="set: POST /imshop/cancel is on and requires this key; one of the ways below must be set too",
    )
    preset: bool = Field(
        default=False,
        description="true: cancel as the source's preset says; an API's address and login are the source's",
    )
    from_: Annotated[tuple[str, ...] | None, PlainValidator(codes)] = Field(
        default=None,
        alias="from",
        description="the shop's codes from which an order may be cancelled, with commas; it is looked up right before",
    )
    url: Annotated[SecretStr | None, BeforeValidator(call_url), Masked(masking.mask_call_url)] = Field(
        default=None,
        description="the shop's own call that cancels; {order_id}, {shop_id}, {uuid}, {reason} are filled in, quoted",
    )
    path: Annotated[str, AfterValidator(call_path), EmptyMeansOff()] = Field(
        default="",
        description="path of that call behind SYNCD_CANCEL__URL, with the same placeholders; empty: nothing more",
    )
    method: Annotated[Literal["POST", "GET", "PUT", "PATCH", "DELETE"], BeforeValidator(str.upper)] = Field(
        default="POST",
        description="of that call: POST, GET, PUT, PATCH, DELETE",
    )
    headers: Annotated[
        Mapping[str, SecretStr], PlainValidator(header_texts), Members(header_name, masking.mask_header)
    ] = Field(
        default={},
        description="its headers: one variable each, the name behind __ and _ for -; or all of them as a JSON object",
    )
    auth: Annotated[SecretStr | None, BeforeValidator(api_values.auth)] = Field(
        default=None,
        description="its login, bearer:TOKEN or basic:USER:PASSWORD",
    )
    body: str | None = Field(
        default=None,
        description="its body, JSON or a form, with the same placeholders; unset: JSON with id and all that is known",
    )
    success: JmesPath | None = Field(
        default=None,
        description="JMESPath over the JSON answer: a 2xx is accepted only where it is true; unset: every 2xx is",
    )
    reason: JmesPath | None = Field(
        default=None,
        description="JMESPath to the shop's words for the buyer; unset: message, error or reason, or plain text",
    )
    reason_limit: Annotated[int, within(whole_number, "0", "1000")] = Field(
        default=1000,
        description="characters of the buyer's reason that the shop has room for; the rest is cut (0 to 1000)",
    )
    refused: Annotated[tuple[int, ...], PlainValidator(http_codes)] = Field(
        default=(409, 410, 422),
        description="HTTP codes that are the shop's decision against it; all others, but 2xx and 404, are failures",
    )
    confirm: bool = Field(
        default=False,
        description="true: after the shop accepts, the order is read again, and must have SYNCD_CANCEL__STATUS",
    )
    command: Annotated[tuple[str, ...] | None, PlainValidator(program)] = Field(
        default=None,
        description="or a program: it gets JSON on stdin; exit 0: accepted; 10: refused, stdout says why; else failed",
    )
    sql: str | None = Field(
        default=None,
        validate_default=True,
        description="or an UPDATE with :order_id, :shop_id, :uuid, :reason; no row changed: refused",
    )
    database_url: Annotated[SecretStr | None, BeforeValidator(urls.source_url), Masked(masking.mask_database_url)] = (
        Field(
            default=None,
            description="the database of that UPDATE, with a login that may write; unset: the source's",
        )
    )
    status: Annotated[str | None, BeforeValidator(lambda text: text and without_blanks(text))] = Field(
        default=None,
        validate_default=True,
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
        """Every text that no log, message or page may show."""
        yield from (value.get_secret_value() for name, value in self.headers.items() if name not in _PLAIN_HEADERS)
        yield self.api_key.get_secret_value() if self.api_key else ""
        yield from masking.auth_secrets(self.auth.get_secret_value()) if self.auth else ()
        yield from masking.call_secrets(self.url.get_secret_value()) if self.url else ()
        if self.database_url:
            yield from masking.database_secrets(self.database_url.get_secret_value())

    @property
    def calls_http(self) -> bool:
        return self.url is not None or bool(self.path)

    @field_validator("body")
    @classmethod
    def _is_json_or_a_form(cls, body: str | None, info: ValidationInfo) -> str | None:
        if body is not None:
            body_template(body, _content_type(info.data.get("headers", {})))
        return body

    @field_validator("auth")
    @classmethod
    def _one_login(cls, auth: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        url = info.data.get("url")
        if auth and "Authorization" in info.data.get("headers", {}):
            raise ValueError("is set, and so is SYNCD_CANCEL__HEADERS__AUTHORIZATION; leave one of them out")
        if auth and url and urlsplit(url.get_secret_value()).username is not None:
            raise ValueError("is set, and a login stands in SYNCD_CANCEL__URL; leave one of them out")
        return auth

    @field_validator("status")
    @classmethod
    def _is_what_is_confirmed(cls, status: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("confirm") and status is None:
            raise ValueError(
                "is not set, but SYNCD_CANCEL__CONFIRM is true: after the shop accepts, the order must have that status"
            )
        return status

    @model_validator(mode="after")
    def _names_the_order(self) -> Self:
        """A call must say which order it cancels. A program reads that on stdin; `statement` checks an UPDATE."""
        if not self.calls_http or (self.body is None and self.method in WITH_BODY):
            return self
        templates = [url_template(self.url.get_secret_value())] if self.url else []
        templates += [url_template(f"https://shop{self.path}")]
        templates += [header_template(value.get_secret_value()) for value in self.headers.values()]
        templates += [body_template(self.body, _content_type(self.headers))[0]] if self.body is not None else []
        if not any(template.placeholders & IDENTIFIERS for template in templates):
            raise ValueError(
                "URL does not say which order: write {order_id}, {shop_id} or {uuid} into SYNCD_CANCEL__URL, …__PATH, "
                "…__BODY or …__HEADERS"
            )
        return self

    @field_validator("headers")
    @classmethod
    def _no_second_login(cls, headers: Mapping[str, SecretStr], info: ValidationInfo) -> Mapping[str, SecretStr]:
        url = info.data.get("url")
        if "Authorization" in headers and url and urlsplit(url.get_secret_value()).username is not None:
            raise ValueError("AUTHORIZATION is set, and a login stands in SYNCD_CANCEL__URL; leave one of them out")
        return headers

    @field_validator("command", "sql")
    @classmethod
    def _has_no_use_for_a_login(cls, way: object, info: ValidationInfo) -> object:
        if way and info.data.get("auth"):
            raise ValueError("is set, and so is SYNCD_CANCEL__AUTH, which is for SYNCD_CANCEL__URL; leave it out")
        return way

    @field_validator("confirm")
    @classmethod
    def _needs_a_call(cls, confirm: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's way
        if confirm and {"url", "path"} <= info.data.keys() and not (info.data["url"] or info.data["path"]):
            raise ValueError("is for the shop's HTTP call, but SYNCD_CANCEL__URL is not set")
        return confirm

    @field_validator("sql")
    @classmethod
    def _one_way(cls, sql: str | None, info: ValidationInfo) -> str | None:
        ways = {"url": bool(info.data.get("url") or info.data.get("path")), "command": info.data.get("command")}
        given = [name for name, way in ways.items() if way] + (["sql"] if sql else [])
        if len(given) > 1:
            names = " and ".join(f"SYNCD_CANCEL__{name.upper()}" for name in given)
            raise ValueError(f"{names} are set, but only one of them can be; leave the others out")
        if not given and info.data.get("api_key") is not None and {"url", "path", "command"} <= info.data.keys():
            raise ValueError(
                "SYNCD_CANCEL__API_KEY is set, so one of SYNCD_CANCEL__PRESET, …__URL, …__COMMAND and …__SQL must be"
            )
        return sql
