"""CS-Cart 4.17."""

from __future__ import annotations

from tests.presets.platforms.platform import Platform, tables

CS_CART = Platform(
    preset="cs-cart",
    tables=tables(
        """cscart_orders (order_id mediumint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
           is_parent_order char(1) NOT NULL DEFAULT 'N', user_id mediumint unsigned NOT NULL DEFAULT 0,
           timestamp int unsigned NOT NULL DEFAULT 0, status char(1) NOT NULL DEFAULT 'O',
           phone varchar(128) NOT NULL DEFAULT '', b_phone varchar(128) NOT NULL DEFAULT '',
           s_phone varchar(128) NOT NULL DEFAULT '', updated_at int unsigned NOT NULL DEFAULT 0,
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
    place=["INSERT INTO cscart_orders VALUES (:id, 'N', 77, :epoch, 'O', '+79000000000', '', '', :epoch)"],
    pay=["UPDATE cscart_orders SET status = 'P', updated_at = :epoch WHERE order_id = :id"],
    ship=[
        "INSERT INTO cscart_shipments VALUES (:id, 'TRACK1', 'post')",
        "INSERT INTO cscart_shipment_items VALUES (1, :id, :id), (2, :id, :id)",
        "UPDATE cscart_orders SET status = 'A', updated_at = :epoch WHERE order_id = :id",
    ],
    finish=["UPDATE cscart_orders SET status = 'C', updated_at = :epoch WHERE order_id = :id"],
    cancel=["UPDATE cscart_orders SET status = 'I', updated_at = :epoch WHERE order_id = :id"],
    drafts=[
        "INSERT INTO cscart_orders VALUES (:id, 'N', 77, :epoch, 'N', '', '', '', :epoch)",
        "INSERT INTO cscart_orders VALUES (:id + 1, 'N', 77, :epoch, 'T', '', '', '', :epoch)",
        "INSERT INTO cscart_orders VALUES (:id + 2, 'Y', 77, :epoch, 'O', '', '', '', :epoch)",
    ],
    codes=["O", "P", "A", "C"],
    cancelled="I",
    names={"O": "Открыт", "P": "Оплачен", "A": "Отправлен", "C": "Выполнен", "I": "Аннулирован"},
    user="77",
    rename="UPDATE cscart_status_descriptions SET description = 'Ждёт' WHERE status_id = 1 AND lang_code = 'ru'",
)
