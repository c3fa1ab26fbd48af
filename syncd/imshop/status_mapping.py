"""What IMSHOP would probably map a shop's status to, by its name or code, in Russian or English.

Pure. A guess for a person to check: IMSHOP keeps the table, and the merchant knows what a status means.

IMSHOP's own status for a shop's code.

IMSHOP keeps such a table for every merchant; the sandbox has one for the codes that are common.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NOT_WAITED_FOR = r"^(?!.*(await|waiting|ожида|ждет))"
_PREFIX = re.compile(r"^(wc-|c\d+:)")
"""Of WooCommerce's codes, and of those of a pipeline in Bitrix24."""
# The first that fits counts, so what says more stands above what it contains: "awaiting pickup" is not "awaiting".
_SIGNS: Sequence[tuple[str, str]] = (
    (
        "placed",
        r"(ожида|ждет)\w*( \w+)? (оплат|платеж|перевод|подтвержд)|(await|waiting).*(pay|wire|transfer|valid|confirm)",
    ),
    ("processing", r"cancell?ed reversal|reversal cancell?ed|отмена (возврата|сторно)|(возврат|отзыв).* отмен"),
    ("placed", r"не ?(обработан|подтвержд|оплач)|unpaid|not paid"),
    ("canceled", r"отмен|анн?улир|отказ|отклон|недозвон|не дозвон|невыкуп|не выкуп|не ?уда[лвч]|не доставлен|ошибк"),
    ("canceled", r"истек|просроч|^нет в наличии$|^удален$|провал"),
    ("canceled", r"cancel|declin|fail|denied|void|reject|expired|error|no call|no product|not delivered"),
    ("canceled", r"^deleted|^lose$|^apology$|deal lost"),
    ("closed", r"возврат|возвращ|возмещ|сторн|отзыв|^полностью измененн|refund|return|revers|charge ?back"),
    ("closed", r"^закрыт|^closed"),
    (
        "ready_for_pickup",
        r"((?<!под)готов|ожида|ждет|прибыл|доставлен).*(выдач|самовывоз|получ|пункт|пвз|постамат|магазин)",
    ),
    ("ready_for_pickup", r"(готов|ready)$|at pickup|pick ?up|(ready|awaiting|waiting).*(collect|customer)|^packed$"),
    ("ready_for_pickup", r"^на выдач"),
    ("ready_to_dispatch", r"((?<!под)готов|ожида|ждет|передан|передач).*(отправ|отгруз|доставк|курьер|служб)"),
    ("ready_to_dispatch", r"укомплект|^собран|упакован|комплектация завершена|assembled|assembling complete"),
    ("ready_to_dispatch", r"(ready|awaiting|waiting).*(ship|dispatch|send|fulfil)|send to delivery"),
    ("dispatched", r"^отправлен|отгружен|в пути|доставляется|в доставке|^в службе доставки|частично отправ"),
    ("dispatched", _NOT_WAITED_FOR + r".*(shipped|dispatched|^sent$|transit|on (the|its) way|out for delivery)"),
    ("dispatched", _NOT_WAITED_FOR + r"(delivering|.*(?<!cash )on delivery)"),
    ("delivered", r"доставлен|вручен|delivered"),
    ("processing", r"(платеж|оплата) (принят|получен|прош)|payment (accepted|received)"),
    ("done", r"выполнен|заверш|выдан|получен|выкуплен|исполнен|^готов"),
    ("done", r"^complete|completed|^done|finish|bought|fulfilled"),
    ("done", r"^успешн|сделка успешна|deal (successful|won)|^won$"),
    ("processing", r"обработ|обрабат|подтвержд|оплачен|сборк|собира|комплект"),
    ("processing", r"подготов|нет (на складе|в наличии)|частичная оплата|partial payment"),
    ("processing", r"в работе|формир|удержан|согласов|производств|готовится|предзаказ"),
    ("processing", r"process|confirm|accepted|approved|^paid|prepay|prepar|assembling|authori[sz]ed"),
    ("processing", r"on ?hold|holded|back ?order|in progress|executing|suspected|fraud|review|fulfilling|^auth$"),
    ("processing", r"заблокирован|подозр|проверк|финальный счет|счет на предоплат|final invoice"),
    ("placed", r"^нов|принят|создан|ожида|оформлен|^открыт"),
    ("placed", r"^new|pending|placed|created|await|^open|received|waiting"),
    ("placed", r"^касса$|^pos$"),
)


def suggestion(code: str, name: str | None) -> str | None:
    """One of IMSHOP's statuses, or None. The name counts before the code, and a code of one letter or a number says
    nothing."""
    return _by_words(name or "") or (_by_words(code) if re.search(r"[^\W\d_]{2}", code) else None)


def _by_words(text: str) -> str | None:
    words = re.sub(r"[\W_]+", " ", _PREFIX.sub("", text.lower()).replace("ё", "е")).strip()
    return next((status for status, sign in _SIGNS if words and re.search(sign, words)), None)


# Shop platforms as they come out of the box (Bitrix, RetailCRM, InSales, WooCommerce, CS-Cart, Magento), and the
# words that shops with a software of their own use. Where two platforms disagree on a letter, Bitrix wins.
_CODES = {
    "placed": ("n", "a", "new", "placed", "pending", "created", "open", "received", "новый", "принят"),
    "processing": (
        *("p", "o", "dn", "processing", "accepted", "approved", "confirmed", "client-confirmed", "paid", "prepayed"),
        *("assembling", "on-hold", "holded", "в обработке", "оплачен", "подтвержден", "собирается"),
    ),
    "ready_to_dispatch": (
        *("assembled", "assembling-complete", "ready_to_dispatch", "ready-to-ship", "send-to-delivery"),
        *("комплектация завершена", "передан в доставку", "собран"),
    ),
    "dispatched": (
        *("df", "s", "shipped", "dispatched", "sent", "delivering", "in_transit", "on_the_way", "отправлен"),
        *("доставляется", "в пути"),
    ),
    "ready_for_pickup": ("h", "packed", "ready", "ready_for_pickup", "at_pickup_point", "готов к выдаче"),
    "delivered": ("d", "delivered", "доставлен"),
    "done": ("f", "c", "done", "complete", "completed", "finished", "bought", "выполнен", "завершен", "выдан"),
    "closed": ("closed", "returned", "refunded", "возврат", "закрыт"),
    "canceled": (
        *("r", "cancelled", "canceled", "cancel", "cancel-other", "declined", "failed", "no-call", "no-product"),
        *("отменен", "отмена", "отказ"),
    ),
}
_IMSHOP_STATUS = {code: status for status, codes in _CODES.items() for code in codes}


def imshop_status(code: str) -> str:
    """What IMSHOP would probably map `code` to; a code nobody knows is being processed."""
    return _IMSHOP_STATUS.get(code.lower().removeprefix("wc-").replace("ё", "е"), "processing")
