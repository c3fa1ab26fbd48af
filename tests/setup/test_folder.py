"""Which shops are in a folder, and what their configurations say of the database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import make_url

from syncd.cli import init_source
from syncd.errors import SyncdError
from syncd.setup.php_literals import Computed
from syncd.setup.shop_database import database_urls
from syncd.setup.shop_folder import find_shops, likely_zone, read_configuration
from tests.setup.conftest import Run
from tests.setup.shops import BY_NAME, OPENCART_SHOP, SHOPS, Shop

URL = "mysql://reader:pw@db.example:3307/shop"
WOO, PRESTASHOP, BITRIX = BY_NAME["woocommerce"], BY_NAME["prestashop"], BY_NAME["bitrix"]


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("shop", SHOPS, ids=str)
def test_configuration_of_each_platform_is_read(shop: Shop, tmp_path: Path) -> None:
    folder = shop.write(tmp_path / "a" / "b", URL, password="p@ss\\'w\"ord")
    (found,) = find_shops([tmp_path])
    assert (found.folder, shop.platform.preset.startswith(found.platform.preset)) == (folder, True)
    config = read_configuration(found, {})
    prefix = {"prefix": config.known["prefix"]} if "prefix" in config.known else {}
    assert config.unknown == {}
    assert config.known == prefix | {
        "host": "db.example",
        "port": "3307",
        "database": "shop",
        "user": "reader",
        "password": "p@ss'w\"ord",
    }
    (url,) = database_urls(config.known)
    assert (make_url(url).password, make_url(url).port) == ("p@ss'w\"ord", 3307)


@pytest.mark.parametrize(
    ("shop", "file", "text"),
    [
        (
            PRESTASHOP,
            "config/settings.inc.php",
            (
                "<?php define('_DB_SERVER_', 'h'); define('_DB_NAME_', 'd'); define('_DB_USER_', 'u');"
                " define('_DB_PASSWD_', 'p'); define('_DB_PREFIX_', 'x_');"
            ),
        ),
        (
            BITRIX,
            "bitrix/php_interface/dbconn.php",
            "<? $DBType = 'mysql'; $DBHost = 'h'; $DBName = 'd'; $DBLogin = 'u'; $DBPassword = 'p'; ?>",
        ),
    ],
)
def test_configuration_of_an_older_version_is_read(shop: Shop, file: str, text: str, tmp_path: Path) -> None:
    shop.write(tmp_path, URL)
    for configuration in ("app/config/parameters.php", "bitrix/.settings.php"):
        (tmp_path / configuration).unlink(missing_ok=True)
    put(tmp_path / file, text)
    (found,) = find_shops([tmp_path])
    known = read_configuration(found, {}).known
    assert [known[name] for name in ("host", "database", "user", "password")] == ["h", "d", "u", "p"]


def test_configuration_above_wordpress_is_found(tmp_path: Path) -> None:
    WOO.write(tmp_path / "site", URL)
    (tmp_path / "site" / "wp-config.php").rename(tmp_path / "wp-config.php")
    (found,) = find_shops([tmp_path / "site"])
    assert read_configuration(found, {}).known["database"] == "shop"


def test_shared_configuration_is_followed(tmp_path: Path) -> None:
    """By a link, and by an include."""
    shared = OPENCART_SHOP.write(tmp_path / "etc", URL) / "config.php"
    linked = OPENCART_SHOP.write(tmp_path / "linked", URL)
    (linked / "config.php").unlink()
    (linked / "config.php").symlink_to(shared)
    including = OPENCART_SHOP.write(tmp_path / "including", URL)
    put(including / "config.php", "<?php require_once(dirname(__DIR__) . '/etc/config.php');")
    for folder in (linked, including):
        (found,) = find_shops([folder])
        assert read_configuration(found, {}).known["database"] == "shop"


def test_shop_with_two_folders_is_one_shop(tmp_path: Path) -> None:
    """A second site of Bitrix links to the folder of the first."""
    BITRIX.write(tmp_path / "www", URL)
    (tmp_path / "ext_www" / "second").mkdir(parents=True)
    (tmp_path / "ext_www" / "second" / "bitrix").symlink_to(tmp_path / "www" / "bitrix")
    assert [shop.folder for shop in find_shops([tmp_path])] == [tmp_path / "www"]


def test_environment_beats_the_default_of_getenv(tmp_path: Path) -> None:
    WOO.write(tmp_path, URL)
    (found,) = find_shops([tmp_path])
    assert read_configuration(found, {"WORDPRESS_DB_HOST": "other:3308"}).known["host"] == "other"


def test_computed_values_are_named(tmp_path: Path) -> None:
    folder = OPENCART_SHOP.write(tmp_path, URL)
    put(folder / "config.php", "<?php define('DB_DATABASE', 'shop'); define('DB_PASSWORD', file_get_contents('/x'));")
    (found,) = find_shops([tmp_path])
    config = read_configuration(found, {})
    assert config.known == {"database": "shop"}
    assert config.unknown == {"password": Computed(1, "file_get_contents ( '…' )")}


@pytest.mark.parametrize(
    ("known", "sockets", "urls"),
    [
        ({"host": "localhost"}, True, ["mysql://u@localhost/d?unix_socket={}", "mysql://u@127.0.0.1/d"]),
        ({"host": "localhost"}, False, ["mysql://u@127.0.0.1/d"]),
        ({"host": "127.0.0.1"}, True, ["mysql://u@127.0.0.1/d"]),
        ({"host": "localhost", "socket": "/s"}, True, ["mysql://u@localhost/d?unix_socket=%2Fs"]),
        ({"host": "db", "port": "3307"}, True, ["mysql://u@db:3307/d"]),
        ({"host": "::1", "port": ""}, True, ["mysql://u@[::1]/d"]),
    ],
)
def test_localhost_is_a_socket_as_for_php(
    known: dict[str, str], sockets: bool, urls: list[str], tmp_path: Path
) -> None:
    socket = tmp_path / "mysqld.sock"
    socket.touch()
    found = database_urls({"user": "u", "database": "d", **known}, [str(socket)] if sockets else [])
    assert found == [url.format(str(socket).replace("/", "%2F")) for url in urls]


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("localhost:/run/m.sock", ("localhost", None, "/run/m.sock")),
        (":/run/m.sock", ("localhost", None, "/run/m.sock")),
        ("[::1]:3307", ("::1", "3307", None)),
        ("p:db", ("db", None, None)),
        ("fe80::1", ("fe80::1", None, None)),
    ],
)
def test_host_of_a_configuration_is_split(host: str, parts: tuple[str | None, ...], tmp_path: Path) -> None:
    folder = OPENCART_SHOP.write(tmp_path, URL)
    put(folder / "config.php", f"<?php define('DB_HOSTNAME', '{host}');")
    (found,) = find_shops([tmp_path])
    known = read_configuration(found, {}).known
    assert tuple(known.get(name) for name in ("host", "port", "socket")) == parts


def test_unreadable_configuration_is_told(tmp_path: Path) -> None:
    folder = OPENCART_SHOP.write(tmp_path, URL)
    (found,) = find_shops([tmp_path])
    (folder / "config.php").unlink()
    with pytest.raises(SyncdError, match=r"config\.php cannot be read: No such file"):
        read_configuration(found, {})


def test_zone_of_php_comes_before_that_of_the_machine(tmp_path: Path) -> None:
    ini, zone = tmp_path / "php.ini", tmp_path / "zoneinfo" / "Asia" / "Tomsk"
    put(zone, "")
    put(ini, "[Date]\n;date.timezone = Europe/London\n")
    assert likely_zone([str(ini)], zone) == "Asia/Tomsk"
    put(ini, '[Date]\ndate.timezone = "Europe/Samara"\n')
    assert likely_zone([str(ini)], zone) == "Europe/Samara"
    assert likely_zone([], tmp_path / "none") is None


def test_folder_with_two_shops_names_both(run: Run, tmp_path: Path) -> None:
    first = OPENCART_SHOP.write(tmp_path / "www" / "first", URL)
    second = WOO.write(tmp_path / "www" / "second", URL)
    error = run(tmp_path / "www", "--yes", "--sandbox").exception
    assert isinstance(error, SyncdError)
    assert f"several shops are there: opencart: {first}; woocommerce: {second}" in str(error)


@pytest.mark.parametrize("folder", [".", "empty", "none"])
def test_folder_without_a_shop_is_told(run: Run, folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty" / "wp-admin").mkdir(parents=True)
    error = run(tmp_path / folder, "--yes", "--sandbox").exception
    assert isinstance(error, SyncdError)
    assert "Name the shop's folder, the URL of its database, or the address of its API" in str(error)


def test_usual_web_roots_are_searched(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    OPENCART_SHOP.write(tmp_path / "www" / "shop.example" / "public_html", URL)
    monkeypatch.setattr(init_source, "WEB_ROOTS", (str(tmp_path / "none"), str(tmp_path / "www")))
    ran = run("--yes", "--sandbox")
    assert f"Found: opencart in {tmp_path}/www/shop.example/public_html" in ran.stdout


def test_pipe_in_place_of_a_configuration_is_told(tmp_path: Path) -> None:
    folder = OPENCART_SHOP.write(tmp_path, URL)
    (folder / "config.php").unlink()
    os.mkfifo(folder / "config.php")
    (found,) = find_shops([tmp_path])
    with pytest.raises(SyncdError, match="it is no file"):
        read_configuration(found, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_may_not_be_read_is_passed_over(tmp_path: Path) -> None:
    OPENCART_SHOP.write(tmp_path / "shop", URL)
    (tmp_path / "secret").mkdir(mode=0)
    assert len(find_shops([tmp_path])) == 1
