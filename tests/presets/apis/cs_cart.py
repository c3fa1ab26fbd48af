"""CS-Cart: behind the last page the last page again. Before 4.15 there is no bound in time and nothing of payments, and
version 1 of its API gives bare lists."""

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
    own: ClassVar = {"PARAMS__PAID": "P,A,C"}
    paid_with: ClassVar[str | None] = "tx-1"
    tracks = False
    uuid = False

    def dictionary(self) -> Any:
        return {
            "statuses": [
                {"status_id": str(number), "status": code, "type": "O", "description": name}
                for number, (code, name) in enumerate([*self.titles.items(), ("N", "Незавершённый")])
            ]
        }

    def page(self, asked: Asked) -> Reply:
        size = int(asked.params.get("items_per_page", 10))
        since = self.bound(asked)
        orders = sorted((o for o in self.orders.values() if o.changed.timestamp() >= since), key=lambda o: o.id)
        number = min(int(asked.params.get("page", 1)), max(1, -(-len(orders) // size)))
        whole = asked.params.get("get_orders_data") == "1"
        shown = [self._order(order, whole=whole) for order in orders[(number - 1) * size : number * size]]
        return Reply({"orders": shown, "params": {"page": number, "total_items": str(len(orders))}})

    def one(self, asked: Asked) -> Reply:
        order = self.with_key(asked.path.removeprefix("/api/orders/"))
        return Reply(self._order(order, whole=True)) if order else Reply({"message": "Not Found", "status": 404}, 404)

    def write(self, asked: Asked) -> Reply:
        """It says yes to whatever it is asked."""
        key = asked.path.removeprefix("/api/orders/")
        if order := self.with_key(key):
            self.change(order.id, asked.content["status"])
        return Reply({"order_id": key})

    def bound(self, asked: Asked) -> float:
        return float(asked.params.get("updated_at_from") or 0)

    def _order(self, order: Placed, *, whole: bool) -> dict[str, Any]:
        more: dict[str, Any] = {"updated_at": str(int(order.changed.timestamp()))}
        if order.paid:
            more["payment_info"] = {"transaction_id": "tx-1"}
        return (more if whole else {}) | {
            "order_id": str(order.id),
            "is_parent_order": "Y" if order.draft and order.id % 2 else "N",
            "status": "T" if order.draft and not order.id % 2 else order.status,
            "timestamp": str(int(order.changed.timestamp())),
            "user_id": "77",
            "phone": PHONE,
        }


class CsCartV1(CsCart):
    own: ClassVar = {"PARAMS__VERSION": "old"}
    follows = False
    paid_with = None

    def bound(self, asked: Asked) -> float:
        return 0

    def _order(self, order: Placed, *, whole: bool) -> dict[str, Any]:
        return super()._order(order, whole=False)

    def dictionary(self) -> Any:
        return super().dictionary()["statuses"]

    def page(self, asked: Asked) -> Reply:
        return Reply(super().page(asked).body["orders"])
