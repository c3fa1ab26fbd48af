"""1C:Enterprise over OData: a part of all documents, by `$skip` and `$top`; XML unless it is asked for JSON."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from tests.presets.apis.platform import UUID, ApiPlatform, Asked, Placed, Reply, basic


class OData(ApiPlatform):
    preset = "1c-odata"
    login: ClassVar = {"AUTH": "basic:Читатель:пароль"}
    header = basic("Читатель", "пароль")
    codes = ("НаСогласовании", "КОбеспечению", "КОтгрузке", "Закрыт", "Отменен")
    names: ClassVar = {}
    orders_path = "/base/odata/standard.odata/Document_ЗаказКлиента"
    list_path = None
    waits = (Reply({"odata.error": {}}, 503, {"Retry-After": "5"}), 5.0)
    user = None
    follows = False

    def __init__(self) -> None:
        super().__init__()
        self.url += "/base"

    def key(self, number: int) -> str:
        return f"11d7-{number}"

    def dictionary(self) -> Any:
        raise AssertionError("there is no list of statuses")

    def page(self, asked: Asked) -> Reply:
        if asked.params.get("$format") != "json" or not {"$orderby", "$filter"} & asked.params.keys():
            return Reply(b"<feed/>")
        if wanted := re.fullmatch(r"(Ref_Key eq guid|Number eq )'(.*)'", asked.params.get("$filter", "")):
            named = "Ref_Key" if wanted[1].startswith("Ref_Key") else "Number"
            documents = [self._document(order) for order in self.orders.values()]
            return Reply({"odata.metadata": "…", "value": [one for one in documents if one[named] == wanted[2]]})
        start = int(asked.params["$skip"])
        orders = sorted(self.orders.values(), key=lambda order: order.id)[start : start + int(asked.params["$top"])]
        return Reply({"odata.metadata": "…", "value": [self._document(order) for order in orders]})

    def write(self, asked: Asked) -> Reply:
        wanted = re.fullmatch(rf"{self.orders_path}\(guid'(.*)'\)", asked.path)
        order = self.with_key(wanted[1]) if wanted else None
        if order is None:
            return Reply({"odata.error": {"message": {"lang": "ru", "value": "Экземпляр сущности не найден"}}}, 404)
        self.change(order.id, asked.content["Статус"])
        return Reply(self._document(order))

    def _document(self, order: Placed) -> dict[str, Any]:
        return {
            "Ref_Key": self.key(order.id),
            "Number": str(order.id),
            "Posted": not (order.draft and order.id % 2),
            "DeletionMark": order.draft and not order.id % 2,
            "Статус": order.status,
            "ТрекНомер": order.tracking or "",
            "IMSHOP_UUID": UUID,
        }
