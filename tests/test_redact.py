"""No secret passes the redactor, in whichever spelling it arrives."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.redact import Redactor


@pytest.mark.parametrize("secret", ["p@ss/w0rd", "100%25", "па роль", 'q"uo\\te', "line\nbreak", "a+b c"])
def test_a_secret_is_masked_in_every_spelling(secret: str) -> None:
    redact = Redactor([secret])
    spellings = [
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    ]
    assert [redact(f"before {spelling} after") for spelling in spellings] == ["before *** after"] * len(spellings)


def test_encoded_secret_is_masked_in_decoded_form_too() -> None:
    assert Redactor(["p%40ss%2Fw0rd"])("login p@ss/w0rd failed") == "login *** failed"


def test_longest_secret_goes_first_and_leaves_no_rest() -> None:
    assert Redactor(["token", "token-1234"])("a token-1234 b token c") == "a *** b *** c"


def test_a_secret_too_short_to_hide_is_left() -> None:
    assert Redactor(["abc", ""])("abcdef") == "abcdef"


def test_special_characters_of_regular_expressions_are_taken_literally() -> None:
    assert Redactor(["a.c*(x"])("abc a.c*(x") == "abc ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mysql+pymysql://u:pw@h/db", "mysql+pymysql://u:***@h/db"),
        ("(postgres://u:p@w@h:5/db?x=1)", "(postgres://u:***@h:5/db?x=1)"),
        ('{"a":"redis://:pw@h","b":"x@y"}', '{"a":"redis://:***@h","b":"x@y"}'),
        ("http://u:a@h, http://u:b@h", "http://u:***@h, http://u:***@h"),
        ("proxy HTTP://U:PW@h:3128", "proxy HTTP://U:***@h:3128"),
    ],
)
def test_unlisted_password_in_a_url_is_masked(text: str, shown: str) -> None:
    assert Redactor([])(text) == shown


@pytest.mark.parametrize("text", ["https://h:80/a@b", "https://user@h/x", "see https://h/x, mail a:b@h", "10:30 @home"])
def test_what_is_no_password_is_left(text: str) -> None:
    assert Redactor([])(text) == text


@given(st.lists(st.text("ab%2c@", min_size=4)), st.text("ab%2c@ "))
def test_whatever_the_secrets_none_is_left(secrets: list[str], text: str) -> None:
    shown = Redactor(secrets)(" ".join([text, *secrets, text]))
    assert not [secret for secret in secrets if secret in shown]
