"""Magento 2.4, REST: search criteria in the address; behind the last page the last page again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, ClassVar

from tests.presets.apis.platform import PHONE, UUID, ApiPlatform, Asked, Placed, Reply

_TIME = "%Y-%m-%d %H:%M:%S"
_FILTER = "searchCriteria[filter_groups][0][filters][0]"


class Magento(ApiPlatform):
    preset = "magento-api"
    login: ClassVar = {"AUTH": "bearer:a-token-of-an-integration"}
    header = ("Authorization", "Bearer a-token-of-an-integration")
    codes = ("pending", "processing", "holded", "complete", "canceled")
    names: ClassVar = {
        "pending": "В ожидании",
        "pending_payment": "Ожидается оплата",
        "pending_paypal": "Ожидается оплата PayPal",
        "paypal_reversed": "Отзыв средств PayPal",
        "paypal_canceled_reversal": "Отзыв средств PayPal отменён",
        "payment_review": "Проверка оплаты",
        "fraud": "Подозрение на мошенничество",
        "processing": "Обработка",
        "holded": "Удержан",
        "complete": "Выполнен",
        "closed": "Закрыт",
        "canceled": "Отменён",
    }
    orders_path = "/rest/V1/orders"
    list_path = None
    waits = (Reply({"message": "Too many requests"}, 429, {"Retry-After": "7"}), 7.0)
    paid_with = "tx-1"
    tracks = False

    def key(self, number: int) -> str:
        return str(number + 1000)

    def dictionary(self) -> Any:
        return {"total_count": len(self.orders)}

    def lists(self, asked: Asked) -> bool:
        return asked.params.get("fields") == "total_count"

    def page(self, asked: Asked) -> Reply:
        orders = [order for order in self.orders.values() if self._fits(order, asked)]
        if asked.params.get("searchCriteria[sortOrders][0][field]") == "updated_at":
            orders.sort(key=lambda order: (order.changed, order.id))
        size = int(asked.params.get("searchCriteria[pageSize]", 0)) or max(len(orders), 1)
        last = max(1, -(-len(orders) // size))
        page = min(int(asked.params.get("searchCriteria[currentPage]", 1)), last)
        answer = {
            "items": [self._order(order) for order in orders[(page - 1) * size : page * size]],
            "search_criteria": {"filter_groups": [], "page_size": size, "current_page": page},
            "total_count": len(orders),
        }
        return Reply(_only(asked.params.get("fields", ""), answer))

    def write(self, asked: Asked) -> Reply:
        order = self.with_key(asked.path.removeprefix("/rest/V1/orders/").removesuffix("/cancel"))
        if order is None:
            return Reply({"message": "The entity that was requested doesn't exist."}, 404)
        if order.status not in ("pending", "pending_payment"):
            return Reply(False)
        self.change(order.id, "canceled")
        return Reply(True)

    def _fits(self, order: Placed, asked: Asked) -> bool:
        value = asked.params.get(f"{_FILTER}[value]")
        match asked.params.get(f"{_FILTER}[field]"), asked.params.get(f"{_FILTER}[condition_type]", "eq"):
            case "updated_at", "gteq":
                return order.changed >= datetime.strptime(str(value), _TIME).replace(tzinfo=UTC)
            case (str(field), "eq"):
                return str(self._order(order).get(field)) == value
        return True

    def _order(self, order: Placed) -> dict[str, Any]:
        """What is null it does not show."""
        shown = {
            "entity_id": int(self.key(order.id)),
            "increment_id": str(order.id),
            "state": "new",
            "status": None if order.draft else order.status,
            "updated_at": order.changed.strftime(_TIME),
            "customer_id": 77,
            "customer_firstname": "Анна",
            "grand_total": 100,
            "total_paid": 100 if order.paid else None,
            "ext_order_id": UUID.replace("-", ""),
            "items": [{"item_id": 1, "sku": "A"}],
            "billing_address": {"telephone": PHONE, "street": ["Ленина, 1"]},
            "payment": {"method": "card", "last_trans_id": "tx-1" if order.paid else None},
        }
        return {name: value for name, value in shown.items() if value is not None}


def _only(fields: str, shown: Any) -> Any:
    """Of an answer what `fields` names, `items[status,payment[last_trans_id]],total_count` say; empty: all of it."""
    if not fields or not isinstance(shown, dict | list):
        return shown
    if isinstance(shown, list):
        return [_only(fields, one) for one in shown]
    wanted = _parsed(fields)
    return {name: _only(inner, shown[name]) for name, inner in wanted.items() if name in shown}


def _parsed(fields: str) -> dict[str, str]:
    found, depth, name, inner = {}, 0, "", ""
    for part in [*re.findall(r"\w+|[\[\],]", fields), ","]:
        if depth:
            depth += (part == "[") - (part == "]")
            inner += part if depth else ""
        elif part == "[":
            depth = 1
        elif part == ",":
            found[name], name, inner = inner, "", ""
        else:
            name = part
    return found
