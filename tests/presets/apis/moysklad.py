"""MoySklad, JSON API 1.2: nothing without gzip, what is expanded up to 100 rows, milliseconds to wait."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from tests.presets.apis.platform import MOSCOW, PHONE, UUID, ApiPlatform, Asked, Placed, Reply

_GZIP = {"Content-Encoding": "gzip"}
_UNKNOWN = Reply({"errors": [{"error": "Объект с типом 'customerorder' не найден", "code": 1021}]}, 404)


class MoySklad(ApiPlatform):
    preset = "moysklad"
    login: ClassVar = {"AUTH": "bearer:a-token-of-an-employee"}
    header = ("Authorization", "Bearer a-token-of-an-employee")
    codes = tuple(f"7c3e0000-0000-0000-0000-00000000000{number}" for number in range(5))
    names: ClassVar = dict(zip(codes, ("Новый", "Оплачен", "Отгружен", "Доставлен", "Отменён"), strict=True))
    orders_path = "/api/remap/1.2/entity/customerorder"
    list_path = "/api/remap/1.2/entity/customerorder/metadata"
    limit = (11, 3.0)
    waits = (Reply({"errors": [{"code": 1049}]}, 429, {"X-Lognex-Retry-After": "2500"}), 2.5)
    user = "79000000000"
    paid_with = "P-1"

    def __init__(self) -> None:
        super().__init__()
        self.attributes: dict[str, Any] = {}

    def key(self, number: int) -> str:
        return f"8d4f-{number}"

    def dictionary(self) -> Any:
        return {"attributes": {}, "states": [{"id": code, "name": name} for code, name in self.titles.items()]}

    def _reply(self, asked: Asked) -> Reply:
        if "gzip" not in asked.headers.get("accept-encoding", ""):
            return Reply({"errors": [{"code": 1070}]}, 415)
        if asked.headers["accept"] not in ("application/json;charset=utf-8", "*/*"):
            return Reply({"errors": [{"code": 1062}]}, 400)
        reply = super()._reply(asked)
        return Reply(reply.body, reply.status, {**reply.headers, **_GZIP})

    def page(self, asked: Asked) -> Reply:
        limit, offset = int(asked.params.get("limit", 1000)), int(asked.params.get("offset", 0))
        wanted = asked.params["filter"]
        if wanted.startswith("name~="):
            named = [o for o in self.orders.values() if str(o.id).startswith(wanted.removeprefix("name~="))]
            orders = sorted(named, key=lambda o: str(o.id))
        elif asked.params["order"] == "updated,asc" and wanted.startswith("updated>="):
            since = datetime.fromisoformat(wanted.removeprefix("updated>=")).replace(tzinfo=MOSCOW)
            orders = sorted((o for o in self.orders.values() if o.changed >= since), key=lambda o: (o.changed, o.id))
        else:
            return Reply({"errors": [{"code": 1002}]}, 400)
        expanded = asked.params["expand"].split(",") if limit <= 100 else []
        meta: dict[str, Any] = {"size": len(orders), "limit": limit, "offset": offset}
        if offset + limit < len(orders):
            following = urlencode({**asked.params, "offset": offset + limit})
            meta["nextHref"] = f"{self.url}{self.orders_path}?{following}"
        return Reply({"meta": meta, "rows": [self._order(o, expanded) for o in orders[offset : offset + limit]]})

    def one(self, asked: Asked) -> Reply:
        order = self.with_key(asked.path.removeprefix(f"{self.orders_path}/"))
        return Reply(self._order(order, asked.params["expand"].split(","))) if order else _UNKNOWN

    def write(self, asked: Asked) -> Reply:
        order = self.with_key(asked.path.removeprefix(f"{self.orders_path}/"))
        meta = asked.content["state"]["meta"]
        address, _, state = meta["href"].rpartition("/")
        if address != f"https://api.moysklad.ru{self.list_path}/states" or state not in self.titles:
            return Reply({"errors": [{"error": "Объект не найден", "code": 1021}]}, 404)
        if order is None:
            return _UNKNOWN
        self.change(order.id, state)
        return Reply(self._order(order, []))

    def _order(self, order: Placed, expanded: list[str]) -> dict[str, Any]:
        extra: dict[str, Any] = {"IMSHOP UUID": UUID, "Трек-номер": order.tracking}
        extra |= {"ID платежа": "P-1" if order.paid else None} | self.attributes
        state = {"meta": {"href": f"{self.list_path}/states/{order.status}"}}
        named = {"id": order.status, "name": self.titles.get(order.status)} if "state" in expanded else {}
        agent: dict[str, Any] = {"meta": {"href": "…/counterparty/5"}}
        return {
            "id": self.key(order.id),
            "name": str(order.id),
            "updated": order.changed.astimezone(MOSCOW).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            "applicable": not order.draft,
            **({"state": state | named} if order.status else {}),
            "agent": agent | ({"phone": PHONE} if "agent" in expanded else {}),
            "sum": 150000.0,
            "payedSum": 150000.0 if order.paid else 0.0,
            "attributes": [{"name": name, "value": value} for name, value in extra.items() if value],
        }
