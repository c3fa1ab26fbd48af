"""IMSHOP's own statuses, and which of them a shop's status probably is, by its name or code, in Russian or English.

Pure. IMSHOP keeps the real table for each merchant. This is a guess: `syncd statuses --suggest` shows it to a person,
and the sandbox answers with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

IMSHOP_STATUSES = (
    "placed",
    "processing",
    "ready_to_dispatch",
    "dispatched",
    "ready_for_pickup",
    "delivered",
    "done",
    "closed",
    "canceled",
)
"""In the order in which an order goes through them; `closed`: ended without purchase."""

_NOT_WAITED_FOR = r"^(?!.*(await|waiting|ожида|ждет))"
_PREFIX = re.compile(r"^(wc-|c\d+:)")
"""Of WooCommerce's codes, and of those of a pipeline in Bitrix24."""
# The first pattern that matches decides, so the longer phrase stands above the word in it: "awaiting pickup" is above
# "awaiting".
_PATTERNS: Sequence[tuple[str, str]] = (
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
    """One of IMSHOP's statuses, or None. The name counts before the code; a code that is a number or a single letter
    says nothing."""
    return _by_words(name or "") or (_by_words(code) if re.search(r"[^\W\d_]{2}", code) else None)


def _by_words(text: str) -> str | None:
    words = re.sub(r"[\W_]+", " ", _PREFIX.sub("", text.lower()).replace("ё", "е")).strip()
    return next((status for status, pattern in _PATTERNS if words and re.search(pattern, words)), None)


_BITRIX_LETTERS = {
    "n": "placed",
    "a": "placed",
    "p": "processing",
    "o": "processing",
    "dn": "processing",
    "s": "dispatched",
    "df": "dispatched",
    "h": "ready_for_pickup",
    "d": "delivered",
    "f": "done",
    "c": "done",
    "r": "canceled",
}
"""Bitrix's codes, and those letters of CS-Cart's that Bitrix does not use. Other platforms may mean something else."""


def sandbox_status(code: str) -> str:
    """The status that the sandbox answers for a code: there is always one, as IMSHOP always has one."""
    return suggestion(code, None) or _BITRIX_LETTERS.get(code.lower(), "processing")
