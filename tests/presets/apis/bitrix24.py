"""Bitrix24's REST: the key in the path, 50 a page whatever is asked for, `next` as long as there are more."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from tests.presets.apis.platform import MOSCOW, PHONE, UUID, ApiPlatform, Asked, Placed, Reply

KEY = "n3v7qk1hd0x2abcd"
_PAGE = 50
_TIME = {"start": 1721724354.2, "duration": 0.5, "operating": 0, "operating_reset_at": 1721724954}


class BitrixRest(ApiPlatform):
    """`listed`: where orders stand in an answer. `changes`: what they are asked by."""

    login: ClassVar = {}
    header = ("", "")
    unknown_login = 401
    limit = (50, 25.0)
    waits = (Reply({"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}, 503), 1.0)
    listed: ClassVar[str]
    changes: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.url = f"{self.server}/rest/1/{KEY}"

    def admits(self, asked: Asked) -> Reply | None:
        if asked.path.startswith(f"/rest/1/{KEY}/"):
            return None
        return Reply({"error": "INVALID_CREDENTIALS", "error_description": f"Bad key in {asked.path}"}, 401)

    def page(self, asked: Asked) -> Reply:
        if fault := self.fault(asked.params):
            return Reply({"error": "INVALID_ARG_VALUE", "error_description": fault}, 400)
        orders = [order for order in self.orders.values() if self.shows(order, asked.params)]
        if asked.params.get(f"order[{self.changes}]", "").upper() == "ASC":
            orders.sort(key=lambda order: (order.changed, order.id))
        start = int(asked.params.get("start", 0)) // _PAGE * _PAGE
        more = {"next": start + _PAGE} if len(orders) > start + _PAGE else {}
        shown = [self.order(order) for order in orders[start : start + _PAGE]]
        return Reply({"result": {self.listed: shown}, "total": len(orders), **more, "time": _TIME})

    def fault(self, params: Mapping[str, str]) -> str | None:
        known = {f"filter[{name}]" for name in (f">={self.changes}", *self.filters())}
        unknown = [name for name in params if name.startswith("filter[") and name not in known]
        since = params.get(f"filter[>={self.changes}]")
        if since and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", since):
            return f"Invalid filter: field '{self.changes}' has invalid value"
        return f"Invalid filter: field '{unknown[0]}' is not allowed in filter" if unknown else None

    def shows(self, order: Placed, params: Mapping[str, str]) -> bool:
        since = datetime.fromisoformat(params.get(f"filter[>={self.changes}]", "1970-01-01T00:00:00+00:00"))
        shown = {name: str(value) for name, value in self.order(order).items()}
        wanted = {name: params.get(f"filter[{name}]") for name in self.filters()}
        fits = all(value is None or shown[name] == value for name, value in wanted.items())
        return order.changed >= since and fits

    def write(self, asked: Asked) -> Reply:
        order, fields = self.with_key(asked.content["id"]), asked.content["fields"]
        if order is None:
            return Reply({"error": "NOT_FOUND", "error_description": "Element not found"}, 400)
        self.change(order.id, self.cancelled_by(fields))
        return Reply({"result": {self.listed.removesuffix("s"): self.order(order)}, "time": _TIME})

    @abstractmethod
    def filters(self) -> tuple[str, ...]:
        """What orders may be asked by, beside the time of their change."""

    @abstractmethod
    def order(self, order: Placed) -> dict[str, Any]:
        """As it is shown."""

    @abstractmethod
    def cancelled_by(self, fields: Mapping[str, Any]) -> str:
        """The status that these fields give an order."""

    @staticmethod
    def said(when: datetime) -> str:
        return when.astimezone(MOSCOW).isoformat(timespec="seconds")


class Bitrix24(BitrixRest):
    preset = "bitrix24"
    codes = ("NEW", "PREPARATION", "EXECUTING", "WON", "LOSE")
    names: ClassVar = {
        "NEW": "Новая",
        "PREPARATION": "Подготовка документов",
        "EXECUTING": "В работе",
        "WON": "Сделка успешна",
        "LOSE": "Сделка провалена",
    }
    orders_path = f"/rest/1/{KEY}/crm.item.list"
    list_path = f"/rest/1/{KEY}/crm.status.list"
    paid_with = "pay-7"
    listed = "items"
    changes = "updatedTime"

    def dictionary(self) -> Any:
        entity = self.asked[-1].params["filter[ENTITY_ID]"]
        prefix = "" if entity == "DEAL_STAGE" else f"C{entity.removeprefix('DEAL_STAGE_')}:"
        return {
            "result": [
                {"ID": "1", "ENTITY_ID": entity, "STATUS_ID": f"{prefix}{code}", "NAME": name, "SEMANTICS": None}
                for code, name in self.titles.items()
            ],
            "total": len(self.titles),
            "time": _TIME,
        }

    def filters(self) -> tuple[str, ...]:
        return "id", "originId", "categoryId", "UF_CRM_NUMBER"

    def fault(self, params: Mapping[str, str]) -> str | None:
        return super().fault(params) if params.get("entityTypeId") == "2" else "Smart process not found"

    def cancelled_by(self, fields: Mapping[str, Any]) -> str:
        return str(fields["stageId"])

    def order(self, order: Placed) -> dict[str, Any]:
        return {
            "id": order.id,
            "title": f"Сделка {order.id}",
            "createdTime": self.said(order.changed),
            "updatedTime": self.said(order.changed),
            "categoryId": 9 if order.draft else 0,
            "stageId": order.status,
            "stageSemanticId": "P",
            "companyId": 0,
            "contactId": 77,
            "contactIds": [77],
            "originId": f"app-{order.id}",
            "UF_CRM_NUMBER": f"N{order.id}",
            "UF_CRM_IMSHOP_UUID": UUID,
            "UF_CRM_TRACKING": order.tracking or "",
            "UF_CRM_PAYMENT_ID": "pay-7" if order.paid else "",
            "UF_CRM_PHONE": PHONE,
            "entityTypeId": 2,
        }


class BitrixShop(BitrixRest):
    """sale.order.list, which only an administrator may ask."""

    preset = "bitrix-api"
    codes = ("N", "P", "S", "F", "CANCELED")
    names: ClassVar = {
        "N": "Принят, ожидается оплата",
        "P": "Оплачен, формируется к отправке",
        "S": "Отправлен",
        "F": "Выполнен",
        "CANCELED": "Отменён",
    }
    orders_path = f"/rest/1/{KEY}/sale.order.list"
    list_path = f"/rest/1/{KEY}/sale.statusLang.list"
    tracks = False
    listed = "orders"
    changes = "dateUpdate"

    def key(self, number: int) -> str:
        return str(number + 1000)

    def dictionary(self) -> Any:
        names = {**self.titles, "CANCELED": None}
        listed = [
            {"statusId": code, "lid": lid, "name": name if lid == "ru" else code, "description": ""}
            for lid in ("ru", "en")
            for code, name in names.items()
            if name
        ]
        return {"result": {"statusLangs": listed}, "total": len(listed), "time": _TIME}

    def filters(self) -> tuple[str, ...]:
        return "id", "accountNumber"

    def cancelled_by(self, fields: Mapping[str, Any]) -> str:
        return "CANCELED" if fields["canceled"] == "Y" else self.codes[0]

    def order(self, order: Placed) -> dict[str, Any]:
        cancelled = order.status == "CANCELED"
        return {
            "id": int(self.key(order.id)),
            "accountNumber": None if order.draft else str(order.id),
            "statusId": "N" if cancelled else order.status,
            "canceled": "Y" if cancelled else "N",
            "payed": "Y" if order.paid else "N",
            "dateUpdate": self.said(order.changed),
            "userId": 77,
            "lid": "s1",
            "xmlId": UUID,
        }
