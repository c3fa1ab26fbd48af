"""Shops as they lie on a server: the files of each platform, and its tables with a few orders in a real MariaDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from tests.presets.platforms import (
    BITRIX,
    CS_CART,
    HPOS,
    LEGACY,
    MAGENTO,
    OPENCART,
    PRESTASHOP,
    SHOP_SCRIPT,
    Platform,
)
from tests.presets.shop import PlatformShop
from tests.servers import execute

WP_CONFIG = """<?php
/** The base configuration for WordPress */
define( 'DB_NAME', '{database}' );
define( 'DB_USER', '{user}' );
define( 'DB_PASSWORD', '{password}' );
define( 'DB_HOST', getenv('WORDPRESS_DB_HOST') ?: '{host}:{port}' );
$table_prefix = 'wp_';
define( 'WP_DEBUG', false );
if ( ! defined( 'ABSPATH' ) ) {{
	define( 'ABSPATH', __DIR__ . '/' );
}}
require_once ABSPATH . 'wp-settings.php';
"""
WORDPRESS = {
    "wp-config.php": WP_CONFIG,
    "wp-load.php": "<?php",
    "wp-settings.php": "<?php define('DB_NAME', 'not read');",
    "wp-content/plugins/woocommerce/woocommerce.php": "<?php",
}


@dataclass(frozen=True)
class Shop:
    """`files`: those that `syncd init` looks for; in them {host}, {port}, {database}, {user}, {password} are filled in.
    `tables`: statements for what a shop keeps besides its orders. `params`: those that must be found."""

    platform: Platform
    files: Mapping[str, str]
    tables: Sequence[str] = ()
    params: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.platform)

    def write(self, folder: Path, url: str, **replaced: str) -> Path:
        """The shop's folder, as if its database was at `url`."""
        parsed = make_url(url)
        values = {
            "host": parsed.host,
            "port": parsed.port or 3306,
            "database": parsed.database,
            "user": parsed.username,
            "password": parsed.password or "",
            **replaced,
        }
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(**values) if "{database}" in text else text, encoding="utf-8")
        return folder

    def fill(self, url: str, orders: int = 4) -> PlatformShop:
        """The shop's tables, with its own settings and orders."""
        shop = PlatformShop(self.platform, url, Path("/nowhere"))
        shop.open_anew()
        shop.do(self.platform.place, *range(2, orders + 1))
        execute(url, *self.tables)
        return shop


OPENCART_SHOP = Shop(
    OPENCART,
    {
        "index.php": "<?php define('VERSION', '3.0.3.8');",
        "config.php": """<?php
// HTTP
define('HTTP_SERVER', 'https://shop.example/');
// DIR
define('DIR_APPLICATION', '/var/www/shop/catalog/');
// DB
define('DB_DRIVER', 'mysqli');
define('DB_HOSTNAME', '{host}');
define('DB_USERNAME', '{user}');
define('DB_PASSWORD', '{password}');
define('DB_DATABASE', '{database}');
define('DB_PORT', '{port}');
define('DB_PREFIX', 'oc_');
""",
        "system/startup.php": "<?php",
        "catalog/controller/checkout/cart.php": "<?php",
        "admin/config.php": "<?php define('DB_DATABASE', 'of the back office');",
    },
    [
        "CREATE TABLE oc_setting (store_id int, `key` varchar(128), value text)",
        "INSERT INTO oc_setting VALUES (0, 'config_timezone', 'Asia/Omsk'), (0, 'config_void_status_id', '16')",
    ],
    {"prefix": "oc_", "zone": "Asia/Omsk", "hidden": "16"},
)
SHOPS = (
    OPENCART_SHOP,
    Shop(
        HPOS,
        WORDPRESS,
        [
            "CREATE TABLE wp_woocommerce_order_items (order_item_id int)",
            "INSERT INTO wp_options VALUES (2, 'WPLANG', 'en_GB'), (3, 'woocommerce_version', '9.4.1')",
        ],
        {"prefix": "wp_", "language": "en", "number": "_order_number"},
    ),
    Shop(
        LEGACY,
        WORDPRESS,
        [
            "CREATE TABLE wp_woocommerce_order_items (order_item_id int)",
            "INSERT INTO wp_options VALUES (2, 'WPLANG', 'ru_RU'), (3, 'woocommerce_version', '6.9.4')",
        ],
        {"prefix": "wp_", "language": "ru"},
    ),
    Shop(
        PRESTASHOP,
        {
            "config/defines.inc.php": "<?php",
            "controllers/front/OrderController.php": "<?php",
            "app/config/parameters.php": """<?php return array (
  'parameters' =>
  array (
    'database_host' => '{host}',
    'database_port' => '{port}',
    'database_name' => '{database}',
    'database_user' => '{user}',
    'database_password' => '{password}',
    'database_prefix' => 'ps_',
    'cookie_key' => '0123456789abcdef',
  ),
);
""",
        },
        [
            "CREATE TABLE ps_configuration (name varchar(254), value text, id_shop int)",
            "INSERT INTO ps_configuration VALUES ('PS_TIMEZONE', 'Asia/Tomsk', NULL), ('PS_OS_CANCELED', '6', NULL)",
        ],
        {"prefix": "ps_", "zone": "Asia/Tomsk", "number": "id_order"},
    ),
    Shop(
        BITRIX,
        {
            "bitrix/modules/sale/include.php": "<?php",
            "bitrix/.settings.php": """<?php
return array(
  'utf_mode' => array('value' => true, 'readonly' => true),
  'connections' => array('value' => array('default' => array(
    'className' => '\\\\Bitrix\\\\Main\\\\DB\\\\MysqliConnection',
    'host' => '{host}:{port}', 'database' => '{database}', 'login' => '{user}', 'password' => '{password}',
    'options' => 2,
  )), 'readonly' => true),
);
""",
        },
        [
            "CREATE TABLE b_lang (LID char(2), LANGUAGE_ID char(2), DEF char(1), ACTIVE char(1), SORT int)",
            "INSERT INTO b_lang VALUES ('s2', 'en', 'N', 'Y', 1), ('s1', 'ru', 'Y', 'Y', 5)",
        ],
        {"prefix": "b_", "language": "ru"},
    ),
    Shop(
        MAGENTO,
        {
            "bin/magento": "#!/usr/bin/env php",
            "app/etc/env.php": """<?php
return [
    'backend' => ['frontName' => 'admin'],
    'db' => [
        'table_prefix' => '',
        'connection' => [
            'default' => [
                'host' => '{host}:{port}', 'dbname' => '{database}', 'username' => '{user}', 'password' => '{password}',
                'model' => 'mysql4', 'active' => '1',
                'driver_options' => [1014 => false]
            ]
        ]
    ],
];
""",
        },
        params={"prefix": ""},
    ),
    Shop(
        CS_CART,
        {
            "app/Tygh/Registry.php": "<?php",
            "config.local.php": """<?php
if (!defined('BOOTSTRAP')) {{ die('Access denied'); }}
$config['db_host'] = '{host}:{port}';
$config['db_name'] = '{database}';
$config['db_user'] = '{user}';
$config['db_password'] = '{password}';
$config['database_backend'] = 'mysqli';
$config['table_prefix'] = 'cscart_';
""",
        },
        [
            "CREATE TABLE cscart_settings_objects (name varchar(128), value text)",
            "INSERT INTO cscart_settings_objects VALUES ('frontend_default_language', 'ru')",
        ],
        {"prefix": "cscart_", "language": "ru"},
    ),
    Shop(
        SHOP_SCRIPT,
        {
            "wa-apps/shop/lib/config/app.php": "<?php",
            "wa-config/db.php": """<?php
return array (
  'default' =>
  array (
    'host' => '{host}', 'port' => '{port}', 'user' => '{user}', 'password' => '{password}', 'database' => '{database}',
    'type' => 'mysqli',
  ),
);
""",
        },
        [
            "CREATE TABLE wa_app_settings (app_id varchar(32), name varchar(64), value text)",
            (
                "INSERT INTO wa_app_settings VALUES ('shop', 'order_format', '#A-{$order.id}/x'),"
                " ('webasyst', 'locale', 'ru_RU')"
            ),
        ],
        {"language": "ru", "prefix": "A-", "suffix": "/x", "number": "public"},
    ),
)
BY_NAME = {str(shop): shop for shop in SHOPS}
