"""RetailCRM, API v5: pages of 20, 50 or 100, the newest order first."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from tests.presets.apis.platform import MOSCOW, PHONE, UUID, ApiPlatform, Asked, Placed, Reply

_TIME = "%Y-%m-%d %H:%M:%S"


class RetailCrm(ApiPlatform):
    preset = "retailcrm"
    login: ClassVar = {"HEADERS__X_API_KEY": "a-key-of-an-account"}
    header = ("X-API-KEY", "a-key-of-an-account")
    unknown_login = 403
    codes = ("new", "prepayed", "send-to-delivery", "complete", "cancel-other")
    names: ClassVar = {
        "new": "Новый",
        "prepayed": "Предоплата поступила",
        "send-to-delivery": "Передан в доставку",
        "complete": "Выполнен",
        "cancel-other": "Отменён",
    }
    orders_path = "/api/v5/orders"
    list_path = "/api/v5/reference/statuses"
    limit = (10, 1.0)
    waits = (Reply({"success": False, "errorMsg": "API limit exceeded"}, 503), 1.0)
    paid_with = "pay-7"

    def key(self, number: int) -> str:
        return str(number + 1000)

    def dictionary(self) -> Any:
        listed = {code: {"code": code, "name": name, "active": True} for code, name in self.titles.items()}
        return {"success": True, "statuses": listed}

    def page(self, asked: Asked) -> Reply:
        limit, number = int(asked.params.get("limit", 20)), int(asked.params.get("page", 1))
        if limit not in (20, 50, 100):
            return Reply({"success": False, "errorMsg": "Errors in the input parameters"}, 400)
        since = datetime.strptime(asked.params["filter[statusUpdatedAtFrom]"], _TIME).replace(tzinfo=MOSCOW)
        orders = [order for order in self.orders.values() if order.changed >= since and not order.draft]
        orders.sort(key=lambda order: -order.id)
        pages = -(-len(orders) // limit)
        return Reply(
            {
                "success": True,
                "pagination": {"limit": limit, "currentPage": number, "totalPageCount": pages},
                "orders": [self._order(order) for order in orders[(number - 1) * limit : number * limit]],
            }
        )

    def _order(self, order: Placed) -> dict[str, Any]:
        payment = {"id": 7, "externalId": "pay-7", "status": "paid" if order.paid else "not-paid"}
        when = order.changed.astimezone(MOSCOW).strftime(_TIME)
        return {
            "id": int(self.key(order.id)),
            "number": str(order.id),
            "status": order.status,
            "createdAt": when,
            "statusUpdatedAt": when,
            "phone": PHONE,
            "customer": {"id": 5, "externalId": "77"},
            "customFields": {"imshop_uuid": UUID} if order.paid else [],
            "delivery": {"code": "post", "data": {"trackNumber": order.tracking} if order.tracking else {}},
            "payments": {"7": payment} if order.status != self.codes[0] else [],
            **({"fullPaidAt": when} if order.paid else {}),
        }
