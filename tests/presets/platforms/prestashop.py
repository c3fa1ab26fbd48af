"""PrestaShop 8."""

from __future__ import annotations

from tests.presets.platforms.platform import MOSCOW, Platform, tables

PRESTASHOP = Platform(
    preset="prestashop",
    zone=MOSCOW,
    tables=tables(
        """ps_orders (id_order int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, reference varchar(9),
           id_lang int unsigned NOT NULL, id_customer int unsigned NOT NULL, id_address_delivery int unsigned NOT NULL,
           current_state int unsigned NOT NULL, module varchar(255),
           total_paid decimal(20,6) NOT NULL DEFAULT 0, total_paid_real decimal(20,6) NOT NULL DEFAULT 0,
           date_add datetime NOT NULL, date_upd datetime NOT NULL,
           KEY reference (reference), KEY date_add (date_add))""",
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
            "INSERT INTO ps_order_state_lang VALUES (1, 2, 'Ожидается оплата'), (2, 2, 'Платеж принят'),"
            " (4, 2, 'Отправлен'), (5, 2, 'Доставлен'), (6, 2, 'Отменен'), (1, 1, 'Awaiting'), (4, 1, 'Shipped')"
        ),
        "INSERT INTO ps_carrier VALUES (1, 'Post', 'https://track.example/?order_id=@')",
        "INSERT INTO ps_address VALUES (1, '', '+7 900 000-00-00')",
    ],
    place=[
        "INSERT INTO ps_orders VALUES (:id, CONCAT('REF', :id), 2, 0, 1, 1, 'ps_wirepayment', 100, 0, :at, :at)",
        "INSERT INTO ps_order_carrier VALUES (NULL, :id, 1, '', :at)",
    ],
    pay=[
        "INSERT INTO ps_order_payment VALUES (NULL, CONCAT('REF', :id), 'pay-1')",
        "UPDATE ps_orders SET current_state = 2, total_paid_real = 100, date_upd = :at WHERE id_order = :id",
    ],
    ship=[
        "UPDATE ps_order_carrier SET tracking_number = 'TRACK1' WHERE id_order = :id",
        "UPDATE ps_orders SET current_state = 4, date_upd = :at WHERE id_order = :id",
    ],
    finish=["UPDATE ps_orders SET current_state = 5, date_upd = :at WHERE id_order = :id"],
    cancel=["UPDATE ps_orders SET current_state = 6, date_upd = :at WHERE id_order = :id"],
    drafts=["INSERT INTO ps_orders VALUES (:id, 'DRAFT', 2, 0, 1, 0, 'ps_wirepayment', 100, 0, :at, :at)"],
    codes=["1", "2", "4", "5"],
    cancelled="6",
    names={"1": "Ожидается оплата", "2": "Платеж принят", "4": "Отправлен", "5": "Доставлен", "6": "Отменен"},
    user="79000000000",
    rename="UPDATE ps_order_state_lang SET name = 'Ждёт' WHERE id_order_state = 1 AND id_lang = 2",
    paid_with="pay-1",
    by_index=False,
)
