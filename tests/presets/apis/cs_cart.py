"""CS-Cart: no bound in time, and behind the last page the last page again. Version 1 of its API gives bare lists."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.presets.apis.platform import PHONE, ApiPlatform, Asked, Placed, Reply, basic


class CsCart(ApiPlatform):
    preset = "cs-cart-api"
    login: ClassVar = {"AUTH": "basic:reader@shop.example:a-key"}
    header = basic("reader@shop.example", "a-key")
    codes = ("O", "P", "A", "C", "I")
    names: ClassVar = {"O": "Открыт", "P": "Оплачен", "A": "Отправлен", "C": "Выполнен", "I": "Аннулирован"}
    orders_path = "/api/orders"
    list_path = "/api/statuses"
    waits = (Reply({"message": "Too many requests"}, 429, {"Retry-After": "3"}), 3.0)
    tracks = False
    uuid = False
    follows = False

    def dictionary(self) -> Any:
        return {
            "statuses": [
                {"status_id": str(number), "status": code, "type": "O", "description": name}
                for number, (code, name) in enumerate([*self.titles.items(), ("N", "Незавершённый")])
            ]
        }

    def page(self, asked: Asked) -> Reply:
        size = int(asked.params.get("items_per_page", 10))
        orders = sorted(self.orders.values(), key=lambda order: order.id)
        number = min(int(asked.params.get("page", 1)), -(-len(orders) // size))
        shown = [self._order(order) for order in orders[(number - 1) * size : number * size]]
        return Reply({"orders": shown, "params": {"page": number, "total_items": str(len(orders))}})

    def one(self, asked: Asked) -> Reply:
        order = self.with_key(asked.path.removeprefix("/api/orders/"))
        return Reply(self._order(order)) if order else Reply({"message": "Not Found", "status": 404}, 404)

    def write(self, asked: Asked) -> Reply:
        """It says yes to whatever it is asked."""
        key = asked.path.removeprefix("/api/orders/")
        if order := self.with_key(key):
            self.change(order.id, asked.content["status"])
        return Reply({"order_id": key})

    def _order(self, order: Placed) -> dict[str, Any]:
        return {
            "order_id": str(order.id),
            "is_parent_order": "Y" if order.draft and order.id % 2 else "N",
            "status": "T" if order.draft and not order.id % 2 else order.status,
            "timestamp": str(int(order.changed.timestamp())),
            "user_id": "77",
            "phone": PHONE,
        }


class CsCartV1(CsCart):
    def dictionary(self) -> Any:
        return super().dictionary()["statuses"]

    def page(self, asked: Asked) -> Reply:
        return Reply(super().page(asked).body["orders"])
