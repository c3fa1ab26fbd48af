"""Magento 2.4."""

from __future__ import annotations

from tests.presets.platforms.platform import UUID, Platform, tables

_UNDASHED = UUID.replace("-", "")

MAGENTO = Platform(
    preset="magento",
    tables=tables(
        """sales_order (entity_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, state varchar(32),
           status varchar(32), store_id smallint unsigned, customer_id int unsigned, grand_total decimal(20,4),
           total_paid decimal(20,4), total_refunded decimal(20,4), increment_id varchar(50), ext_order_id varchar(32),
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
        f"INSERT INTO sales_order VALUES (:id, 'new', 'pending', 1, 77, 100, NULL, NULL, :id, '{_UNDASHED}', :at, :at)",
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
    drafts=["INSERT INTO sales_order VALUES (:id, 'new', NULL, 1, 77, 100, NULL, NULL, :id, NULL, :at, :at)"],
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
