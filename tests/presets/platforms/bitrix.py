"""1C-Bitrix, module sale."""

from __future__ import annotations

from tests.presets.platforms.platform import MOSCOW, UUID, Platform, tables

BITRIX = Platform(
    preset="bitrix",
    zone=MOSCOW,
    tables=tables(
        """b_sale_order (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, LID char(2) NOT NULL, ACCOUNT_NUMBER varchar(100),
           STATUS_ID varchar(2) NOT NULL, CANCELED char(1) NOT NULL DEFAULT 'N', PAYED char(1) NOT NULL DEFAULT 'N',
           USER_ID int NOT NULL, XML_ID varchar(255), DATE_INSERT datetime NOT NULL, DATE_UPDATE datetime NOT NULL,
           UNIQUE KEY IXS_ACCOUNT_NUMBER (ACCOUNT_NUMBER), KEY IX_SOO_DATE_UPDATE (DATE_UPDATE))""",
        """b_sale_status (ID varchar(2) NOT NULL PRIMARY KEY, TYPE char(1) NOT NULL DEFAULT 'O')""",
        """b_user (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, EXTERNAL_AUTH_ID varchar(255))""",
        """b_sale_order_change (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, ORDER_ID int NOT NULL,
           TYPE varchar(255) NOT NULL, DATE_CREATE datetime NOT NULL, ENTITY varchar(50), ENTITY_ID int,
           KEY IXS_ORDER_ID_CHANGE (ORDER_ID), KEY IXS_TYPE_CHANGE (TYPE))""",
        """b_sale_status_lang (STATUS_ID varchar(2) NOT NULL, LID char(2) NOT NULL, NAME varchar(100) NOT NULL,
           PRIMARY KEY (STATUS_ID, LID))""",
        """b_sale_order_payment (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, ORDER_ID int NOT NULL,
           ACCOUNT_NUMBER varchar(100), PAID char(1) NOT NULL DEFAULT 'N', PS_INVOICE_ID varchar(250),
           PAY_VOUCHER_NUM varchar(20), KEY IX_BSOP_ORDER_ID (ORDER_ID))""",
        """b_sale_order_delivery (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, ORDER_ID int NOT NULL,
           DATE_INSERT datetime NOT NULL, TRACKING_NUMBER varchar(255), `SYSTEM` char(1) NOT NULL DEFAULT 'N',
           KEY IX_BSOD_ORDER_ID (ORDER_ID))""",
        """b_sale_order_props (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, CODE varchar(50),
           IS_PHONE char(1) NOT NULL DEFAULT 'N')""",
        """b_sale_order_props_value (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, ORDER_ID int NOT NULL,
           ORDER_PROPS_ID int, VALUE varchar(500), UNIQUE KEY IX_SOPV_ORD_PROP_UNI (ORDER_ID, ORDER_PROPS_ID))""",
    ),
    dictionary=[
        "INSERT INTO b_sale_status VALUES ('N', 'O'), ('P', 'O'), ('DF', 'O'), ('F', 'O'), ('X', 'O'), ('DN', 'D')",
        "INSERT INTO b_user VALUES (77, NULL), (78, 'saleanonymous')",
        (
            "INSERT INTO b_sale_status_lang VALUES ('N', 'ru', 'Принят'), ('N', 'en', 'Accepted'),"
            " ('P', 'ru', 'Оплачен'), ('DF', 'ru', 'Отгружен'), ('F', 'ru', 'Выполнен'), ('DN', 'ru', 'Собирается')"
        ),
        "INSERT INTO b_sale_order_props VALUES (1, 'EMAIL', 'N'), (2, 'PHONE', 'Y')",
    ],
    place=[
        f"INSERT INTO b_sale_order VALUES (:id, 's1', :id, 'N', 'N', 'N', 77, '{UUID}', :at, :at)",
        (
            "INSERT INTO b_sale_order_props_value (ORDER_ID, ORDER_PROPS_ID, VALUE)"
            " VALUES (:id, 1, 'a@b.example'), (:id, 2, '+7 900 000-00-00')"
        ),
        "INSERT INTO b_sale_order_delivery VALUES (NULL, :id, :at, 'SYSTEM', 'Y'), (NULL, :id, :at, '', 'N')",
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
