"""The platforms' own tables, as far as a preset reads them: real names and types; and what the platforms do to them.

`:id` is an order, `:at` the wall clock of the platform's zone, `:epoch` unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MOSCOW = "Europe/Moscow"
UUID = "0c7f9a52-6e1b-4d38-9a0f-5b7d1c2e3f40"
_UNDASHED = UUID.replace("-", "")


@dataclass(frozen=True)
class Platform:
    """How an order lives there. `codes` are the statuses after each step; `paid_with` the payment id, `user` the buyer.

    `drafts`: what must never show. `rename` changes the name of the status that an order is placed with."""

    preset: str
    tables: Sequence[str]
    dictionary: Sequence[str]
    place: Sequence[str]
    pay: Sequence[str]
    ship: Sequence[str]
    finish: Sequence[str]
    cancel: Sequence[str]
    drafts: Sequence[str]
    codes: Sequence[str]
    cancelled: str
    names: Mapping[str, str]
    user: str
    rename: str | None = None
    zone: str = "UTC"
    paid_with: str | None = None
    tracking: bool = True
    uuid: bool = False
    by_index: bool = True

    def __str__(self) -> str:
        return self.preset


def _tables(*tables: str, engine: str = "InnoDB") -> list[str]:
    return [f"CREATE TABLE {table} ENGINE={engine} DEFAULT CHARSET=utf8mb4" for table in tables]


BITRIX = Platform(
    preset="bitrix",
    zone=MOSCOW,
    tables=_tables(
        """b_sale_order (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, LID char(2) NOT NULL, ACCOUNT_NUMBER varchar(100),
           STATUS_ID varchar(2) NOT NULL, CANCELED char(1) NOT NULL DEFAULT 'N', PAYED char(1) NOT NULL DEFAULT 'N',
           USER_ID int NOT NULL, XML_ID varchar(255), DATE_INSERT datetime NOT NULL, DATE_UPDATE datetime NOT NULL,
           UNIQUE KEY IXS_ACCOUNT_NUMBER (ACCOUNT_NUMBER), KEY IX_SOO_DATE_UPDATE (DATE_UPDATE))""",
        """b_sale_status_lang (STATUS_ID varchar(2) NOT NULL, LID char(2) NOT NULL, NAME varchar(100) NOT NULL,
           PRIMARY KEY (STATUS_ID, LID))""",
        """b_sale_order_payment (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, ORDER_ID int NOT NULL,
           ACCOUNT_NUMBER varchar(100), PAID char(1) NOT NULL DEFAULT 'N', PS_INVOICE_ID varchar(250),
           PAY_VOUCHER_NUM varchar(20), KEY IX_BSOP_ORDER_ID (ORDER_ID))""",
        """b_sale_order_delivery (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, ORDER_ID int NOT NULL,
           TRACKING_NUMBER varchar(255), `SYSTEM` char(1) NOT NULL DEFAULT 'N', KEY IX_BSOD_ORDER_ID (ORDER_ID))""",
        """b_sale_order_props (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, CODE varchar(50),
           IS_PHONE char(1) NOT NULL DEFAULT 'N')""",
        """b_sale_order_props_value (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, ORDER_ID int NOT NULL,
           ORDER_PROPS_ID int, VALUE varchar(500), UNIQUE KEY IX_SOPV_ORD_PROP_UNI (ORDER_ID, ORDER_PROPS_ID))""",
    ),
    dictionary=[
        (
            "INSERT INTO b_sale_status_lang VALUES ('N', 'ru', 'Принят'), ('N', 'en', 'Accepted'),"
            " ('P', 'ru', 'Оплачен'), ('DF', 'ru', 'Отгружен'), ('F', 'ru', 'Выполнен')"
        ),
        "INSERT INTO b_sale_order_props VALUES (1, 'EMAIL', 'N'), (2, 'PHONE', 'Y')",
    ],
    place=[
        f"INSERT INTO b_sale_order VALUES (:id, 's1', :id, 'N', 'N', 'N', 77, '{UUID}', :at, :at)",
        (
            "INSERT INTO b_sale_order_props_value (ORDER_ID, ORDER_PROPS_ID, VALUE)"
            " VALUES (:id, 1, 'a@b.example'), (:id, 2, '+7 900 000-00-00')"
        ),
        "INSERT INTO b_sale_order_delivery VALUES (NULL, :id, 'SYSTEM', 'Y'), (NULL, :id, '', 'N')",
        "INSERT INTO b_sale_order_payment (ORDER_ID, ACCOUNT_NUMBER) VALUES (:id, '1/1')",
    ],
    pay=[
        "UPDATE b_sale_order_payment SET PAID = 'Y', PS_INVOICE_ID = 'pay-1' WHERE ORDER_ID = :id",
        "UPDATE b_sale_order SET STATUS_ID = 'P', PAYED = 'Y', DATE_UPDATE = :at WHERE ID = :id",
    ],
    ship=[
        "UPDATE b_sale_order_delivery SET TRACKING_NUMBER = 'TRACK1' WHERE ORDER_ID = :id AND `SYSTEM` = 'N'",
        "UPDATE b_sale_order SET STATUS_ID = 'DF', DATE_UPDATE = :at WHERE ID = :id",
    ],
    finish=["UPDATE b_sale_order SET STATUS_ID = 'F', DATE_UPDATE = :at WHERE ID = :id"],
    cancel=["UPDATE b_sale_order SET CANCELED = 'Y', DATE_UPDATE = :at WHERE ID = :id"],
    drafts=[],
    codes=["N", "P", "DF", "F"],
    cancelled="CANCELED",
    names={"N": "Принят", "P": "Оплачен", "DF": "Отгружен", "F": "Выполнен", "CANCELED": "Отменён"},
    user="77",
    rename="UPDATE b_sale_status_lang SET NAME = 'Ждёт' WHERE STATUS_ID = 'N' AND LID = 'ru'",
    paid_with="pay-1",
    uuid=True,
)

OPENCART = Platform(
    preset="opencart",
    zone=MOSCOW,
    tables=_tables(
        """oc_order (order_id int NOT NULL AUTO_INCREMENT PRIMARY KEY, store_id int NOT NULL DEFAULT 0,
           customer_id int NOT NULL DEFAULT 0, telephone varchar(32) NOT NULL, order_status_id int NOT NULL DEFAULT 0,
           tracking varchar(64) NOT NULL DEFAULT '', language_id int NOT NULL, date_added datetime NOT NULL,
           date_modified datetime NOT NULL)""",
        """oc_order_history (order_history_id int NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id int NOT NULL,
           order_status_id int NOT NULL, notify tinyint(1) NOT NULL DEFAULT 0, comment text NOT NULL,
           date_added datetime NOT NULL)""",
        """oc_order_status (order_status_id int NOT NULL, language_id int NOT NULL, name varchar(32) NOT NULL,
           PRIMARY KEY (order_status_id, language_id))""",
        engine="MyISAM",
    ),
    dictionary=[
        (
            "INSERT INTO oc_order_status VALUES (1, 1, 'Ожидание'), (1, 2, 'Pending'), (2, 1, 'В обработке'),"
            " (3, 1, 'Отправлен'), (5, 1, 'Выполнен'), (7, 1, 'Отменено')"
        )
    ],
    place=[
        (
            "INSERT INTO oc_order (order_id, customer_id, telephone, language_id, date_added, date_modified)"
            " VALUES (:id, 0, '+7 (900) 000-00-00', 1, :at, :at)"
        ),
        "UPDATE oc_order SET order_status_id = 1, date_modified = :at WHERE order_id = :id",
        "INSERT INTO oc_order_history VALUES (NULL, :id, 1, 1, '', :at)",
    ],
    pay=[
        "UPDATE oc_order SET order_status_id = 2, date_modified = :at WHERE order_id = :id",
        "INSERT INTO oc_order_history VALUES (NULL, :id, 2, 1, '', :at)",
    ],
    ship=[
        "UPDATE oc_order SET order_status_id = 3, date_modified = :at WHERE order_id = :id",
        "INSERT INTO oc_order_history VALUES (NULL, :id, 3, 1, '', :at)",
    ],
    finish=[
        "UPDATE oc_order SET order_status_id = 5, date_modified = :at WHERE order_id = :id",
        "INSERT INTO oc_order_history VALUES (NULL, :id, 5, 1, '', :at)",
    ],
    cancel=[
        "UPDATE oc_order SET order_status_id = 7, date_modified = :at WHERE order_id = :id",
        "INSERT INTO oc_order_history VALUES (NULL, :id, 7, 1, '', :at)",
    ],
    drafts=[
        (
            "INSERT INTO oc_order (order_id, telephone, language_id, tracking, date_added, date_modified)"
            " VALUES (:id, '', 1, 'affiliate', :at, :at)"
        )
    ],
    codes=["1", "2", "3", "5"],
    cancelled="7",
    names={"1": "Ожидание", "2": "В обработке", "3": "Отправлен", "5": "Выполнен", "7": "Отменено"},
    user="79000000000",
    rename="UPDATE oc_order_status SET name = 'Ждёт' WHERE order_status_id = 1 AND language_id = 1",
    tracking=False,
)

_WOO_NAMES = {
    "pending": "Ожидает оплаты",
    "processing": "В обработке",
    "completed": "Выполнен",
    "cancelled": "Отменён",
}
_WP_TABLES = _tables(
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
        *_tables(
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

PRESTASHOP = Platform(
    preset="prestashop",
    zone=MOSCOW,
    tables=_tables(
        """ps_orders (id_order int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, reference varchar(9),
           id_customer int unsigned NOT NULL, id_address_delivery int unsigned NOT NULL,
           current_state int unsigned NOT NULL, module varchar(255), date_add datetime NOT NULL,
           date_upd datetime NOT NULL, KEY reference (reference), KEY date_add (date_add))""",
        """ps_order_state (id_order_state int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
           paid tinyint unsigned NOT NULL DEFAULT 0)""",
        """ps_order_state_lang (id_order_state int unsigned NOT NULL, id_lang int unsigned NOT NULL,
           name varchar(64) NOT NULL, PRIMARY KEY (id_order_state, id_lang))""",
        """ps_order_payment (id_order_payment int NOT NULL AUTO_INCREMENT PRIMARY KEY, order_reference varchar(9),
           transaction_id varchar(254), KEY order_reference (order_reference))""",
        """ps_order_carrier (id_order_carrier int NOT NULL AUTO_INCREMENT PRIMARY KEY, id_order int unsigned NOT NULL,
           id_carrier int unsigned NOT NULL, tracking_number varchar(64), date_add datetime NOT NULL,
           KEY id_order (id_order))""",
        """ps_carrier (id_carrier int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, name varchar(64) NOT NULL,
           url varchar(255))""",
        """ps_address (id_address int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, phone varchar(32),
           phone_mobile varchar(32))""",
    ),
    dictionary=[
        "INSERT INTO ps_order_state VALUES (1, 0), (2, 1), (4, 1), (5, 1), (6, 0)",
        (
            "INSERT INTO ps_order_state_lang VALUES (1, 1, 'Ожидается оплата'), (2, 1, 'Платеж принят'),"
            " (4, 1, 'Отправлен'), (5, 1, 'Доставлен'), (6, 1, 'Отменен'), (1, 2, 'Awaiting')"
        ),
        "INSERT INTO ps_carrier VALUES (1, 'Post', 'https://track.example/?order_id=@')",
        "INSERT INTO ps_address VALUES (1, '', '+7 900 000-00-00')",
    ],
    place=[
        "INSERT INTO ps_orders VALUES (:id, CONCAT('REF', :id), 0, 1, 1, 'ps_wirepayment', :at, :at)",
        "INSERT INTO ps_order_carrier VALUES (NULL, :id, 1, '', :at)",
    ],
    pay=[
        "INSERT INTO ps_order_payment VALUES (NULL, CONCAT('REF', :id), 'pay-1')",
        "UPDATE ps_orders SET current_state = 2, date_upd = :at WHERE id_order = :id",
    ],
    ship=[
        "UPDATE ps_order_carrier SET tracking_number = 'TRACK1' WHERE id_order = :id",
        "UPDATE ps_orders SET current_state = 4, date_upd = :at WHERE id_order = :id",
    ],
    finish=["UPDATE ps_orders SET current_state = 5, date_upd = :at WHERE id_order = :id"],
    cancel=["UPDATE ps_orders SET current_state = 6, date_upd = :at WHERE id_order = :id"],
    drafts=["INSERT INTO ps_orders VALUES (:id, 'DRAFT', 0, 1, 0, 'ps_wirepayment', :at, :at)"],
    codes=["1", "2", "4", "5"],
    cancelled="6",
    names={"1": "Ожидается оплата", "2": "Платеж принят", "4": "Отправлен", "5": "Доставлен", "6": "Отменен"},
    user="79000000000",
    rename="UPDATE ps_order_state_lang SET name = 'Ждёт' WHERE id_order_state = 1 AND id_lang = 1",
    paid_with="pay-1",
    by_index=False,
)

MAGENTO = Platform(
    preset="magento",
    tables=_tables(
        """sales_order (entity_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, state varchar(32),
           status varchar(32), store_id smallint unsigned, customer_id int unsigned, grand_total decimal(20,4),
           total_paid decimal(20,4), increment_id varchar(50), ext_order_id varchar(32),
           created_at timestamp NOT NULL DEFAULT current_timestamp(),
           updated_at timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
           UNIQUE KEY SALES_ORDER_INCREMENT_ID_STORE_ID (increment_id, store_id),
           KEY SALES_ORDER_UPDATED_AT (updated_at))""",
        "sales_order_status (status varchar(32) NOT NULL PRIMARY KEY, label varchar(128) NOT NULL)",
        """sales_order_status_label (status varchar(32) NOT NULL, store_id smallint unsigned NOT NULL,
           label varchar(128) NOT NULL, PRIMARY KEY (status, store_id))""",
        """sales_order_payment (entity_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
           parent_id int unsigned NOT NULL, last_trans_id varchar(255),
           KEY SALES_ORDER_PAYMENT_PARENT_ID (parent_id))""",
        """sales_order_address (entity_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, parent_id int unsigned,
           address_type varchar(255), telephone varchar(255), KEY SALES_ORDER_ADDRESS_PARENT_ID (parent_id))""",
        """sales_shipment_track (entity_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
           parent_id int unsigned NOT NULL, order_id int unsigned NOT NULL, track_number text,
           KEY SALES_SHIPMENT_TRACK_ORDER_ID (order_id))""",
    ),
    dictionary=[
        (
            "INSERT INTO sales_order_status VALUES ('pending', 'Pending'), ('processing', 'Processing'),"
            " ('shipped', 'Shipped'), ('complete', 'Complete'), ('canceled', 'Canceled')"
        ),
        "INSERT INTO sales_order_status_label VALUES ('pending', 1, 'Ожидание')",
    ],
    place=[
        f"INSERT INTO sales_order VALUES (:id, 'new', 'pending', 1, 77, 100, NULL, :id, '{_UNDASHED}', :at, :at)",
        "INSERT INTO sales_order_payment VALUES (NULL, :id, NULL)",
        "INSERT INTO sales_order_address VALUES (NULL, :id, 'billing', '+79000000000'), (NULL, :id, 'shipping', '1')",
    ],
    pay=[
        "UPDATE sales_order_payment SET last_trans_id = 'pay-1' WHERE parent_id = :id",
        "UPDATE sales_order SET status = 'processing', total_paid = 100, updated_at = :at WHERE entity_id = :id",
    ],
    ship=[
        "INSERT INTO sales_shipment_track VALUES (NULL, 1, :id, 'TRACK1')",
        "UPDATE sales_order SET status = 'shipped', updated_at = :at WHERE entity_id = :id",
    ],
    finish=["UPDATE sales_order SET status = 'complete', updated_at = :at WHERE entity_id = :id"],
    cancel=["UPDATE sales_order SET status = 'canceled', updated_at = :at WHERE entity_id = :id"],
    drafts=["INSERT INTO sales_order VALUES (:id, 'new', NULL, 1, 77, 100, NULL, :id, NULL, :at, :at)"],
    codes=["pending", "processing", "shipped", "complete"],
    cancelled="canceled",
    names={
        "pending": "Ожидание",
        "processing": "Processing",
        "shipped": "Shipped",
        "complete": "Complete",
        "canceled": "Canceled",
    },
    user="77",
    rename="UPDATE sales_order_status_label SET label = 'Ждёт' WHERE status = 'pending'",
    paid_with="pay-1",
    uuid=True,
)

CS_CART = Platform(
    preset="cs-cart",
    tables=_tables(
        """cscart_orders (order_id mediumint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
           is_parent_order char(1) NOT NULL DEFAULT 'N', user_id mediumint unsigned NOT NULL DEFAULT 0,
           timestamp int unsigned NOT NULL DEFAULT 0, status char(1) NOT NULL DEFAULT 'O',
           phone varchar(128) NOT NULL DEFAULT '', updated_at int unsigned NOT NULL DEFAULT 0,
           KEY updated_at (updated_at))""",
        """cscart_statuses (status_id mediumint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, status char(1) NOT NULL,
           type char(1) NOT NULL DEFAULT 'O', UNIQUE KEY status (status, type))""",
        """cscart_status_descriptions (status_id mediumint unsigned NOT NULL, description varchar(255) NOT NULL,
           lang_code char(2) NOT NULL DEFAULT 'en', PRIMARY KEY (status_id, lang_code))""",
        """cscart_shipments (shipment_id mediumint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
           tracking_number varchar(255) NOT NULL DEFAULT '', carrier varchar(255))""",
        """cscart_shipment_items (item_id int unsigned NOT NULL, shipment_id mediumint unsigned NOT NULL,
           order_id mediumint unsigned NOT NULL, PRIMARY KEY (item_id, shipment_id), KEY shipment_id (shipment_id))""",
    ),
    dictionary=[
        (
            "INSERT INTO cscart_statuses VALUES (1, 'O', 'O'), (2, 'P', 'O'), (3, 'A', 'O'), (4, 'C', 'O'),"
            " (5, 'I', 'O'), (6, 'P', 'G'), (7, 'N', 'O')"
        ),
        (
            "INSERT INTO cscart_status_descriptions VALUES (1, 'Открыт', 'ru'), (1, 'Open', 'en'),"
            " (2, 'Оплачен', 'ru'), (3, 'Отправлен', 'ru'),"
            " (4, 'Выполнен', 'ru'), (5, 'Аннулирован', 'ru'), (6, 'Чужой', 'ru')"
        ),
    ],
    place=["INSERT INTO cscart_orders VALUES (:id, 'N', 77, :epoch, 'O', '+79000000000', :epoch)"],
    pay=["UPDATE cscart_orders SET status = 'P', updated_at = :epoch WHERE order_id = :id"],
    ship=[
        "INSERT INTO cscart_shipments VALUES (:id, 'TRACK1', 'post')",
        "INSERT INTO cscart_shipment_items VALUES (1, :id, :id), (2, :id, :id)",
        "UPDATE cscart_orders SET status = 'A', updated_at = :epoch WHERE order_id = :id",
    ],
    finish=["UPDATE cscart_orders SET status = 'C', updated_at = :epoch WHERE order_id = :id"],
    cancel=["UPDATE cscart_orders SET status = 'I', updated_at = :epoch WHERE order_id = :id"],
    drafts=[
        "INSERT INTO cscart_orders VALUES (:id, 'N', 77, :epoch, 'N', '', :epoch)",
        "INSERT INTO cscart_orders VALUES (:id + 1, 'N', 77, :epoch, 'T', '', :epoch)",
        "INSERT INTO cscart_orders VALUES (:id + 2, 'Y', 77, :epoch, 'O', '', :epoch)",
    ],
    codes=["O", "P", "A", "C"],
    cancelled="I",
    names={"O": "Открыт", "P": "Оплачен", "A": "Отправлен", "C": "Выполнен", "I": "Аннулирован"},
    user="77",
    rename="UPDATE cscart_status_descriptions SET description = 'Ждёт' WHERE status_id = 1 AND lang_code = 'ru'",
)

PLATFORMS = [BITRIX, OPENCART, LEGACY, HPOS, PRESTASHOP, MAGENTO, CS_CART]
