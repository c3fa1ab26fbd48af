"""WooCommerce, with its orders in wp_posts and in tables of their own."""

from __future__ import annotations

from dataclasses import replace

from tests.presets.platforms.platform import UUID, Platform, tables

_WOO_NAMES = {
    "pending": "Ожидается оплата",
    "processing": "Обработка",
    "completed": "Выполнен",
    "cancelled": "Отменён",
}
_WP_TABLES = tables(
    """wp_options (option_id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, option_name varchar(191) NOT NULL,
       option_value longtext NOT NULL, UNIQUE KEY option_name (option_name))""",
    """wp_posts (ID bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, post_date datetime NOT NULL,
       post_date_gmt datetime NOT NULL, post_status varchar(20) NOT NULL, post_modified_gmt datetime NOT NULL,
       post_type varchar(20) NOT NULL, KEY type_status_date (post_type, post_status, post_date, ID))""",
    """wp_postmeta (meta_id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, post_id bigint unsigned NOT NULL,
       meta_key varchar(255), meta_value longtext, KEY post_id (post_id), KEY meta_key (meta_key(191)))""",
)

LEGACY = Platform(
    preset="woocommerce-legacy",
    tables=_WP_TABLES,
    dictionary=["INSERT INTO wp_options VALUES (1, 'woocommerce_custom_orders_table_enabled', 'no')"],
    place=[
        "INSERT INTO wp_posts VALUES (:id, :at, :at, 'wc-pending', :at, 'shop_order')",
        (
            "INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES (:id, '_customer_user', '0'),"
            f" (:id, '_billing_phone', '+7 900 000-00-00'), (:id, '_imshop_uuid', '{UUID}'), (:id, '_order_total', '1')"
        ),
    ],
    pay=[
        (
            "INSERT INTO wp_postmeta (post_id, meta_key, meta_value)"
            " VALUES (:id, '_date_paid', :epoch), (:id, '_transaction_id', 'pay-1')"
        ),
        "UPDATE wp_posts SET post_status = 'wc-processing', post_modified_gmt = :at WHERE ID = :id",
    ],
    ship=[
        "INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES (:id, '_tracking_number', 'TRACK1')",
        "UPDATE wp_posts SET post_status = 'wc-shipped', post_modified_gmt = :at WHERE ID = :id",
    ],
    finish=["UPDATE wp_posts SET post_status = 'wc-completed', post_modified_gmt = :at WHERE ID = :id"],
    cancel=["UPDATE wp_posts SET post_status = 'wc-cancelled', post_modified_gmt = :at WHERE ID = :id"],
    drafts=[
        "INSERT INTO wp_posts VALUES (:id, :at, :at, 'auto-draft', :at, 'shop_order')",
        "INSERT INTO wp_posts VALUES (:id + 1, :at, :at, 'wc-checkout-draft', :at, 'shop_order')",
        "INSERT INTO wp_posts VALUES (:id + 2, :at, :at, 'wc-completed', :at, 'shop_order_refund')",
        "INSERT INTO wp_posts VALUES (:id + 3, :at, :at, 'draft', :at, 'shop_order_placehold')",
        "INSERT INTO wp_posts VALUES (:id + 4, :at, :at, 'publish', :at, 'page')",
    ],
    codes=["pending", "processing", "shipped", "completed"],
    cancelled="cancelled",
    names=_WOO_NAMES,
    user="79000000000",
    paid_with="pay-1",
    uuid=True,
    by_index=False,
)

HPOS = replace(
    LEGACY,
    preset="woocommerce",
    tables=[
        *_WP_TABLES,
        *tables(
            """wp_wc_orders (id bigint unsigned NOT NULL PRIMARY KEY, status varchar(20), currency varchar(10),
               type varchar(20), total_amount decimal(26,8), customer_id bigint unsigned, date_created_gmt datetime,
               date_updated_gmt datetime, transaction_id varchar(100), KEY status (status),
               KEY date_updated (date_updated_gmt), KEY type_status_date (type, status, date_created_gmt))""",
            """wp_wc_order_operational_data (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
               order_id bigint unsigned, created_via varchar(100), date_paid_gmt datetime,
               UNIQUE KEY order_id (order_id))""",
            """wp_wc_order_addresses (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
               order_id bigint unsigned NOT NULL, address_type varchar(20), phone varchar(100),
               UNIQUE KEY address_type_order_id (address_type, order_id), KEY order_id (order_id))""",
            """wp_wc_orders_meta (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id bigint unsigned,
               meta_key varchar(255), meta_value text,
               KEY order_id_meta_key_meta_value (order_id, meta_key(100), meta_value(82)))""",
        ),
    ],
    dictionary=["INSERT INTO wp_options VALUES (1, 'woocommerce_custom_orders_table_enabled', 'yes')"],
    place=[
        "INSERT INTO wp_posts VALUES (:id, :at, :at, 'draft', :at, 'shop_order_placehold')",
        "INSERT INTO wp_wc_orders VALUES (:id, 'wc-pending', 'RUB', 'shop_order', 1, 77, :at, :at, '')",
        "INSERT INTO wp_wc_order_operational_data VALUES (NULL, :id, 'checkout', NULL)",
        "INSERT INTO wp_wc_order_addresses VALUES (NULL, :id, 'billing', '+79000000000'), (NULL, :id, 'shipping', '')",
        f"INSERT INTO wp_wc_orders_meta VALUES (NULL, :id, '_imshop_uuid', '{UUID}')",
        "INSERT INTO wp_wc_orders_meta VALUES (NULL, :id, '_order_number', :id)",
    ],
    pay=[
        "UPDATE wp_wc_order_operational_data SET date_paid_gmt = :at WHERE order_id = :id",
        (
            "UPDATE wp_wc_orders SET status = 'wc-processing', transaction_id = 'pay-1', date_updated_gmt = :at"
            " WHERE id = :id"
        ),
    ],
    ship=[
        "INSERT INTO wp_wc_orders_meta VALUES (NULL, :id, '_tracking_number', 'TRACK1')",
        "UPDATE wp_wc_orders SET status = 'wc-shipped', date_updated_gmt = :at WHERE id = :id",
    ],
    finish=["UPDATE wp_wc_orders SET status = 'wc-completed', date_updated_gmt = :at WHERE id = :id"],
    cancel=["UPDATE wp_wc_orders SET status = 'wc-cancelled', date_updated_gmt = :at WHERE id = :id"],
    drafts=[
        "INSERT INTO wp_wc_orders VALUES (:id, 'auto-draft', 'RUB', 'shop_order', 1, 77, :at, :at, '')",
        "INSERT INTO wp_wc_orders VALUES (:id + 1, 'wc-checkout-draft', 'RUB', 'shop_order', 1, 77, :at, :at, '')",
        "INSERT INTO wp_wc_orders VALUES (:id + 2, 'trash', 'RUB', 'shop_order', 1, 77, :at, :at, '')",
        "INSERT INTO wp_wc_orders VALUES (:id + 3, 'wc-completed', 'RUB', 'shop_order_refund', 1, 77, :at, :at, '')",
    ],
    user="77",
    by_index=True,
)
