"""The shop platforms that `syncd init` finds, as data: by which files and tables, and where each keeps what is needed.

A value of a configuration is `DB_HOST` (a constant), `$config.db_host` (in a variable) or `return.db.host` (in what
the file returns). In a SELECT of one value `{p}` is the prefix of the tables; of several the first that gives a value
counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Configuration:
    """A file in the shop's folder, and where in it each part of `shop_folder.ShopConfig` is."""

    file: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShopPlatform:
    """A platform whose database is read.

    preset           how it is read
    marks            files and folders that a shop of this platform has
    configurations   where its database is named; the first file that is there counts
    tables           tables that only this platform has, without the prefix
    has_prefix       whether their names have a prefix, which is a parameter of the preset
    found            parameter of the preset -> SELECTs that know it
    asked            parameters that are asked if no SELECT of `found` knows them
    older            the preset for an older version, and the SELECT that is true where it applies
    """

    preset: str
    marks: Sequence[str]
    configurations: Sequence[Configuration]
    tables: Sequence[str]
    has_prefix: bool = True
    found: Mapping[str, Sequence[str]] = field(default_factory=dict)
    asked: Sequence[str] = ()
    older: tuple[str, str] | None = None


_WORDPRESS = {
    "host": "DB_HOST",
    "database": "DB_NAME",
    "user": "DB_USER",
    "password": "DB_PASSWORD",
    "prefix": "$table_prefix",
}
_OPENCART_SETTING = "SELECT value FROM `{{p}}setting` WHERE `key` = '{}' AND store_id = 0"
_OPTION = "FROM `{p}options` WHERE option_name ="
_OLDER_THAN_7_1 = (
    "SELECT CAST(SUBSTRING_INDEX(option_value, '.', 1) AS UNSIGNED) * 1000"
    f" + CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(option_value, '.', 2), '.', -1) AS UNSIGNED) < 7001 {_OPTION}"
    " 'woocommerce_version'"
)
_PART_OF_FORMAT = (
    "SELECT SUBSTRING_INDEX(REPLACE(value, '#', ''), '{$order.id}', %d) FROM wa_app_settings"
    " WHERE app_id = 'shop' AND name = 'order_format' AND value LIKE '%%{$order.id}%%'"
)
_WEBASYST_LANGUAGE = (
    "SELECT CASE WHEN value LIKE 'ru%' THEN 'ru' ELSE 'en' END FROM wa_app_settings"
    " WHERE app_id = 'webasyst' AND name = 'locale'"
)
_NUMBER_KEYS = "'_order_number', '_alg_wc_custom_order_number', '_wcj_order_number'"
"""Metas in which plug-ins keep a public number."""

PLATFORMS = (
    ShopPlatform(
        preset="woocommerce",
        marks=("wp-load.php", "wp-content/plugins/woocommerce"),
        configurations=(Configuration("wp-config.php", _WORDPRESS), Configuration("../wp-config.php", _WORDPRESS)),
        tables=("woocommerce_order_items", "options", "posts", "postmeta"),
        found={
            "language": (f"SELECT CASE WHEN option_value LIKE 'ru%' THEN 'ru' ELSE 'en' END {_OPTION} 'WPLANG'",),
            "number": tuple(
                f"SELECT meta_key FROM `{{p}}{table}` WHERE meta_key IN ({_NUMBER_KEYS}) ORDER BY {key} DESC LIMIT 1"
                for table, key in (("wc_orders_meta", "id"), ("postmeta", "meta_id"))
            ),
        },
        older=("woocommerce-legacy", _OLDER_THAN_7_1),
    ),
    ShopPlatform(
        preset="opencart",
        marks=("system/startup.php", "catalog/controller", "config.php"),
        configurations=(
            Configuration(
                "config.php",
                {
                    "host": "DB_HOSTNAME",
                    "port": "DB_PORT",
                    "socket": "DB_SOCKET",
                    "database": "DB_DATABASE",
                    "user": "DB_USERNAME",
                    "password": "DB_PASSWORD",
                    "prefix": "DB_PREFIX",
                },
            ),
        ),
        tables=("order_history", "order_status", "order"),
        found={
            "zone": (_OPENCART_SETTING.format("config_timezone"),),
            "hidden": (_OPENCART_SETTING.format("config_void_status_id"),),
        },
        asked=("zone",),
    ),
    ShopPlatform(
        preset="prestashop",
        marks=("config/defines.inc.php", "controllers/front"),
        configurations=(
            Configuration(
                "app/config/parameters.php",
                {
                    "host": "return.parameters.database_host",
                    "port": "return.parameters.database_port",
                    "database": "return.parameters.database_name",
                    "user": "return.parameters.database_user",
                    "password": "return.parameters.database_password",
                    "prefix": "return.parameters.database_prefix",
                },
            ),
            Configuration(
                "config/settings.inc.php",
                {
                    "host": "_DB_SERVER_",
                    "database": "_DB_NAME_",
                    "user": "_DB_USER_",
                    "password": "_DB_PASSWD_",
                    "prefix": "_DB_PREFIX_",
                },
            ),
        ),
        tables=("order_state_lang", "order_carrier", "orders"),
        found={
            "zone": ("SELECT value FROM `{p}configuration` WHERE name = 'PS_TIMEZONE' ORDER BY id_shop IS NULL DESC",),
            "cancelled": ("SELECT value FROM `{p}configuration` WHERE name = 'PS_OS_CANCELED'",),
        },
        asked=("zone",),
    ),
    ShopPlatform(
        preset="bitrix",
        marks=("bitrix/modules/sale",),
        configurations=(
            Configuration(
                "bitrix/.settings.php",
                {
                    "host": "return.connections.value.default.host",
                    "database": "return.connections.value.default.database",
                    "user": "return.connections.value.default.login",
                    "password": "return.connections.value.default.password",
                },
            ),
            Configuration(
                "bitrix/php_interface/dbconn.php",
                {"host": "$DBHost", "database": "$DBName", "user": "$DBLogin", "password": "$DBPassword"},
            ),
        ),
        tables=("sale_order_delivery", "sale_status_lang", "sale_order"),
        found={
            "language": ("SELECT LANGUAGE_ID FROM {p}lang WHERE ACTIVE = 'Y' ORDER BY DEF = 'Y' DESC, SORT LIMIT 1",),
        },
        asked=("zone",),
    ),
    ShopPlatform(
        preset="magento",
        marks=("app/etc/env.php", "bin/magento"),
        configurations=(
            Configuration(
                "app/etc/env.php",
                {
                    "host": "return.db.connection.default.host",
                    "database": "return.db.connection.default.dbname",
                    "user": "return.db.connection.default.username",
                    "password": "return.db.connection.default.password",
                    "prefix": "return.db.table_prefix",
                },
            ),
        ),
        tables=("sales_shipment_track", "sales_order_status", "sales_order"),
    ),
    ShopPlatform(
        preset="cs-cart",
        marks=("config.local.php", "app/Tygh"),
        configurations=(
            Configuration(
                "config.local.php",
                {
                    "host": "$config.db_host",
                    "database": "$config.db_name",
                    "user": "$config.db_user",
                    "password": "$config.db_password",
                    "prefix": "$config.table_prefix",
                },
            ),
        ),
        tables=("shipment_items", "status_descriptions", "orders"),
        found={
            "language": (
                "SELECT value FROM `{p}settings_objects` WHERE name = 'frontend_default_language' LIMIT 1",
                "SELECT value FROM `{p}settings_objects` WHERE name = 'backend_default_language' LIMIT 1",
            ),
        },
        asked=("language",),
    ),
    ShopPlatform(
        preset="shop-script",
        marks=("wa-apps/shop", "wa-config/db.php"),
        configurations=(
            Configuration(
                "wa-config/db.php",
                {
                    "host": "return.default.host",
                    "port": "return.default.port",
                    "socket": "return.default.socket",
                    "database": "return.default.database",
                    "user": "return.default.user",
                    "password": "return.default.password",
                },
            ),
        ),
        tables=("shop_order_params", "shop_order_log", "shop_order"),
        has_prefix=False,
        found={
            "language": (_WEBASYST_LANGUAGE,),
            "prefix": (_PART_OF_FORMAT % 1,),
            "suffix": (_PART_OF_FORMAT % -1,),
        },
        asked=("zone",),
    ),
)

Login: TypeAlias = Literal["webhook", "bearer", "basic", "x-api-key"]


@dataclass(frozen=True, slots=True)
class ApiPlatform:
    """A platform whose API is read. `login`: how its key is sent; a webhook's is in the address. `hosts`: a pattern of
    addresses that are certainly this platform's. `address`: the one of all shops."""

    preset: str
    login: Login
    hosts: str | None = None
    address: str | None = None


API_PLATFORMS = (
    ApiPlatform("retailcrm", "x-api-key", r"[\w-]+\.(retailcrm\.\w+|simla\.com|simlachat\.com|ecomlogic\.com)"),
    ApiPlatform("insales", "basic", r"[\w-]+\.(myinsales\.\w+|insales\.\w+)"),
    ApiPlatform("moysklad", "bearer", r"api\.moysklad\.ru|online\.moysklad\.ru", "https://api.moysklad.ru"),
    ApiPlatform("bitrix24", "webhook", r"[\w-]+\.bitrix24\.\w+"),
    ApiPlatform("bitrix-api", "webhook"),
    ApiPlatform("woocommerce-api", "basic"),
    ApiPlatform("cs-cart-api", "basic"),
    ApiPlatform("magento-api", "bearer"),
    ApiPlatform("1c-odata", "basic"),
)
LOGINS: Mapping[Login, tuple[str, str] | None] = {
    "webhook": None,
    "bearer": ("SYNCD_SOURCE__AUTH", "bearer:{key}"),
    "basic": ("SYNCD_SOURCE__AUTH", "basic:{user}:{key}"),
    "x-api-key": ("SYNCD_SOURCE__HEADERS__X_API_KEY", "{key}"),
}
"""The setting that holds the login, and how it is written."""
