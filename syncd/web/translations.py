"""The page in English and Russian: phrases, durations, moments. A phrase's key is its English text."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["en", "ru"]

RUSSIAN = {
    # verdict.py
    "Statuses reach buyers": "Статусы доходят до покупателей",
    "Statuses reach buyers, but something needs attention": "Статусы доходят, но есть замечания",
    "Statuses do not reach buyers": "Статусы не доходят до покупателей",
    "The state cannot be read": "Состояние не читается",
    "Fix this first: nothing is pushed without the state": "Начните с этого: без состояния ничего не отправляется",
    "This daemon has a fault": "Неполадка в этой службе",
    "Read its log": "Посмотрите журнал службы",
    "Another daemon polls and pushes; this one stands by": "Работает другая служба, эта — в резерве",
    "Nothing to do: this one takes over if the other fails": "Ничего делать не нужно: если та откажет, эта её заменит",
    "The shop cannot be read": "Магазин не читается",
    "Run syncd check. The next poll tries again": "Выполните syncd check. Следующий опрос попробует снова",
    "No poll has ended yet": "Ни один опрос ещё не завершён",
    "Wait: the first poll reads every order": "Подождите: первый опрос читает все заказы",
    "The last poll was long ago": "Последний опрос был давно",
    "Check that the daemon runs": "Проверьте, работает ли служба",
    "Delivery is paused": "Отправка приостановлена",
    "Delivery is paused: IMSHOP does not accept the key": "Отправка приостановлена: IMSHOP не принимает ключ",
    "Delivery is paused: IMSHOP cannot be reached": "Отправка приостановлена: IMSHOP недоступен",
    "Delivery is paused: no TLS connection to IMSHOP": "Отправка приостановлена: не удаётся TLS-соединение с IMSHOP",
    "Delivery is paused: IMSHOP's address has moved": "Отправка приостановлена: адрес IMSHOP изменился",
    "Delivery is paused: IMSHOP does not answer": "Отправка приостановлена: IMSHOP не отвечает",
    "Nothing is lost: the changes are sent once IMSHOP accepts them again": (
        "Ничего не потеряно: изменения уйдут сами, когда IMSHOP снова начнёт их принимать"
    ),
    "A change has been waiting for a long time": "Изменение долго ждёт отправки",
    "See IMSHOP's answers: syncd changes --state pending": (
        "Посмотрите, что отвечает IMSHOP: syncd changes --state pending"
    ),
    "Cancellations without a decision: {count}": "Отмены без решения: {count}",
    "See: syncd cancellations. Fix the cause, then run: syncd cancellations retry ID": (
        "Посмотрите: syncd cancellations. Устраните причину, затем: syncd cancellations retry ID"
    ),
    "Held changes wait for your decision: {count}": "Изменения задержаны и ждут вашего решения: {count}",
    "See: syncd changes --state held. Then run syncd release or syncd discard --held": (
        "Посмотрите: syncd changes --state held. Затем syncd release или syncd discard --held"
    ),
    "Dead changes, never delivered to IMSHOP: {count}": "Изменения, о которых IMSHOP так и не узнал: {count}",
    "See: syncd changes --state dead. Then run syncd retry --all-dead or syncd discard --all-dead": (
        "Посмотрите: syncd changes --state dead. Затем syncd retry --all-dead или syncd discard --all-dead"
    ),
    "Orders missing from the shop, none of them forgotten: {count}": (
        "Заказы пропали из магазина, ни один не забыт: {count}"
    ),
    "If they are really gone, run: syncd release": "Если их действительно больше нет, выполните: syncd release",
    "It is not known whether orders are gone": "Не удалось выяснить, пропали ли заказы",
    "Nothing to do: the next full compare finds out": "Ничего делать не нужно: это выяснит следующая полная сверка",
    # templates
    "Order number": "Номер заказа",
    "Find": "Найти",
    "No connection to syncd: this page is out of date": "Нет связи с syncd: данные устарели",
    "since {at}": "с {at}",
    "{span} ago": "{span} назад",
    "never": "ни разу",
    "last push {ago}": "последняя отправка: {ago}",
    "last poll {ago}": "последний опрос: {ago}",
    "Lag now": "Задержка сейчас",
    "Lag, last 24 hours": "Задержка за 24 часа",
    "from the change in the shop to IMSHOP's answer": "от изменения в магазине до ответа IMSHOP",
    "median of the last hour": "медиана за последний час",
    "no pushes in the last hour": "за последний час отправок нет",
    "median; 95 % within {span}": "медиана; 95 % — не дольше {span}",
    "no pushes": "отправок нет",
    "Pushed, last 24 hours": "Отправлено за 24 часа",
    "Lag in each half-hour: from shortest to longest, median marked": (
        "Задержка за каждые полчаса: от наименьшей до наибольшей, отмечена медиана"
    ),
    "24 h ago": "24 ч назад",
    "now": "сейчас",
    "Changes not delivered to IMSHOP": "Изменения, о которых IMSHOP не знает",
    "Waiting": "Ждут",
    "Held": "Задержаны",
    "Refused": "Отказано",
    "Dead": "Не доставлены",
    "oldest: {span}": "самое старое: {span}",
    "none": "нет",
    "Orders tracked": "Отслеживаемых заказов",
    "Last changes": "Последние изменения",
    "Last polls": "Последние опросы",
    "No changes yet": "Изменений ещё не было",
    "No polls yet": "Опросов ещё не было",
    "Order": "Заказ",
    "Status": "Статус",
    "What became of it": "Что с ним стало",
    "IMSHOP's answer": "Ответ IMSHOP",
    "Status at IMSHOP": "Статус в IMSHOP",
    "Detected": "Обнаружено",
    "When": "Когда",
    "Kind": "Вид",
    "Rows": "Строк",
    "Changes": "Изменения",
    "Result": "Результат",
    "incremental": "обычный",
    "full": "полная сверка",
    "ok": "успешно",
    "new order": "новый заказ",
    "Times are those of the server, {zone}": "Время сервера, {zone}",
    "metrics": "метрики",
    "Overview": "Обзор",
    "Order {id}": "Заказ {id}",
    "Neither the shop nor syncd knows this order": "Этого заказа нет ни в магазине, ни в syncd",
    "In the shop now": "Сейчас в магазине",
    "Seen by syncd": "Что syncd видел раньше",
    "Cancelled in the app": "Отменён в приложении",
    "Reason": "Причина",
    "accepted": "принята",
    "received": "получена",
    "failed": "не удалась",
    "Attempts": "Попытки",
    "Change": "Изменение",
    "next try {at}": "следующая попытка {at}",
    "The newest {count} are shown": "Показаны последние {count}",
    # states of a change, results of an attempt
    "pending": "ждёт",
    "held": "задержано",
    "delivered": "доставлено",
    "superseded": "заменено новым",
    "refused": "отказано",
    "dead": "не доставлено",
    "discarded": "отброшено",
    "retry": "будет повтор",
    "paused": "пауза",
    "unsent": "не отправлено",
    # explain.py
    "order_id": "номер",
    "status": "статус",
    "tracking": "отслеживание",
    "tracking_url": "страница отслеживания",
    "paid": "оплачен",
    "payment_id": "платёж",
    "message": "название статуса",
    "updated_at": "изменён",
    "imshop_uuid": "UUID в IMSHOP",
    "shop_id": "ключ в магазине",
    "number before": "прежний номер",
    "shop's own key": "ключ в магазине",
    "last seen as": "в последний раз",
    "IMSHOP knows": "известно IMSHOP",
    "acknowledged status": "подтверждённый статус",
    "acknowledged at": "когда подтверждён",
    "IMSHOP's UUID": "UUID в IMSHOP",
    "first seen": "впервые замечен",
    "last changed": "последнее изменение",
    "missing since": "не виден с",
    "the shop shows no such order": "магазин такого заказа не показывает",
    "not known: never pushed, or it is not clear whether a push arrived": (
        "неизвестно: не сообщалось, или неясно, дошла ли отправка"
    ),
    "yes": "да",
    "no": "нет",
    "not paid": "не оплачен",
    "payment": "платёж",
}
_UNITS: dict[Language, tuple[str, str, str, str]] = {
    "en": ("d", "h", "min", "s"),
    "ru": ("дн", "ч", "мин", "с"),
}


class Translator:
    """Phrases and times in one language. `_` in the templates."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, phrase: str, **values: object) -> str:
        """The phrase, translated and filled in. One that RUSSIAN does not list stays as it is."""
        said = RUSSIAN.get(phrase, phrase) if self.language == "ru" else phrase
        return said.format(**values) if values else said

    def span(self, seconds: float) -> str:
        """A duration in its two greatest units."""
        day, hour, minute, second = _UNITS[self.language]
        if seconds < 9.95 and seconds != int(seconds):
            return f"{max(0.0, seconds):.1f} {second}"
        whole = max(0, round(seconds))
        if whole < 60:
            return f"{whole} {second}"
        if whole < 3600:
            return _pair(whole, 60, minute, second)
        if whole < 86400:
            return _pair(whole // 60, 60, hour, minute)
        return _pair(whole // 3600, 24, day, hour)

    def moment(self, at: datetime, now: datetime) -> str:
        """In the server's time zone; with the date if it is not today."""
        local = at.astimezone()
        return f"{local:%H:%M:%S}" if local.date() == now.astimezone().date() else f"{local:%Y-%m-%d %H:%M}"

    def ago(self, at: datetime | None, now: datetime) -> str:
        return self("never") if at is None else self("{span} ago", span=self.span(round((now - at).total_seconds())))


def _pair(amount: int, base: int, great: str, small: str) -> str:
    whole, rest = divmod(amount, base)
    return f"{whole} {great} {rest} {small}" if rest and whole < 10 else f"{whole} {great}"
