"""Suggestions for the statuses of the platforms as they come, in Russian and English."""

from __future__ import annotations

import pytest

from syncd.imshop.statuses import _PATTERNS, IMSHOP_STATUSES, sandbox_status, suggestion

NAMES = {
    "placed": (
        *("Новый", "Принят", "Принят, ожидается оплата", "Ожидание", "Ожидает оплаты", "Ожидается оплата", "Открыт"),
        *(
            "Не обработан",
            "Неоплачен",
            "Unpaid",
            "Оформлен",
            "New",
            "Pending",
            "Pending payment",
            "Awaiting check payment",
            "Placed",
        ),
    ),
    "processing": (
        *("В обработке", "Оплачен", "Оплачен, формируется к отправке", "Подтверждён", "Комплектуется", "Собирается"),
        *("На удержании", "Платеж принят", "Платёж получен", "Передан в комплектацию", "В работе", "Processing"),
        *("Payment accepted", "Processing in progress", "On hold", "On backorder (paid)", "Accepted", "Confirmed"),
    ),
    "ready_to_dispatch": (
        *("Укомплектован", "Собран", "Ожидает отправки", "Готов к отправке", "Передан в службу доставки"),
        *("Передан курьеру", "Комплектация завершена", "Ready to ship", "Awaiting shipment", "Assembled"),
    ),
    "dispatched": (
        *(
            "Отправлен",
            "Отгружен",
            "В пути",
            "Доставляется",
            "Shipped",
            "Partially shipped",
            "In transit",
            "Dispatched",
        ),
        "Out for delivery",
    ),
    "ready_for_pickup": (
        *(
            "Готов к выдаче",
            "Ожидает в пункте выдачи",
            "Доставлен в ПВЗ",
            "Прибыл в магазин",
            "Готов",
            "Ждет получения",
        ),
        *("Ready for pickup", "Ready for collection", "Awaiting pick-up"),
    ),
    "delivered": ("Доставлен", "Вручен", "Delivered"),
    "done": ("Выполнен", "Завершён", "Выдан", "Получен", "Complete", "Completed", "Done"),
    "closed": ("Возврат", "Возвращён", "Закрыт", "Refunded", "Closed", "Returned", "Возвращены средства"),
    "canceled": (
        *(
            "Отменён",
            "Отменено",
            "Отказ",
            "Аннулирован",
            "Недозвон",
            "Не доставлен",
            "Ошибка оплаты",
            "Не удался",
            "Canceled",
        ),
        *("Cancelled", "Failed", "Declined", "Payment error", "Not delivered"),
    ),
}
CODES = {
    "new": "placed",
    "wc-processing": "processing",
    "on-hold": "processing",
    "client-confirmed": "processing",
    "assembling": "processing",
    "assembling-complete": "ready_to_dispatch",
    "send-to-delivery": "ready_to_dispatch",
    "delivering": "dispatched",
    "ready_for_pickup": "ready_for_pickup",
    "packed": "ready_for_pickup",
    "complete": "done",
    "cancel-other": "canceled",
    "no-product": "canceled",
    "pending_payment": "placed",
    "holded": "processing",
}
OPENCART = {  # as installed, in English and by ocStore's and others' Russian
    "Pending": "placed",
    "Processing": "processing",
    "Processed": "processing",
    "Shipped": "dispatched",
    "Complete": "done",
    "Canceled": "canceled",
    "Denied": "canceled",
    "Failed": "canceled",
    "Expired": "canceled",
    "Voided": "canceled",
    "Canceled Reversal": "processing",
    "Refunded": "closed",
    "Reversed": "closed",
    "Chargeback": "closed",
    "Ожидание": "placed",
    "В обработке": "processing",
    "Обработано": "processing",
    "Доставлено": "delivered",
    "Сделка завершена": "done",
    "Отменено": "canceled",
    "Отмена и аннулирование": "canceled",
    "Анулированный": "canceled",
    "Отклонено": "canceled",
    "Неудавшийся": "canceled",
    "Неудача": "canceled",
    "Истекло": "canceled",
    "Срок истек": "canceled",
    "Просрочено": "canceled",
    "Возврат": "closed",
    "Возмещенный": "closed",
    "Полностью измененный": "closed",
    "Полный возврат": "closed",
    "Отмена возврата": "processing",
}
PRESTASHOP = {  # as installed and by its payment modules, in English and Russian
    "Awaiting check payment": "placed",
    "Awaiting bank wire payment": "placed",
    "Awaiting PayPal payment": "placed",
    "Awaiting Cash On Delivery validation": "placed",
    "Waiting for payment": "placed",
    "Waiting for Credit Card Payment": "placed",
    "On backorder (not paid)": "placed",
    "On backorder (paid)": "processing",
    "Payment accepted": "processing",
    "Remote payment accepted": "processing",
    "Processing in progress": "processing",
    "Preparation in progress": "processing",
    "Authorized. To be captured by merchant": "processing",
    "Partial payment": "processing",
    "Shipped": "dispatched",
    "Delivered": "delivered",
    "Canceled": "canceled",
    "Payment error": "canceled",
    "Refunded": "closed",
    "Partial refund": "closed",
    "Ожидание платежа по квитанции": "placed",
    "В ожидании оплаты банком": "placed",
    "В ожидании оплаты PayPal": "placed",
    "Ожидается банковский перевод": "placed",
    "Ожидается подтверждение оплаты при доставке": "placed",
    "Ожидает подтверждения наложенного платежа": "placed",
    "Нет в наличии (не оплачен)": "placed",
    "Нет в наличии (оплачен)": "processing",
    "Данного товара нет на складе": "processing",
    "Предзаказ (оплачен)": "processing",
    "Платеж принят": "processing",
    "Удаленный платеж принят": "processing",
    "В процессе подготовки": "processing",
    "В процессе обработки": "processing",
    "Отправлено": "dispatched",
    "Доставлено": "delivered",
    "Отклонено": "canceled",
    "Отменено": "canceled",
    "Ошибка оплаты": "canceled",
    "Возврат денег": "closed",
    "Возмещено": "closed",
    "Частичный возврат": "closed",
}
SHOP_SCRIPT = {
    "Новый": "placed",
    "Подтверждён": "processing",
    "Подтвержден": "processing",
    "Обрабатывается": "processing",
    "Средства заблокированы": "processing",
    "Оплачен": "processing",
    "На сборке": "processing",
    "Отправлен": "dispatched",
    "На выдачу": "ready_for_pickup",
    "Касса": "placed",
    "Выполнен": "done",
    "Возврат": "closed",
    "Удалён": "canceled",
    "Удален": "canceled",
    "New": "placed",
    "Confirmed": "processing",
    "Payment is authorized": "processing",
    "Paid": "processing",
    "Fulfilling": "processing",
    "Sent": "dispatched",
    "For pickup": "ready_for_pickup",
    "POS": "placed",
    "Completed": "done",
    "Refunded": "closed",
    "Deleted": "canceled",
}
BITRIX24 = {  # deals in the general pipeline, as installed
    "Новая": "placed",
    "Подготовка документов": "processing",
    "Счёт на предоплату": "processing",
    "В работе": "processing",
    "Финальный счёт": "processing",
    "Сделка успешна": "done",
    "Сделка провалена": "canceled",
    "Анализ причины провала": "canceled",
    "New": "placed",
    "Document preparation": "processing",
    "Prepayment invoice": "processing",
    "In progress": "processing",
    "Final invoice": "processing",
    "Deal successful": "done",
    "Deal won": "done",
    "Deal failed": "canceled",
    "Deal lost": "canceled",
    "Failure reason analysis": "canceled",
}
BITRIX = {
    "Принят, ожидается оплата": "placed",
    "Оплачен, формируется к отправке": "processing",
    "Отправлен": "dispatched",
    "Отгружен": "dispatched",
    "Выполнен": "done",
    "Отменён": "canceled",
    "Accepted, awaiting payment": "placed",
    "Paid, preparing for shipment": "processing",
    "Finished": "done",
}
MAGENTO = {
    "В ожидании": "placed",
    "Ожидается оплата": "placed",
    "Ожидается оплата PayPal": "placed",
    "Отзыв средств PayPal": "closed",
    "Отзыв средств PayPal отменён": "processing",
    "Проверка оплаты": "processing",
    "Подозрение на мошенничество": "processing",
    "Обработка": "processing",
    "Удержан": "processing",
    "Выполнен": "done",
    "Закрыт": "closed",
    "Отменён": "canceled",
    "Pending": "placed",
    "Pending Payment": "placed",
    "Pending PayPal": "placed",
    "PayPal Reversed": "closed",
    "PayPal Canceled Reversal": "processing",
    "Payment Review": "processing",
    "Suspected Fraud": "processing",
    "Processing": "processing",
    "On Hold": "processing",
    "Complete": "done",
    "Closed": "closed",
    "Canceled": "canceled",
}
CODES_OF_PRESETS = {
    "auth": "processing",
    "fulfilling": "processing",
    "pickup": "ready_for_pickup",
    "pos": "placed",
    "completed": "done",
    "refunded": "closed",
    "deleted": "canceled",
    "NEW": "placed",
    "PREPARATION": "processing",
    "PREPAYMENT_INVOICE": "processing",
    "EXECUTING": "processing",
    "FINAL_INVOICE": "processing",
    "WON": "done",
    "LOSE": "canceled",
    "APOLOGY": "canceled",
    "C9:NEW": "placed",
    "C9:EXECUTING": "processing",
    "C12:WON": "done",
    "C12:LOSE": "canceled",
    "fraud": "processing",
    "paypal_reversed": "closed",
    "paypal_canceled_reversal": "processing",
    "payment_review": "processing",
    "CANCELED": "canceled",
}
WAITED_FOR = (
    *("Awaiting shipment", "Awaiting dispatch", "Awaiting transit", "Waiting to be shipped", "Waiting on delivery"),
    *("Awaiting fulfillment", "Ожидает отправки", "Ожидает отгрузки", "Ждёт доставки", "Подготовка к отправке"),
)


@pytest.mark.parametrize(("name", "expected"), (OPENCART | PRESTASHOP).items())
def test_default_statuses_of_opencart_and_prestashop_are_known(name: str, expected: str) -> None:
    assert suggestion("14", name) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [*SHOP_SCRIPT.items(), *BITRIX24.items(), *BITRIX.items(), *MAGENTO.items()]
)
def test_standard_statuses_of_more_platforms_are_known(name: str, expected: str) -> None:
    assert suggestion("14", name) == expected


@pytest.mark.parametrize("name", WAITED_FOR)
def test_what_is_still_waited_for_is_not_dispatched(name: str) -> None:
    assert suggestion("14", name) in ("placed", "processing", "ready_to_dispatch")


def test_unavailable_product_cancels_and_out_of_stock_waits() -> None:
    assert suggestion("no-product", "Нет в наличии") == "canceled"
    assert suggestion("9", "Нет на складе") == "processing"


@pytest.mark.parametrize(("expected", "name"), [(status, name) for status, names in NAMES.items() for name in names])
def test_a_common_name_is_known(expected: str, name: str) -> None:
    assert suggestion("7", name) == expected


@pytest.mark.parametrize(("code", "expected"), (CODES | CODES_OF_PRESETS).items())
def test_common_code_is_known_without_a_name(code: str, expected: str) -> None:
    assert suggestion(code, None) == expected


def test_the_name_counts_before_the_code() -> None:
    assert suggestion("new", "Отправлен") == "dispatched"


@pytest.mark.parametrize("code", ["N", "F", "7", "", "DF"])
def test_letter_or_number_gets_no_suggestion(code: str) -> None:
    assert suggestion(code, None) is None


def test_meaningless_name_gets_no_suggestion() -> None:
    assert suggestion("x-17", "Особый случай") is None
    assert suggestion("C9:UC_KN8KFI", "Счастье") is None


def test_only_what_imshop_has_is_suggested() -> None:
    assert {status for status, _ in _PATTERNS} == {*IMSHOP_STATUSES}


@pytest.mark.parametrize(
    ("code", "status"),
    [("shipped", "dispatched"), ("wc-completed", "done"), ("N", "placed"), ("DF", "dispatched"), ("17", "processing")],
)
def test_sandbox_has_a_status_for_every_code(code: str, status: str) -> None:
    assert sandbox_status(code) == status
