"""InSales: always the first page, from an order on that is shown again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from tests.presets.apis.platform import MOSCOW, PHONE, UUID, ApiPlatform, Asked, Placed, Reply, basic


class InSales(ApiPlatform):
    preset = "insales"
    login: ClassVar = {"AUTH": "basic:identifier:a-password"}
    header = basic("identifier", "a-password")
    codes = ("novyy", "oplachen", "v-puti", "vypolnen", "otmenyon")
    names: ClassVar = {
        "novyy": "Новый",
        "oplachen": "Оплачен",
        "v-puti": "В пути",
        "vypolnen": "Выполнен",
        "otmenyon": "Отменён",
    }
    orders_path = "/admin/orders.json"
    list_path = "/admin/custom_statuses.json"
    limit = (500, 300.0)
    waits = (Reply({"error": "too many"}, 503, {"Retry-After": "45", "API-Usage-Limit": "500/500"}), 45.0)

    def key(self, number: int) -> str:
        return str(number + 1000)

    def dictionary(self) -> Any:
        return [{"permalink": code, "title": title, "system_status": "new"} for code, title in self.titles.items()]

    def page(self, asked: Asked) -> Reply:
        limit = min(int(asked.params.get("per_page", 50)), 100)
        start = (datetime.fromisoformat(asked.params["updated_since"]), int(asked.params.get("from_id", 0)))
        orders = [order for order in self.orders.values() if (_cut(order.changed), order.id + 1000) >= start]
        orders = [order for order in orders if not order.draft]
        orders.sort(key=lambda order: (order.changed, order.id))
        return Reply([self._order(order) for order in orders[:limit]], headers={"API-Usage-Limit": "1/500"})

    def one(self, asked: Asked) -> Reply:
        order = self._at(asked.path)
        return Reply(self._order(order)) if order else Reply({}, 404)

    def write(self, asked: Asked) -> Reply:
        order, status = self._at(asked.path), asked.content["order"]["custom_status_permalink"]
        if order is None:
            return Reply({}, 404)
        if status not in self.titles:
            return Reply({"errors": {"custom_status": ["не найден"]}}, 422)
        self.change(order.id, status)
        return Reply(self._order(order))

    def _at(self, path: str) -> Placed | None:
        return self.with_key(path.removeprefix("/admin/orders/").removesuffix(".json"))

    def _order(self, order: Placed) -> dict[str, Any]:
        return {
            "id": int(self.key(order.id)),
            "number": order.id,
            "updated_at": order.changed.astimezone(MOSCOW).isoformat(timespec="milliseconds"),
            "custom_status": {"permalink": order.status, "title": self.titles[order.status]},
            "fulfillment_status": "declined" if order.status == self.codes[4] else "new",
            "financial_status": "paid" if order.paid else "pending",
            "client": {"id": 77, "phone": PHONE},
            "fields_values": [
                {"handle": "imshop_uuid", "name": "UUID", "value": UUID},
                {"field_id": 7, "name": "tracking_number", "value": order.tracking},
            ],
        }


def _cut(when: datetime) -> datetime:
    return when - timedelta(microseconds=when.microsecond % 1000)
