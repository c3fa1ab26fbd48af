"""The page in English and Russian: phrases, durations, moments. A phrase's key is its English text."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from syncd.text import short_span

Language: TypeAlias = Literal["en", "ru"]

RUSSIAN = {
    # verdict.py
    "Statuses reach buyers": "Статусы доходят до покупателей",
    "Statuses reach buyers, but something needs attention": "Статусы доходят, но есть замечания",
    "Statuses do not reach buyers": "Статусы не доходят до покупателей",
    "The state cannot be read: nothing is polled or pushed": "Состояние не читается: нет ни опросов, ни отправки",
    "The state cannot be written: nothing is polled or pushed": (
        "Состояние не записывается: нет ни опросов, ни отправки"
    ),
    "Mend this first; syncd check says more. Then it goes on by itself": (
        "Начните с этого; подробности скажет syncd check. Дальше работа продолжится сама"
    ),
    "The state's file was deleted or replaced: what the daemon finds out is lost when it ends": (
        "Файл состояния удалён или заменён: всё, что служба узнает, потеряется, когда она остановится"
    ),
    "If no file is there, put a backup there, else a new baseline is taken. Then: sudo systemctl restart syncd": (
        "Если файла нет, верните его из копии, иначе учёт начнётся заново. Затем: sudo systemctl restart syncd"
    ),
    "The daemon has a fault": "Неполадка в службе",
    "Read its log: journalctl -u syncd. Then restart it: sudo systemctl restart syncd": (
        "Посмотрите её журнал: journalctl -u syncd. Затем перезапустите: sudo systemctl restart syncd"
    ),
    "This daemon stands by": "Эта служба — в резерве",
    "Nothing to do: this one takes over if the other fails": "Ничего делать не нужно: если та откажет, эта её заменит",
    "The daemon works with other settings than are written now": "Служба работает не с теми настройками, что записаны",
    "Try them with syncd check, then restart syncd": "Проверьте их: syncd check, затем перезапустите syncd",
    "The shop cannot be read: what changes there is not seen": "Магазин не читается: изменения в нём не видны",
    "Run syncd check. The next poll tries again; after a change of the settings restart syncd": (
        "Выполните syncd check. Следующий опрос попробует снова; после правки настроек перезапустите syncd"
    ),
    "No poll has ended yet": "Ни один опрос ещё не завершён",
    "Wait: the first poll reads every order. Then see: syncd status": (
        "Подождите: первый опрос читает все заказы. Затем посмотрите: syncd status"
    ),
    "The last poll was long ago": "Последний опрос был давно",
    "Start it: sudo systemctl start syncd, or see that cron runs. If it runs, read its log: journalctl -u syncd": (
        "Запустите: sudo systemctl start syncd, или проверьте cron. Если служба работает, посмотрите журнал: "
        "journalctl -u syncd"
    ),
    "Orders missing from the shop, none of them forgotten: {count}": (
        "Заказы пропали из магазина, ни один не забыт: {count}"
    ),
    "If they are really gone, run: syncd release": "Если их действительно больше нет, выполните: syncd release",
    "It is not known whether orders are gone": "Не удалось выяснить, пропали ли заказы",
    "Nothing to do: the next full compare finds out. To know it now, run: syncd reconcile": (
        "Ничего делать не нужно: это выяснит следующая полная сверка. Чтобы узнать сейчас, выполните: syncd reconcile"
    ),
    "A new baseline was taken, because the state was lost: nobody is told what changed meanwhile": (
        "Состояние было потеряно, и учёт начат заново: о том, что изменилось за это время, никому не сообщено"
    ),
    "Tell the buyers who should know: syncd resync ORDER. Then accept it: syncd release --baseline": (
        "Сообщите тем, кому нужно: syncd resync ЗАКАЗ. Затем подтвердите: syncd release --baseline"
    ),
    "Delivery is paused": "Отправка приостановлена",
    "Delivery is paused: IMSHOP does not accept the key": "Отправка приостановлена: IMSHOP не принимает ключ",
    "Delivery is paused: IMSHOP cannot be reached": "Отправка приостановлена: IMSHOP недоступен",
    "Delivery is paused: no TLS connection to IMSHOP": "Отправка приостановлена: не удаётся TLS-соединение с IMSHOP",
    "Delivery is paused: IMSHOP's address has moved": "Отправка приостановлена: адрес IMSHOP изменился",
    "Delivery is paused: IMSHOP does not answer": "Отправка приостановлена: IMSHOP не отвечает",
    "Run syncd check. Nothing is lost: the changes are sent once IMSHOP accepts them again": (
        "Выполните syncd check. Ничего не потеряно: изменения уйдут сами, когда IMSHOP снова начнёт их принимать"
    ),
    "Correct SYNCD_IMSHOP__API_KEY or SYNCD_IMSHOP__AUTH, then restart syncd": (
        "Исправьте SYNCD_IMSHOP__API_KEY или SYNCD_IMSHOP__AUTH, затем перезапустите syncd"
    ),
    "Correct SYNCD_IMSHOP__URL, then restart syncd": "Исправьте SYNCD_IMSHOP__URL, затем перезапустите syncd",
    "IMSHOP refused the last {refused} of {pushes} pushes": (
        "IMSHOP ответил отказом на последние {refused} из {pushes} отправок"
    ),
    "IMSHOP refused {refused} of the last {pushes} pushes": (
        "IMSHOP ответил отказом на {refused} из последних {pushes} отправок"
    ),
    "Ask IMSHOP why, or correct the settings and restart syncd. Then push again: syncd retry --refused {since}": (
        "Спросите у IMSHOP, почему, или исправьте настройки и перезапустите syncd. Затем отправьте снова: "
        "syncd retry --refused {since}"
    ),
    "Nothing is delivered, though changes wait": "Ничего не доставляется, хотя изменения ждут",
    "A change has been waiting for a long time": "Изменение долго ждёт отправки",
    "See IMSHOP's answers: syncd changes --state pending": (
        "Посмотрите, что отвечает IMSHOP: syncd changes --state pending"
    ),
    "Held changes wait for your decision: {count}": "Изменения задержаны и ждут вашего решения: {count}",
    "See: syncd changes --state held. Then run syncd release or syncd discard --held": (
        "Посмотрите: syncd changes --state held. Затем syncd release или syncd discard --held"
    ),
    "Changes held, because the statuses file does not list their code: {count}": (
        "Изменения задержаны, потому что их кода нет в файле статусов: {count}"
    ),
    "List the code in {file}: {codes}. Then they go by themselves; see: syncd changes --state held": (
        "Впишите код в {file}: {codes}. Тогда они уйдут сами; посмотреть их: syncd changes --state held"
    ),
    "Changes were given up, and IMSHOP was never told: {count}": "Изменения, о которых IMSHOP так и не узнал: {count}",
    "See: syncd changes --state dead. Then run syncd retry --all-dead or syncd discard --all-dead": (
        "Посмотрите: syncd changes --state dead. Затем syncd retry --all-dead или syncd discard --all-dead"
    ),
    "Cancellations without a decision: {count}": "Отмены без решения: {count}",
    "See: syncd cancellations. Fix the cause, then run: syncd cancellations retry ID": (
        "Посмотрите: syncd cancellations. Устраните причину, затем: syncd cancellations retry ID"
    ),
    "Statuses that IMSHOP shows otherwise than the statuses file expects: {count}": (
        "Статусы, которые IMSHOP показывает не так, как ждёт файл статусов: {count}"
    ),
    "Have IMSHOP map the code, or correct its `imshop` in {file}. Then run: syncd resync {orders}": (
        "Попросите IMSHOP сопоставить код или исправьте его `imshop` в {file}. Затем: syncd resync {orders}"
    ),
    "Rows of the shop cannot be read as orders: {count}": "Строки магазина, которые не читаются как заказы: {count}",
    "Correct these rows in the shop (or the query, and restart syncd). Then run: syncd reconcile": (
        "Исправьте эти строки в магазине (или запрос, и перезапустите syncd). Затем: syncd reconcile"
    ),
    "Rows of the shop are dated in the future, by up to {span}: {count}": (
        "Строки магазина с датой из будущего, самое большее на {span}: {count}"
    ),
    "Changes are found {span} after the time that the shop gives them": (
        "Изменения находятся через {span} после времени, которое даёт магазин"
    ),
    "Changes are found {span} before the time that the shop gives them": (
        "Изменения находятся на {span} раньше времени, которое даёт магазин"
    ),
    "Run syncd check. Correct SYNCD_SOURCE__TIMEZONE or the shop's clock, then restart syncd": (
        "Выполните syncd check. Исправьте SYNCD_SOURCE__TIMEZONE или часы магазина, затем перезапустите syncd"
    ),
    "Nothing was delivered for {span}; before, this shop changed nothing for {longest} at most": (
        "Уже {span} ничего не доставлено; раньше в магазине ничего не менялось не дольше {longest}"
    ),
    "If orders did change in the shop, run: syncd check. Then run: syncd reconcile": (
        "Если заказы в магазине менялись, выполните: syncd check. Затем: syncd reconcile"
    ),
    "Polls take longer than their interval: {seconds} s, each {interval} s": (
        "Опросы идут дольше своего интервала: {seconds} с при интервале {interval} с"
    ),
    "Run syncd check: the cursor's column may lack an index. Or raise SYNCD_POLL__INTERVAL, then restart syncd": (
        "Выполните syncd check: столбцу времени может не хватать индекса. Или увеличьте SYNCD_POLL__INTERVAL и "
        "перезапустите syncd"
    ),
    "IMSHOP's certificate has ended": "Сертификат IMSHOP истёк",
    "IMSHOP's certificate ends in {span}": "Сертификат IMSHOP истекает через {span}",
    "Ask IMSHOP to renew it. See it with: syncd check": "Попросите IMSHOP обновить его. Посмотреть: syncd check",
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
    "Took": "Длился",
    "in {span}": "за {span}",
    "whole answer": "ответ целиком",
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
    "In the shop now": "Сейчас в магазине",
    "Seen by syncd": "Что syncd видел раньше",
    "Cancelled in the app": "Отменён в приложении",
    "Reason": "Причина",
    "accepted": "принята",
    "received": "получена",
    "failed": "не удалась",
    "Attempts": "Попытки",
    "Change": "Изменение",
    "next attempt": "следующая попытка",
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
    "guard": "предохранителем",
    "counting": "до конца опроса",
    # explain.py
    "The buyer sees what the shop says": "Покупатель видит то же, что в магазине",
    "The buyer does not see what the shop says": "Покупатель видит не то, что в магазине",
    "It is not certain that the buyer sees what the shop says": "Неясно, видит ли покупатель то же, что в магазине",
    "Neither the shop nor syncd knows this order": "Этого заказа нет ни в магазине, ни в syncd",
    "Did you mean": "Может быть",
    "The shop says": "В магазине",
    "IMSHOP was told": "IMSHOP сообщено",
    "The buyer reads": "Покупатель читает",
    "never; taken as known: {content}": "ни разу; считается известным: {content}",
    "not known": "неизвестно",
    "IMSHOP shows": "IMSHOP показывает",
    "The shop cannot be asked, so this is what was seen last": (
        "Магазин не отвечает, поэтому показано то, что было видно в последний раз"
    ),
    "The shop does not show this order any more": "Магазин больше не показывает этот заказ",
    "syncd has not seen this order yet: the next poll that finds it decides": (
        "syncd ещё не видел этого заказа: всё решит первый опрос, который его найдёт"
    ),
    "The shop changed it without its timestamp, still {at}: polls pass it by, a full compare finds it": (
        "Магазин изменил заказ, но не время изменения ({at}): опросы его пропускают, найдёт полная сверка"
    ),
    "The shop changed it since the last good poll, {at}; the next one finds it": (
        "Магазин изменил заказ после последнего удачного опроса, {at}; изменение найдёт следующий"
    ),
    "The statuses file skips the code {code}: IMSHOP is not told": (
        "Файл статусов пропускает код {code}: IMSHOP о нём не сообщается"
    ),
    "IMSHOP refused it, so this buyer was not told: {error}. Once IMSHOP knows the order": (
        "IMSHOP отказал, и покупатель не узнал: {error}. Когда IMSHOP узнает заказ"
    ),
    "Given up after {tries:attempt|attempts}, so this buyer was not told: {error}. Once that is mended": (
        "После {tries:попытки|попыток|попыток} отправка прекращена, и покупатель не узнал: {error}. "
        "Когда причина устранена"
    ),
    "Discarded, so this buyer was not told. If that was wrong": (
        "Изменение отброшено, и покупатель не узнал. Если напрасно"
    ),
    "Held since {at}: too many changes came at once. If they are right": (
        "Задержано предохранителем с {at}: сразу слишком много изменений. Если они верны"
    ),
    "Held since {at}: the code {code} is not in the statuses file. List it there, and it goes by itself": (
        "Задержано с {at}: кода {code} нет в файле статусов. Впишите его туда — изменение уйдёт само"
    ),
    "Held since {at}, until its poll is over": "Задержано с {at}, пока не завершится опрос",
    "It is not known what IMSHOP heard last. To tell it again": (
        "Неизвестно, что IMSHOP узнал последним. Сообщить снова"
    ),
    "IMSHOP did not take it in {tries:attempt|attempts}: {error}": (
        "IMSHOP не принял за {tries:попытку|попытки|попыток}: {error}"
    ),
    "It waits to be told since {at}": "Ждёт отправки с {at}",
    "The next attempt is at {at}": "Следующая попытка в {at}",
    "The buyer cancelled it in the app at {at}": "Покупатель отменил заказ в приложении в {at}",
    "It went back to what IMSHOP knows before it was told anything else": (
        "Заказ вернулся к тому, что знает IMSHOP, прежде чем тому сообщили другое"
    ),
    "Taken as known when it was first seen at {at}: IMSHOP was never told. If the app shows another status": (
        "Принято за известное, когда заказ впервые замечен, {at}: IMSHOP ничего не сообщалось. Если в приложении "
        "другой статус"
    ),
    "IMSHOP cannot be told that it is paid: the shop gives no payment id": (
        "Об оплате IMSHOP сообщить нельзя: магазин не называет номер платежа"
    ),
    "IMSHOP was told {code}, and answered that {answered} is in force": (
        "IMSHOP сообщён код {code}, а он ответил, что действует {answered}"
    ),
    "IMSHOP shows {shown} for {code}; the statuses file expects {expected}. Ask IMSHOP to correct its table": (
        "Для кода {code} IMSHOP показывает {shown}, а файл статусов ждёт {expected}. Попросите IMSHOP исправить таблицу"
    ),
    "The shop had changed it without its timestamp, {at}: only a full compare found it, at {found}": (
        "Магазин изменил заказ, но не время изменения ({at}): нашла только полная сверка, {found}"
    ),
    # shop_lookup.py, wording.py
    "another look into the shop is under way; try again in a moment": (
        "магазин как раз спрашивают о другом заказе; повторите через минуту"
    ),
    "the shop does not answer in time; try again later": "магазин не ответил вовремя; повторите позже",
    "told again": "сообщено снова",
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
NBSP = "\xa0"
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
        day, hour, _, second = _UNITS[self.language]
        for name, value in values.items():
            if isinstance(value, timedelta):
                values[name] = short_span(value, (second, hour, day))
        return said.format(**values) if values else said

    def span(self, seconds: float) -> str:
        """A duration in its two greatest units, which no line break takes apart."""
        day, hour, minute, second = _UNITS[self.language]
        if seconds < 9.95 and seconds != int(seconds):
            tenths = f"{max(0.0, seconds):.1f}{NBSP}{second}"
            return tenths.replace(".", ",") if self.language == "ru" else tenths
        whole = max(0, round(seconds))
        if whole < 60:
            return f"{whole}{NBSP}{second}"
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
    greater = f"{whole}{NBSP}{great}"
    return f"{greater}{NBSP}{rest}{NBSP}{small}" if rest and whole < 10 else greater
