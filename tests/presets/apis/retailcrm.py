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
        written = asked.params.get("filter[statusUpdatedAtFrom]", "1970-01-01 03:00:00")
        since = datetime.strptime(written, _TIME).replace(tzinfo=MOSCOW)
        orders = [order for order in self.orders.values() if order.changed >= since and not order.draft]
        if key := asked.params.get("filter[ids][]"):
            orders = [order for order in orders if self.key(order.id) == key]
        if number_wanted := asked.params.get("filter[numbers][]"):
            orders = [order for order in orders if str(order.id) == number_wanted]
        orders.sort(key=lambda order: -order.id)
        pages = -(-len(orders) // limit)
        return Reply(
            {
                "success": True,
                "pagination": {"limit": limit, "currentPage": number, "totalPageCount": pages},
                "orders": [self._order(order) for order in orders[(number - 1) * limit : number * limit]],
            }
        )

    def write(self, asked: Asked) -> Reply:
        order = self.with_key(asked.path.removeprefix("/api/v5/orders/").removesuffix("/edit"))
        form = asked.content
        if order is None or form["by"] != "id" or form["site"] != "app":
            return Reply({"success": False, "errorMsg": "Not found"}, 404)
        status = form["order"]["status"]
        if status not in self.titles:
            errors = {"status": f'"{status}" does not exist'}
            return Reply({"success": False, "errorMsg": "Errors in the entity format", "errors": errors}, 400)
        self.change(order.id, status)
        return Reply({"success": True, "id": order.id + 1000, "order": self._order(order)})

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
