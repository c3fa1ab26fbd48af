"""SYNCD_IMSHOP__…: where and how changes are pushed."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from syncd.http.addresses import is_insecure_remote
from syncd.settings import urls
from syncd.settings.group import Group, Lower, Masked
from syncd.settings.values import duration, number, whole_number, within


class Imshop(Group):
    allow_http: bool = Field(
        default=False,
        description="true: the URL may be plain http:// wherever it leads; false: only on this machine",
    )
    url: Annotated[SecretStr, BeforeValidator(urls.imshop_url), Masked(urls.mask_imshop_url)] = Field(
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
