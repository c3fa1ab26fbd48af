"""Webasyst Shop-Script 12: an action writes its line in the log first, and the order behind it."""

from __future__ import annotations

from tests.presets.platforms.platform import MOSCOW, UUID, Platform, tables


def _action(action: str, state: str, more: str = "") -> list[str]:
    return [
        (
            "INSERT INTO shop_order_log (order_id, contact_id, action_id, datetime, before_state_id, after_state_id)"
            f" SELECT id, NULL, '{action}', :at, state_id, '{state}' FROM shop_order WHERE id = :id"
        ),
        f"UPDATE shop_order SET state_id = '{state}', update_datetime = :at{more} WHERE id = :id",
    ]


SHOP_SCRIPT = Platform(
    preset="shop-script",
    own={"PARAMS__NUMBER": "id"},
    zone=MOSCOW,
    tables=tables(
        """shop_order (id int(11) NOT NULL AUTO_INCREMENT, contact_id int(11) DEFAULT NULL,
           create_datetime datetime NOT NULL, update_datetime datetime DEFAULT NULL,
           state_id varchar(32) NOT NULL DEFAULT 'new', total decimal(15,4) NOT NULL, currency char(3) NOT NULL,
           rate decimal(15,8) NOT NULL DEFAULT '1.00000000', tax decimal(15,4) NOT NULL DEFAULT '0.0000',
           shipping decimal(15,4) NOT NULL DEFAULT '0.0000', discount decimal(15,4) NOT NULL DEFAULT '0.0000',
           assigned_contact_id int(11) DEFAULT NULL, paid_year smallint(6) DEFAULT NULL,
           paid_quarter smallint(6) DEFAULT NULL, paid_month smallint(6) DEFAULT NULL, paid_date date DEFAULT NULL,
           paid_datetime datetime DEFAULT NULL, auth_date date DEFAULT NULL, is_first tinyint(1) NOT NULL DEFAULT '0',
           unsettled tinyint(1) NOT NULL DEFAULT '0', comment text, shipping_datetime datetime DEFAULT NULL,
           PRIMARY KEY (id), KEY state_id (state_id), KEY contact_id (contact_id), KEY paid_date (paid_date))""",
        """shop_order_log (id int(11) NOT NULL AUTO_INCREMENT, order_id int(11) NOT NULL,
           contact_id int(11) DEFAULT NULL, action_id varchar(32) NOT NULL, datetime datetime NOT NULL,
           before_state_id varchar(32) NOT NULL, after_state_id varchar(32) NOT NULL, text text,
           PRIMARY KEY (id), KEY order_id (order_id), KEY datetime (datetime))""",
        """shop_order_params (order_id int(11) NOT NULL, name varchar(64) NOT NULL, value varchar(255) NOT NULL,
           PRIMARY KEY (order_id, name), KEY name (name))""",
        """wa_contact_data (id int(11) NOT NULL AUTO_INCREMENT, contact_id int(11) NOT NULL, field varchar(32) NOT NULL,
           ext varchar(32) NOT NULL DEFAULT '', value varchar(255) NOT NULL, sort int(11) NOT NULL DEFAULT '0',
           PRIMARY KEY (id), UNIQUE KEY contact_field_sort (contact_id, field, sort), KEY contact_id (contact_id),
           KEY value (value), KEY field (field))""",
    ),
    dictionary=[
        (
            "INSERT INTO wa_contact_data (contact_id, field, value, sort) VALUES (77, 'im', '1', 0),"
            " (77, 'phone', '', 0), (77, 'phone', '+7 (900) 000-00-00', 1), (77, 'phone', '79110000000', 2)"
        ),
    ],
    place=[
        (
            "INSERT INTO shop_order (id, contact_id, create_datetime, state_id, total, currency)"
            " VALUES (:id, 77, :at, 'new', 100, 'RUB')"
        ),
        f"INSERT INTO shop_order_params VALUES (:id, 'imshop_uuid', '{UUID}'), (:id, 'shipping_id', '5')",
        *_action("create", "new"),
    ],
    pay=[
        *_action("pay", "paid", ", paid_year = 2026, paid_date = DATE('2026-01-01'), paid_datetime = '2026-01-01'"),
        "INSERT INTO shop_order_params VALUES (:id, 'payment_transaction_id', 'pay-1')",
    ],
    ship=[*_action("ship", "shipped"), "INSERT INTO shop_order_params VALUES (:id, 'tracking_number', 'TRACK1')"],
    finish=_action("complete", "completed"),
    cancel=_action("delete", "deleted", ", paid_year = NULL, paid_date = NULL, paid_datetime = NULL"),
    drafts=[
        (
            "INSERT INTO shop_order (id, contact_id, create_datetime, total, currency, unsettled)"
            " VALUES (:id, 77, :at, 100, 'RUB', 1)"
        ),
        *_action("create", "new"),
    ],
    codes=["new", "paid", "shipped", "completed"],
    cancelled="deleted",
    names={
        "new": "Новый",
        "processing": "Подтверждён",
        "auth": "Средства заблокированы",
        "paid": "Оплачен",
        "fulfilling": "На сборке",
        "shipped": "Отправлен",
        "pickup": "На выдачу",
        "pos": "Касса",
        "completed": "Выполнен",
        "refunded": "Возврат",
        "deleted": "Удалён",
    },
    user="77",
    paid_with="pay-1",
    uuid=True,
)
