"""OpenCart 3, and 4.1, which leaves date_modified as it is when it gives an order a status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.presets.platforms.platform import MOSCOW, Platform, tables

OPENCART = Platform(
    preset="opencart",
    zone=MOSCOW,
    tables=tables(
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
            " (3, 1, 'Отправлен'), (5, 1, 'Выполнен'), (7, 1, 'Отменено'), (16, 1, 'Аннулировано')"
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
        ),
        (
            "INSERT INTO oc_order (order_id, telephone, order_status_id, language_id, date_added, date_modified)"
            " VALUES (:id + 1, '', 16, 1, :at, :at)"
        ),
        "INSERT INTO oc_order_history VALUES (NULL, :id + 1, 16, 0, '', :at)",
    ],
    codes=["1", "2", "3", "5"],
    cancelled="7",
    names={
        "1": "Ожидание",
        "2": "В обработке",
        "3": "Отправлен",
        "5": "Выполнен",
        "7": "Отменено",
        "16": "Аннулировано",
    },
    user="79000000000",
    rename="UPDATE oc_order_status SET name = 'Ждёт' WHERE order_status_id = 1 AND language_id = 1",
    tracking=False,
)


def _unmoved(statements: Sequence[str]) -> list[str]:
    return [statement.replace(", date_modified = :at WHERE", " WHERE") for statement in statements]


OPENCART_41 = replace(
    OPENCART,
    version="-4.1",
    tables=[table.replace("ENGINE=MyISAM", "ENGINE=InnoDB") for table in OPENCART.tables],
    place=[statement.replace(":at, :at)", ":at, '2020-01-01')") for statement in _unmoved(OPENCART.place)],
    pay=_unmoved(OPENCART.pay),
    ship=_unmoved(OPENCART.ship),
    finish=_unmoved(OPENCART.finish),
    cancel=_unmoved(OPENCART.cancel),
)
