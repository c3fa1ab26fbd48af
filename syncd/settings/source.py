"""SYNCD_SOURCE__…: the shop's orders, and how they are read."""

from collections.abc import Iterator, Mapping
from datetime import UTC, timedelta, tzinfo
from typing import Annotated

from pydantic import Field, PlainValidator, SecretStr, ValidationInfo, field_validator

from syncd.settings import api_values, urls, values
from syncd.settings.api import Api
from syncd.settings.group import EmptyMeansOff
from syncd.settings.values import SqlFile, duration, whole_number, within
from syncd.sql import Grammar, grammar_of


def _grammar(info: ValidationInfo) -> Grammar:
    """Of the source's database. Where its URL is at fault, that with the most kinds of comments."""
    url: SecretStr | None = info.data.get("url")
    return grammar_of(url.get_secret_value() if url else "mysql")


def _select(text: str, info: ValidationInfo) -> str:
    return values.select(text, _grammar(info))


def _sql_file(text: str, info: ValidationInfo) -> SqlFile:
    return values.sql_file(text, _grammar(info))


class Source(Api):
    preset: str | None = Field(
        default=None,
        description="a shop platform that syncd knows, or the path of a preset's file; see `syncd presets`",
    )
    params: Annotated[Mapping[str, str], EmptyMeansOff()] = Field(
        default={},
        description="the preset's parameters: SYNCD_SOURCE__PARAMS__PREFIX and so on, or all as one JSON object",
    )
    query_file: Annotated[SqlFile | None, PlainValidator(_sql_file)] = Field(
        default=None,
        description="or the file that holds the SELECT; read once, at the start",
    )
    query: str | None = Field(
        default=None,
        validate_default=True,
        description="the SELECT that lists the orders, its columns named as syncd knows them; it may use :since itself",
    )
    query_when: Annotated[str | None, PlainValidator(_select)] = Field(
        default=None,
        description="a SELECT of one value; where it gives no yes, SYNCD_SOURCE__QUERY_ELSE is read instead",
    )
    query_else: str | None = Field(
        default=None,
        validate_default=True,
        description="the SELECT that is read where SYNCD_SOURCE__QUERY_WHEN gives no yes",
    )
    statuses_query: Annotated[str | None, PlainValidator(_select)] = Field(
        default=None,
        description="a SELECT of the shop's dictionary, its columns status and message, for `syncd statuses`",
    )
    init_sql: str | None = Field(
        default=None,
        description="run on every new connection, e.g. SET time_zone='+00:00'",
    )
    timezone: Annotated[tzinfo, PlainValidator(values.time_zone)] = Field(
        default=UTC,
        description="of timestamps that have no offset: an IANA name such as Europe/Moscow, or an offset (+03:00)",
    )
    lookback: Annotated[timedelta, within(duration, "0s", "30d")] = Field(
        default=timedelta(minutes=5),
        description="each poll rereads this far behind its cursor: late commits, clocks that disagree (0s to 30d)",
    )
    lookback_rows: Annotated[int, within(whole_number, "0", "1000000")] = Field(
        default=1000,
        description="the same for a cursor that is a sequence: so many numbers behind it (0 to 1000000)",
    )
    batch: Annotated[int, within(whole_number, "1", "100000")] = Field(
        default=1000,
        description="rows a page (1 to 100000)",
    )
    message_is_change: bool = Field(
        default=False,
        description="true: a message that alone is new is pushed too; renaming a status then notifies every buyer",
    )
    message_is_html: bool = Field(
        default=False,
        description="true: the shop keeps its messages as HTML writes text (&quot;, &amp;), so they are unescaped",
    )
    tracking_template: Annotated[str | None, PlainValidator(values.tracking_template)] = Field(
        default=None,
        description="the tracking URL with {tracking_number} where the column of that name goes",
    )

    @field_validator("query")
    @classmethod
    def _one_select(cls, query: str | None, info: ValidationInfo) -> str | None:
        other = info.data.get("query_file", "at fault")
        if "url" in info.data and urls.is_http(info.data["url"].get_secret_value()):
            return query
        if query is None and other is None and not info.data.get("preset"):
            raise ValueError("required, but set nowhere (nor is SYNCD_SOURCE__QUERY_FILE)")
        if query is not None and other is not None:
            raise ValueError("is set, and so is SYNCD_SOURCE__QUERY_FILE; leave one of them out")
        return query and _select(query, info)

    @field_validator("query_else")
    @classmethod
    def _both_or_none(cls, query: str | None, info: ValidationInfo) -> str | None:
        if (query is None) != (info.data.get("query_when") is None):
            raise ValueError("goes with SYNCD_SOURCE__QUERY_WHEN: set both or none")
        return query and _select(query, info)

    def secrets(self) -> Iterator[str]:
        """Every text that must not be shown."""
        yield from urls.source_secrets(self.url.get_secret_value())
        yield from api_values.auth_secrets(self.auth.get_secret_value()) if self.auth else ()
        yield from (value.get_secret_value() for value in self.headers.values())
        params = {name: value.get_secret_value() for name, value in self.query_params.items()}
        yield from (text for name, text in params.items() if api_values.is_secret_parameter(name, text))

    @property
    def sql(self) -> str:
        """The SELECT, from wherever it was given, without what ends it."""
        return self.query_file.sql if self.query_file else str(self.query)
