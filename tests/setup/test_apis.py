"""`syncd init` with an API: its address names the platform, or the administrator does; key and number are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.cli.init_source import _api_at
from syncd.errors import SourceError
from syncd.runtime import composition
from syncd.settings import load
from syncd.settings.presets import list_presets, preset_named, preset_text
from syncd.setup.platforms import API_PLATFORMS, LOGINS, PLATFORMS
from tests.presets.apis import ApiPlatform, Bitrix24, Magento, RetailCrm, WooCommerce
from tests.setup.conftest import Run


def test_every_preset_can_be_set_up() -> None:
    of_databases = {name for one in PLATFORMS for name in (one.preset, *(one.older or ())[:1])}
    assert {one.name for one in list_presets()} == of_databases | {one.preset for one in API_PLATFORMS}


@pytest.mark.parametrize("kind", [RetailCrm, WooCommerce, Magento, Bitrix24], ids=lambda kind: kind.preset)
def test_address_and_login_become_settings_that_read_orders(
    kind: type[ApiPlatform], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "limit", (10**9, 1.0))
    platform = kind()
    platform.place(1001, 1002)
    login = next(iter(platform.login.values()), "")
    scheme, _, rest = login.partition(":")
    user, _, password = rest.partition(":") if scheme == "basic" else ("", "", rest if scheme == "bearer" else login)
    (tmp_path / "key").write_text(f"{password}\n")
    options = ["--api-key-file", str(tmp_path / "key")] if login else []
    options += ["--api-user", user] if user else []
    for name, value in platform.own.items():
        options += ["--param", f"{name.removeprefix('PARAMS__')}={value}"] if name.startswith("PARAMS__") else []
    ran = run(platform.url, "--preset", platform.preset, "--yes", "--sandbox", *options)
    assert ran.exit_code == 0, ran.output
    assert "would be pushed as" in ran.stdout
    assert not password or password not in ran.output
    source = composition.source(load({}, tmp_path / "out.env").settings)
    assert len(source.sample(5).orders) == 2
    source.close()
    platform.close()


def test_wrong_key_is_told(run: Run, tmp_path: Path) -> None:
    platform = RetailCrm()
    (tmp_path / "key").write_text("wrong-key-0123")
    ran = run(platform.url, "--preset", "retailcrm", "--yes", "--sandbox", "--api-key-file", tmp_path / "key")
    assert isinstance(ran.exception, SourceError)
    assert "403" in str(ran.exception)
    assert not (tmp_path / "out.env").exists()
    platform.close()


def test_key_is_kept_on_the_next_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetailCrm, "limit", (10**9, 1.0))
    platform = RetailCrm()
    platform.place(1001)
    (tmp_path / "key").write_text(platform.login["HEADERS__X_API_KEY"])
    given = (platform.url, "--preset", "retailcrm", "--yes", "--sandbox")
    assert run(*given, "--api-key-file", tmp_path / "key").exit_code == 0
    before = (tmp_path / "out.env").read_text()
    assert run(*given, "--param", "number=id").exit_code == 0
    assert (tmp_path / "out.env").read_text() == before.replace("NUMBER=number", "NUMBER=id")
    platform.close()


@pytest.mark.parametrize(
    ("address", "preset"),
    [
        ("https://my-account.retailcrm.ru", "retailcrm"),
        ("https://my-shop.myinsales.ru/", "insales"),
        ("https://api.moysklad.ru", "moysklad"),
        ("https://my-portal.bitrix24.ru/rest/1/0123456789abcdef", "bitrix24"),
        ("https://shop.example", None),
        ("https://retailcrm.ru.evil.example", None),
    ],
)
def test_address_names_its_platform(address: str, preset: str | None) -> None:
    found = _api_at(address)
    assert (found.preset if found else None) == preset


def test_unknown_address_needs_its_platform(run: Run) -> None:
    ran = run("https://shop.example", "--yes", "--sandbox")
    assert (ran.exit_code, "--preset is needed" in ran.output) == (2, True)


def test_login_forms_are_those_of_the_presets() -> None:
    """Each preset's head shows the setting that holds the login."""
    for one in API_PLATFORMS:
        assert preset_named(one.preset).urls == ["http", "https"]
        login = LOGINS[one.login]
        shown = preset_text(one.preset).partition("# Traps")[0]
        assert (login[0] in shown) if login else "AUTH" not in shown, one.preset
