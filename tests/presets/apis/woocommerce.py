"""WooCommerce, REST API v3: pages that `Link` leads to, and a bound that leaves out the second it names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from tests.presets.apis.platform import PHONE, UUID, ApiPlatform, Asked, Placed, Reply, basic

_TIME = "%Y-%m-%dT%H:%M:%S"
_UNKNOWN = Reply({"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID."}, 404)


class WooCommerce(ApiPlatform):
    preset = "woocommerce-api"
    login: ClassVar = {"AUTH": "basic:ck_key:cs_secret"}
    header = basic("ck_key", "cs_secret")
    codes = ("pending", "processing", "shipped", "completed", "cancelled")
    names: ClassVar = {
        "pending": "Ожидается оплата",
        "processing": "Обработка",
        "shipped": "Отправлен",
        "completed": "Выполнен",
        "cancelled": "Отменён",
    }
    orders_path = "/wp-json/wc/v3/orders"
    list_path = "/wp-json/wc/v3/reports/orders/totals"
    waits = (Reply({"code": "too_many_requests"}, 429, {"Retry-After": "7"}), 7.0)
    paid_with = "tx-1"

    def __init__(self) -> None:
        super().__init__()
        self.metas: dict[str, Any] = {}
        self.hidden: str | None = None  # a status that is registered with exclude_from_search

    def key(self, number: int) -> str:
        return str(number + 1000)

    def dictionary(self) -> Any:
        statuses = [order.status for order in self.orders.values() if not order.draft]
        return [{"slug": code, "name": name, "total": statuses.count(code)} for code, name in self.titles.items()]

    def page(self, asked: Asked) -> Reply:
        limit, number = int(asked.params.get("per_page", 10)), int(asked.params.get("page", 1))
        if limit > 100 or asked.params["dates_are_gmt"] != "true":
            return Reply({"code": "rest_invalid_param"}, 400)
        since = datetime.strptime(asked.params["modified_after"], _TIME).replace(tzinfo=UTC)
        orders = [order for order in self.orders.values() if order.changed > since and order.status != self.hidden]
        if (asked.params["orderby"], asked.params["order"]) == ("modified", "asc"):
            orders.sort(key=lambda order: (order.changed, order.id))
        links = {"X-WP-Total": str(len(orders))}
        if number * limit < len(orders):
            following = urlencode({**asked.params, "page": number + 1})
            links["Link"] = f'<{self.url}{self.orders_path}?{following}>; rel="next"'
        shown = [_only(asked, self._order(order)) for order in orders[(number - 1) * limit : number * limit]]
        return Reply(shown, headers=links)

    def one(self, asked: Asked) -> Reply:
        order = self.with_key(asked.path.removeprefix(f"{self.orders_path}/"))
        return Reply(self._order(order)) if order else _UNKNOWN

    def write(self, asked: Asked) -> Reply:
        order = self.with_key(asked.path.removeprefix(f"{self.orders_path}/"))
        if order is None:
            return _UNKNOWN
        self.change(order.id, asked.content["status"])
        return Reply(self._order(order))

    def _order(self, order: Placed) -> dict[str, Any]:
        extra = {"_imshop_uuid": UUID, "_tracking_number": order.tracking} | self.metas
        when = order.changed.strftime(_TIME)
        return {
            "id": int(self.key(order.id)),
            "number": str(order.id),
            "status": "checkout-draft" if order.draft else order.status,
            "date_modified_gmt": when,
            "date_paid_gmt": when if order.paid else None,
            "transaction_id": "tx-1" if order.paid else "",
            "customer_id": 77,
            "billing": {"phone": PHONE, "first_name": "Анна"},
            "meta_data": [{"id": 1, "key": key, "value": value} for key, value in extra.items() if value],
        }


def _only(asked: Asked, order: dict[str, Any]) -> dict[str, Any]:
    """The fields that are asked for, if any are."""
    wanted = [name.partition(".") for name in asked.params.get("_fields", "").split(",") if name]
    if not wanted:
        return order
    return {name: {inner: order[name][inner]} if inner else order[name] for name, _, inner in wanted}
