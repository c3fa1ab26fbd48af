"""SYNCD_SOURCE__…: where the shop's orders are, and how they are read: by SQL or from a JSON API."""

from collections.abc import Iterator, Mapping
from datetime import UTC, timedelta, tzinfo
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo, field_validator

from syncd.settings import api_values, masking, urls, values
from syncd.settings.values import (
    EmptyMeansOff,
    Group,
    Lower,
    Masked,
    Members,
    SqlFile,
    duration,
    number,
    whole_number,
    within,
)
from syncd.sql import Grammar, grammar_of

OF_DATABASES = frozenset({"query", "query_file", "query_when", "query_else", "statuses_query", "init_sql"})
"""Settings that an API has no use for."""
JmesPath = Annotated[str, AfterValidator(api_values.jmes_path)]


class ApiSettings(Group):
    """The source's URL, and the settings that are for an API alone."""

    url: Annotated[SecretStr, BeforeValidator(urls.source_url), Masked(masking.mask_source_url)] = Field(
        description="the shop's database (sqlite, mysql, mariadb, postgresql, mssql, oracle), or a JSON API (https)",
    )
    path: Annotated[str, AfterValidator(api_values.path)] = Field(
        default="",
        description="API: where the orders are, behind the path of SYNCD_SOURCE__URL, unless that ends in it",
    )
    query_params: Annotated[
        Mapping[str, Annotated[SecretStr, BeforeValidator(api_values.with_known_placeholders)]],
        Members(api_values.parameter_name, masking.mask_parameter),
        EmptyMeansOff(),
    ] = Field(
        default={},
        description="API: URL parameters; {since}, {page}, {offset}, {limit}, {cursor}, {last_id} are filled in",
    )
    headers: Annotated[
        Mapping[
            Annotated[str, AfterValidator(api_values.header_name)],
            Annotated[SecretStr, BeforeValidator(api_values.header)],
        ],
        Members(api_values.header_name_of, masking.mask_header),
        EmptyMeansOff(),
    ] = Field(
        default={},
        description="API: headers of each request; in a variable's name _ stands for -",
    )
    auth: Annotated[SecretStr | None, BeforeValidator(api_values.auth)] = Field(
        default=None,
        description="API: the login, bearer:TOKEN or basic:USER:PASSWORD",
    )
    items: JmesPath | None = Field(
        default=None,
        description="API: JMESPath to the list of orders in an answer; unset: the answer is the list",
    )
    where: JmesPath | None = Field(
        default=None,
        description="API: JMESPath filter: items for which it is not true, such as drafts, are left out",
    )
    find_path: Annotated[str, AfterValidator(api_values.find_path), EmptyMeansOff()] = Field(
        default="",
        description="API: path to one order instead of SYNCD_SOURCE__PATH, with {order_id} or {shop_id}; empty: none",
    )
    find_number_path: Annotated[str, AfterValidator(api_values.find_number_path), EmptyMeansOff()] = Field(
        default="",
        description="API: path to one order with {order_id}, if its {shop_id} is not known; empty: none",
    )
    find_items: JmesPath | None = Field(
        default=None,
        description="API: JMESPath to the order, or a list with it, in what is there; unset: the answer is the order",
    )
    next: JmesPath | None = Field(
        default=None,
        description="API: JMESPath to the next page's cursor or URL; page, offset: whether there is one; keyset: an id",
    )
    fields: Annotated[Mapping[str, JmesPath], EmptyMeansOff()] = Field(
        default={},
        validate_default=True,
        description="API: JMESPath to each field of an order, named as the columns of a query",
    )
    paging: Annotated[Literal["none", "page", "offset", "cursor", "link", "keyset"], Lower] = Field(
        default="none",
        validate_default=True,
        description="API: how one page leads to the next: none, page, offset, cursor, link, keyset",
    )
    first_page: Annotated[int, within(whole_number, "0", "1")] = Field(
        default=1,
        description="API: the number of the first page, for SYNCD_SOURCE__PAGING=page (0 to 1)",
    )
    since_format: Annotated[str, AfterValidator(api_values.since_format)] = Field(
        default="iso",
        description="API: how {since} is written: iso, epoch, epoch_ms, or a pattern such as %Y-%m-%d %H:%M:%S",
    )
    rate: Annotated[float, within(number, "0", "10000")] = Field(
        default=0.0,
        description="API: requests a second at most; 0: as fast as they go (0 to 10000)",
    )
    timeout: Annotated[timedelta, within(duration, "100ms", "2m")] = Field(
        default=timedelta(seconds=30),
        description="API: time limit of one request (100ms to 2m)",
    )
    retry_after_ms_header: Annotated[str | None, AfterValidator(api_values.header_name)] = Field(
        default=None,
        description="API: a header of its own that says in milliseconds how long to wait, beside Retry-After",
    )

    statuses_path: Annotated[str, AfterValidator(api_values.path), EmptyMeansOff()] = Field(
        default="",
        description="API: where the list of statuses is, beside SYNCD_SOURCE__PATH; read daily; empty: no list",
    )
    statuses_items: JmesPath | None = Field(
        default=None,
        description="API: JMESPath to the statuses in that list; unset: the answer is the list",
    )
    statuses_code: JmesPath = Field(
        default="code",
        description="API: JMESPath to a status's code in that list",
    )
    statuses_name: JmesPath = Field(
        default="name",
        description="API: JMESPath to a status's name in that list",
    )
    statuses_count: JmesPath | None = Field(
        default=None,
        description="API: JMESPath to how many orders have it there, which the doctor holds against those shown",
    )

    @property
    def is_api(self) -> bool:
        return urls.is_http(self.url.get_secret_value())

    @field_validator("*", mode="after")
    @classmethod
    def _of_this_kind(cls, value: object, info: ValidationInfo) -> object:
        """A setting for the other kind of source would have no effect, so it is a fault."""
        url: SecretStr | None = info.data.get("url")
        name = info.field_name or ""
        if url is None or value == cls.model_fields[name].default:
            return value
        api = urls.is_http(url.get_secret_value())
        if api and name in OF_DATABASES:
            raise ValueError("is for databases, but SYNCD_SOURCE__URL is that of an API; leave it out")
        if not api and name in ApiSettings.model_fields.keys() - {"url"}:
            raise ValueError("is for APIs, but SYNCD_SOURCE__URL is that of a database; leave it out")
        return value

    @field_validator("url")
    @classmethod
    def _can_be_filled_in(cls, url: SecretStr) -> SecretStr:
        if urls.is_http(url.get_secret_value()):
            api_values.with_known_placeholders(url.get_secret_value())
        return url

    @field_validator("fields")
    @classmethod
    def _known_and_required(cls, fields: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
        if "url" not in info.data or not urls.is_http(info.data["url"].get_secret_value()):
            return fields
        named = {name.lower(): path for name, path in fields.items()}
        api_values.check_fields(named)
        return named

    @field_validator("paging")
    @classmethod
    def _has_what_it_needs(cls, paging: str, info: ValidationInfo) -> str:
        if not {"url", "query_params", "next", "fields"} <= info.data.keys():
            return paging  # one of them is at fault
        url = info.data["url"].get_secret_value() + info.data.get("path", "")
        placed = api_values.placeholders_in(url, info.data["query_params"])
        needed = {"page": "page", "offset": "offset", "keyset": "since"}.get(paging)
        if needed and needed not in placed:
            raise ValueError(f"is {paging}, but no SYNCD_SOURCE__QUERY_PARAMS__… holds {{{needed}}}")
        if paging == "none" and (idle := placed & {"page", "offset", "cursor", "last_id"}):
            raise ValueError(
                f"is none, so that nothing fills in {{{min(idle)}}}, and only the first page would be read"
            )
        if paging == "cursor" and not info.data["next"]:
            raise ValueError("is cursor, but SYNCD_SOURCE__NEXT, which leads to it in the answer, is not set")
        if paging == "keyset" and not {"updated_at", "sequence"} & info.data["fields"].keys():
            raise ValueError(
                "is keyset, but neither SYNCD_SOURCE__FIELDS__UPDATED_AT nor SYNCD_SOURCE__FIELDS__SEQUENCE is set"
            )
        return paging


def _grammar(info: ValidationInfo) -> Grammar:
    """That of the source's database; if the URL is at fault, MySQL's, which has the most kinds of comments."""
    url: SecretStr | None = info.data.get("url")
    return grammar_of(url.get_secret_value() if url else "mysql")


def _select(text: str, info: ValidationInfo) -> str:
    return values.select(text, _grammar(info))


def _sql_file(text: str, info: ValidationInfo) -> SqlFile:
    return values.sql_file(text, _grammar(info))


class SourceSettings(ApiSettings):
    """SYNCD_SOURCE__…"""

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
        description="a SELECT of one value; where it is false, SYNCD_SOURCE__QUERY_ELSE is read instead",
    )
    query_else: str | None = Field(
        default=None,
        validate_default=True,
        description="the SELECT that is read where the value of SYNCD_SOURCE__QUERY_WHEN is false",
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
        """Every text that no log, message or page may show."""
        yield from masking.source_secrets(self.url.get_secret_value())
        yield from masking.auth_secrets(self.auth.get_secret_value()) if self.auth else ()
        yield from (value.get_secret_value() for value in self.headers.values())
        params = {name: value.get_secret_value() for name, value in self.query_params.items()}
        yield from (text for name, text in params.items() if masking.is_secret_parameter(name, text))

    @property
    def sql(self) -> str:
        """The SELECT, from wherever it was given, without what ends it."""
        return self.query_file.sql if self.query_file else str(self.query)
