"""What a server says when it does not do what was asked: whether its answer is an error, and the message in it.

No format is agreed on. Servers report errors under HTTP 200 too, under dozens of names, in English or Russian.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# Names of JSON members, as `normalized_name` writes them, and values under them.
_MESSAGES = re.compile(
    r"(odata)?(errors?|faults?|exceptions?|ошибк[аи])|"
    r"(error|err|fault)?(msg|messages?|text|description|details?|reason|string|value|title)|сообщение|описание"
)
_ERRORS = re.compile(r"(odata)?(errors?|faults?|exceptions?|ошибк[аи])|err(or)?(msg|message|text)|haserrors?|iserror")
_SUCCESSES = frozenset({"success", "succeeded", "successful", "issuccess", "ok"})
_OUTCOMES = frozenset({"status", "result", "state"})
_FAILURES = frozenset(
    {"error", "fail", "failed", "failure", "fault", "nok", "denied", "forbidden", "unauthorized", "unauthenticated"}
    | {"ошибка"}
)
_CODES = frozenset({"code", "status", "statuscode", "httpcode", "httpstatus", "responsecode", "errorcode", "errcode"})
_ERROR_STATUS = re.compile(r"4(?!04)\d\d|5\d\d")
"""An HTTP status written into the answer. Not 404: beside a list of orders it says that the list is empty."""
_NO_ERROR = frozenset(
    {"", "0", "-", "no", "none", "null", "false", "ok", "success", "successful", "no error", "no errors"}
    | {"нет", "нет ошибок", "ошибок нет", "без ошибок", "успешно"}
)
_FALSE = (False, 0, "0", "false", "no")
_DEEPEST = 4


def reports_error(content: Any) -> bool:
    """Whether a JSON document, at its top or one level below, says that the request failed."""
    return isinstance(content, dict) and (
        any(_is_error(normalized_name(name), value) for name, value in content.items())
        or any(
            _is_error(normalized_name(name), value)
            for inner in content.values()
            if isinstance(inner, dict)
            for name, value in inner.items()
        )
    )


def message_in_text(text: str) -> str:
    """The error message in a body, else the whole body, with letters in place of `\\u` escapes."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return message_in(content)


def message_in(content: Any) -> str:
    """The error message in a JSON document, else the whole document."""
    if found := error_messages(content):
        return found
    try:
        return json.dumps(content, ensure_ascii=False)
    except RecursionError:
        return "what is nested too deeply to be told"


def error_messages(content: Any) -> str:
    """All texts that stand under names such as `message`, joined; empty: there are none."""
    return "; ".join(dict.fromkeys(_messages(content, _DEEPEST)))


def normalized_name(name: object) -> str:
    """The name of a JSON member in one spelling: `errorMsg`, `error_msg` and `Error-Msg` are the same."""
    return re.sub(r"[\W_]", "", str(name)).lower()


def _is_error(name: str, value: Any) -> bool:
    if name in _SUCCESSES:
        return (value.lower() if isinstance(value, str) else value) in _FALSE
    if name in _CODES and isinstance(value, int | str) and _ERROR_STATUS.fullmatch(str(value)):
        return True
    if name in _OUTCOMES:
        return value is False or (isinstance(value, str) and value.lower() in _FAILURES)
    return bool(_ERRORS.fullmatch(name)) and _says_something(value, _DEEPEST)


def _says_something(value: Any, depth: int) -> bool:
    match value:
        case dict() if depth:
            return any(_says_something(one, depth - 1) for one in value.values())
        case list() if depth:
            return any(_says_something(one, depth - 1) for one in value)
        case str():
            return value.strip().lower() not in _NO_ERROR
    return bool(value)


def _messages(content: Any, depth: int) -> Iterator[str]:
    match content:
        case str() if content.strip():
            yield content.strip()
        case list() if depth:
            for one in content:
                yield from _messages(one, depth - 1)
        case dict() if depth:
            named = [value for name, value in content.items() if _MESSAGES.fullmatch(normalized_name(name))]
            for value in named:
                yield from _messages(value, depth - 1)
            if not named and depth < _DEEPEST:  # a form's faults come under the names of its fields
                for name, value in content.items():
                    yield from (f"{name}: {text}" for text in _messages(value, depth - 1))
