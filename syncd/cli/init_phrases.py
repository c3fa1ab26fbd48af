"""What `syncd init` says, in English and Russian. A phrase's key is its English text. Errors and the doctor's findings
are in English, as in every command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

CommandLanguage: TypeAlias = Literal["en", "ru"]

RUSSIAN = {
    "Number": "Номер",
    # init_source.py
    "There is no shop in {where}. Its folder, the URL of its database or API": (
        "В {where} магазина нет. Его каталог, URL базы данных или адрес API"
    ),
    "Several shops are there. Which one?": "Магазинов несколько. Который?",
    "Found: {preset} in {folder}": "Найден магазин: {preset} в {folder}",
    "{file} computes the {name} in line {line} ({written}); type it": (
        "{file} вычисляет {name} в строке {line} ({written}); введите значение"
    ),
    "{file} does not name the {name}; type it": "В {file} не указано {name}; введите значение",
    "The URL of the database: mysql://user:password@host/database": (
        "URL базы данных: mysql://user:password@host/database"
    ),
    "The prefix {prefix} is not in the database {name}. These shops are; which one is it?": (
        "Таблиц с префиксом {prefix} в базе {name} нет. Есть эти магазины; который из них ваш?"
    ),
    "Several shops are in the database {name}. Which one is it?": "В базе {name} несколько магазинов. Который?",
    "Which platform answers at {host}?": "Какая платформа отвечает по адресу {host}?",
    "The address of the API, as `syncd presets {name}` shows it": (
        "Адрес API в том виде, в каком его показывает `syncd presets {name}`"
    ),
    "The user of the API": "Пользователь API",
    "The key, token or password of the API (it is not shown)": "Ключ, токен или пароль API (не отображается)",
    "In which language do buyers read the names of statuses?": "На каком языке покупатели читают названия статусов?",
    "In which time zone does the shop write its times? A wrong one finds changes hours late": (
        "В каком часовом поясе магазин пишет время? С неверным изменения находятся на часы позже"
    ),
    "Which number of an order does the app know? The orders that changed last have": (
        "Какой номер заказа знает приложение? У последних изменённых заказов"
    ),
    # init_login.py
    "The password of {user} (it is not shown)": "Пароль {user} (не отображается)",
    "The password of {user} (it is not shown or kept; empty: none)": (
        "Пароль {user} (не отображается и не сохраняется; пусто — без пароля)"
    ),
    "syncd should have a login of its own, which only reads. Who creates it?": (
        "Нужна отдельная учётная запись, которая только читает. Кто её создаст?"
    ),
    "syncd creates it, with a login that may: {user}": "syncd, от имени {user}, которому это можно",
    "I create it myself: show me the statements": "я сам: покажите команды",
    "nobody: use the shop's own login, which may write": "никто: взять учётную запись магазина, которой можно писать",
    "Run these statements, then press Enter": "Выполните эти команды и нажмите Enter",
    # init_preview.py
    "The settings in {file}": "Настройки в {file}",
    "What syncd check says; three orders are shown as they would be pushed": (
        "Что говорит syncd check; три заказа показаны так, как они ушли бы в IMSHOP"
    ),
    "The shop's statuses, for the statuses file; IMSHOP's are guesses, check each": (
        "Статусы магазина, для файла статусов; статусы IMSHOP — догадки, проверьте каждую"
    ),
    "code": "код",
    "text": "название",
    "orders": "заказов",
    "IMSHOP's status": "статус IMSHOP",
    "To let buyers cancel orders in the app, add these; docs/cancellations.md says more": (
        "Чтобы покупатели отменяли заказы в приложении, добавьте; подробнее в docs/cancellations.md"
    ),
    "Only orders with these statuses are then cancelled: {codes}": "Отменяются только заказы в статусах: {codes}",
    "The login that will be created; it only reads these tables": (
        "Будет создана учётная запись, которая только читает эти таблицы"
    ),
    # init_statuses.py
    "Use the statuses file {file}, which is there? It stays as it is": (
        "Взять файл статусов {file}, который уже есть? Он останется как есть"
    ),
    "Write this list to {file}? IMSHOP's answers are then checked against it; correct the guesses": (
        "Записать этот список в {file}? С ним будут сверяться ответы IMSHOP; догадки исправьте"
    ),
    "The list goes to {file}, and {setting} names it": "Список пойдёт в {file}, его назовёт {setting}",
    "The statuses file is not written: the shop's statuses cannot be read": (
        "Файл статусов не записан: статусы магазина не читаются"
    ),
    "Written by syncd init. The daemon reads it again when it changes; docs/behaviour.md has all that may stand here.\n"
    "imshop is a guess by code and text: what IMSHOP is expected to show. Its answers are checked against it. Correct "
    'each.\nmessage = "..." in a status is the text that buyers get where the shop gives none.': (
        "Записано syncd init. Изменения служба видит сама; всё, что здесь бывает, — в docs/ru/install.md.\n"
        "imshop — догадка по коду и названию: чем статус должен стать в IMSHOP. С ней сверяются его ответы. Исправьте "
        'каждую.\nmessage = "..." у статуса — текст для покупателя, если магазин своего не даёт.'
    ),
    # init_command.py
    "IMSHOP's URL, from IMSHOP's manager (it is not shown)": "Адрес IMSHOP, от менеджера IMSHOP (не отображается)",
    "IMSHOP's key (it is not shown; empty: none)": "Ключ IMSHOP (не отображается; пусто — без ключа)",
    "The carrier's page of a parcel, with {place} in it (empty: none)": (
        "Страница перевозчика о посылке, с {place} внутри (пусто — нет)"
    ),
    "A dry run: nothing was changed.": "Пробный прогон: ничего не изменено.",
    "There is a fault above. Correct it first; --force writes the file all the same.": (
        "Выше есть ошибка (fault). Сначала исправьте её; с --force файл запишется и так."
    ),
    "Write it all the same?": "Всё равно записать?",
    "Write {file}?": "Записать {file}?",
    "{file} is as it should be already": "{file} уже такой, как нужно",
    "Created the login {name}": "Создана учётная запись {name}",
    "Written: {file}": "Записан файл {file}",
    "The old file is {kept}; `syncd init --undo` puts it back": (
        "Прежний файл — {kept}; `syncd init --undo` вернёт его на место"
    ),
    "Start {service} now and at each boot? Its first run tells nobody": (
        "Запустить {service} сейчас и при каждой загрузке? Первый запуск никого не уведомит"
    ),
    "Next:": "Дальше:",
    "Next, in two terminals:": "Дальше, в двух терминалах:",
    "{file} is as it was before; what it was is now {kept}": "{file} снова прежний; заменённый файл — {kept}",
    "If syncd init created the login {name}, drop it:": "Если учётную запись {name} создала syncd init, удалите её:",
}


def language_of(environ: Mapping[str, str]) -> CommandLanguage:
    """The terminal's language, by the locale."""
    locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "ru" if locale.lower().startswith("ru") else "en"


class Phrases:
    """Phrases in one language."""

    def __init__(self, language: CommandLanguage) -> None:
        self.language = language

    def __call__(self, phrase: str, **values: object) -> str:
        said = RUSSIAN[phrase] if self.language == "ru" else phrase
        return said.format(**values) if values else said
