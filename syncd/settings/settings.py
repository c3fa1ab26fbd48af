"""Everything that can be set: each setting's default, bounds and meaning, by group."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from syncd.http.addresses import is_insecure_remote
from syncd.settings import cron, masking, urls, values
from syncd.settings.cancel_settings import CancelSettings, statement
from syncd.settings.source_settings import SourceSettings
from syncd.settings.urls import apprise_urls, notify_urls  # the field `urls` hides the module
from syncd.settings.values import EmptyMeansOff, Group, Lower, Masked, duration, number, whole_number, within
from syncd.sql import grammar_of


class ImshopSettings(Group):
    """SYNCD_IMSHOP__…: where and how changes are pushed."""

    allow_http: bool = Field(
        default=False,
        description="true: the URL may be plain http:// wherever it leads; false: only on this machine",
    )
    url: Annotated[SecretStr, BeforeValidator(urls.imshop_url), Masked(masking.mask_imshop_url)] = Field(
        description="the whole endpoint URL, as IMSHOP's manager gave it; a secret, since it ends in a token",
    )
    api_key: Annotated[SecretStr | None, BeforeValidator(urls.api_key)] = Field(
        default=None,
        description="the API key; without it only the URL's token authenticates",
    )
    auth: Annotated[Literal["bearer", "key", "x-api-key", "body"], Lower] = Field(
        default="bearer",
        description="how the key is sent: bearer (Authorization), key or x-api-key (header), body (field key)",
    )
    id: Annotated[Literal["auto", "uuid", "order_id"], Lower] = Field(
        default="auto",
        description="what is sent as id: uuid, order_id, or auto (the UUID where an order has one of its own)",
    )
    timeout: Annotated[timedelta, within(duration, "100ms", "5m")] = Field(
        default=timedelta(seconds=10),
        description="time limit of one request (100ms to 5m)",
    )
    concurrency: Annotated[int, within(whole_number, "1", "256")] = Field(
        default=8,
        description="pushes in flight at once, never two for one order (1 to 256)",
    )
    rate: Annotated[float, within(number, "0", "10000")] = Field(
        default=0.0,
        description="pushes a second at most; 0: as fast as they go (0 to 10000)",
    )
    give_up_after: Annotated[timedelta, within(duration, "1s", "365d")] = Field(
        default=timedelta(hours=24),
        description="a change that still fails this long after its first failure is dead (1s to 365d)",
    )

    @field_validator("url")
    @classmethod
    def _encrypted_or_loopback(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        if not info.data.get("allow_http", True) and is_insecure_remote(url.get_secret_value()):
            raise ValueError(
                "is plain http:// to another machine, so that key and orders would travel unencrypted; "
                "write https://, or set SYNCD_IMSHOP__ALLOW_HTTP=true"
            )
        return url

    @field_validator("auth")
    @classmethod
    def _has_a_key(cls, auth: str, info: ValidationInfo) -> str:
        if auth != cls.model_fields["auth"].default and info.data.get("api_key", "at fault") is None:
            raise ValueError(
                "says how the key is sent, but SYNCD_IMSHOP__API_KEY is not set; set it, or leave this out"
            )
        return auth


class PollSettings(Group):
    interval: Annotated[timedelta, within(duration, "100ms", "24h")] = Field(
        default=timedelta(seconds=30),
        description="from one poll to the next (100ms to 24h)",
    )
    reconcile: Annotated[str | None, PlainValidator(cron.cron_line), EmptyMeansOff()] = Field(
        default="0 4 * * *",
        description="when every order is compared: a cron line, in the machine's time zone; empty: never",
    )


class GuardSettings(Group):
    max_changes: Annotated[int, within(whole_number, "0", "10000000")] = Field(
        default=5000,
        description="a poll that finds more changes holds them all until they are released; 0: never (0 to 10000000)",
    )


class StatusesSettings(Group):
    file: Annotated[Path | None, PlainValidator(values.readable_file)] = Field(
        default=None,
        description="TOML file: which status codes are pushed, and in which words",
    )


class StateSettings(Group):
    url: Annotated[SecretStr, BeforeValidator(urls.state_url), Masked(masking.mask_database_url)] = Field(
        default=SecretStr("sqlite:///syncd.db"),
        description="where syncd keeps what it saw and what it must push: a SQLite file, or PostgreSQL",
    )
    retention: Annotated[timedelta, within(duration, "1h", "3650d")] = Field(
        default=timedelta(days=90),
        description="how long finished changes, and orders that the source no longer shows, are kept (1h to 3650d)",
    )


class HttpSettings(Group):
    bind: Annotated[values.Address | None, PlainValidator(values.address), EmptyMeansOff()] = Field(
        default=values.Address("127.0.0.1", 9469),
        description="where metrics and health are served: host:port, [::1]:9469, :9469 (every address); empty: no HTTP",
    )


class NotifySettings(Group):
    """SYNCD_NOTIFY__…: who is told that buyers are not being told."""

    heartbeat_url: Annotated[SecretStr | None, BeforeValidator(urls.heartbeat_url), Masked(masking.mask_imshop_url)] = (
        Field(
            default=None,
            description="asked by GET once a minute while all is well (healthchecks.io and its like); a secret",
        )
    )
    urls: Annotated[SecretStr | None, BeforeValidator(notify_urls), Masked(masking.mask_notify_urls)] = Field(
        default=None,
        description="Apprise URLs (mail, Telegram, Slack, …), blanks between them; secrets; try: syncd notify --test",
    )

    def secrets(self) -> Iterator[str]:
        if self.urls:
            yield from masking.notify_secrets(self.urls.get_secret_value())
        if self.heartbeat_url:
            yield from masking.imshop_secrets(self.heartbeat_url.get_secret_value())

    @property
    def is_set(self) -> bool:
        return self.urls is not None or self.heartbeat_url is not None

    @property
    def url_list(self) -> list[str]:
        return apprise_urls(self.urls.get_secret_value()) if self.urls else []


class LogSettings(Group):
    format: Annotated[Literal["console", "json"] | None, Lower] = Field(
        default=None,
        description="console or json; unset: console on a terminal, else json",
    )
    level: Annotated[Literal["debug", "info", "warning", "error"], Lower] = Field(
        default="info",
        description="the minimum level that is logged: debug, info, warning, error",
    )


class Settings(BaseSettings):
    """Everything that can be set. Immutable. Made by `syncd.settings.load`, which knows where each value comes from."""

    model_config = SettingsConfigDict(
        env_prefix="SYNCD_",
        env_nested_delimiter="__",
        env_nested_max_split=2,  # SYNCD_SOURCE__QUERY_PARAMS__a__b is the parameter a__b
        enable_decoding=False,  # JSON is decoded in setting_sources, where a fault stops nothing
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The `sources` that `load` hands in, the strongest first. Without them nothing is read from anywhere."""
        assert isinstance(init_settings, InitSettingsSource)
        sources: tuple[PydanticBaseSettingsSource, ...] = init_settings.init_kwargs.get("sources", (init_settings,))
        return sources

    imshop: ImshopSettings
    source: SourceSettings
    poll: PollSettings = Field(default_factory=PollSettings)
    first_run: Annotated[Literal["baseline", "push"], Lower] = Field(
        default="baseline",
        description="baseline: the first poll notes what is there and pushes nothing; push: it pushes every order",
    )
    guard: GuardSettings = Field(default_factory=GuardSettings)
    statuses: StatusesSettings = Field(default_factory=StatusesSettings)
    state: StateSettings = Field(default_factory=StateSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    cancel: CancelSettings = Field(default_factory=CancelSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @field_validator("cancel")
    @classmethod
    def _is_reachable(cls, cancel: CancelSettings, info: ValidationInfo) -> CancelSettings:
        if cancel.api_key and "http" in info.data and info.data["http"].bind is None:
            raise ValueError(
                "API_KEY is set, but SYNCD_HTTP__BIND is empty, so nothing listens; set e.g. 127.0.0.1:9469"
            )
        return cancel

    @field_validator("cancel")
    @classmethod
    def _has_an_address(cls, cancel: CancelSettings, info: ValidationInfo) -> CancelSettings:
        source: SourceSettings | None = info.data.get("source")
        if source and cancel.path and not cancel.url and not source.is_api:
            raise ValueError("URL is not set: write the address of the shop's API, e.g. https://shop.example")
        return cancel

    @field_validator("cancel")
    @classmethod
    def _cancels_one_order(cls, cancel: CancelSettings, info: ValidationInfo) -> CancelSettings:
        """The UPDATE is read by the grammar of its database, which may be the source's."""
        source: SourceSettings | None = info.data.get("source")
        url = cancel.database_url or (source and source.url)
        if not cancel.sql or not url:
            return cancel
        try:
            sql = statement(cancel.sql, grammar_of(url.get_secret_value()))
        except ValueError as error:
            raise ValueError(f"SQL {error}") from None
        return cancel.model_copy(update={"sql": sql})

    def secrets(self) -> list[str]:
        """Every text that no log, message or page may show, for the redactor."""
        key = self.imshop.api_key
        found = [
            key.get_secret_value() if key else "",
            *masking.imshop_secrets(self.imshop.url.get_secret_value()),
            *self.source.secrets(),
            *masking.database_secrets(self.state.url.get_secret_value()),
            *self.cancel.secrets(),
            *self.notify.secrets(),
        ]
        return [secret for secret in dict.fromkeys(found) if secret]
