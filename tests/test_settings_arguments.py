"""What stands behind the ? of a database's URL: what a driver takes is what it is said to take."""

from __future__ import annotations

import inspect

import psycopg
import pymysql
import pytest
from sqlalchemy import make_url

from syncd.settings import urls
from syncd.settings.url_arguments import DRIVERS, PSYCOPG, PYMYSQL, check_arguments
from tests.test_settings import faults, loaded

MYSQL, POSTGRESQL = "mysql://u@h/x?", "postgresql://u@h/x?"


def told(url: str) -> str:
    with pytest.raises(ValueError, match="holds") as caught:
        urls.source_url(url)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (MYSQL + "useSSL=false&serverTimezone=UTC", ["PyMySQL", "useSSL (leave it out", "SYNCD_SOURCE__TIMEZONE"]),
        (MYSQL + "ssl_mode=DISABLED", ["ssl_mode (leave it out"]),
        (MYSQL + "sslMode=REQUIRED", ["sslMode (leave it out", "ssl_ca=FILE"]),
        (MYSQL + "characterEncoding=utf8&useUnicode=true", ["characterEncoding (write charset=utf8mb4", "useUnicode"]),
        (MYSQL + "allowPublicKeyRetrieval=true", ["allowPublicKeyRetrieval (leave it out"]),
        (MYSQL + "serverVersion=8.0.32", ["serverVersion (leave it out)"]),
        (MYSQL + "Charset=utf8mb4", ["Charset (did you mean charset?)"]),
        (MYSQL + "conect_timeout=5", ["conect_timeout (did you mean connect_timeout?)"]),
        (MYSQL + "charset=nonsense", ["a charset that MySQL does not know; write charset=utf8mb4"]),
        (MYSQL + "charset=UTF-8", ["write charset=utf8mb4"]),
        (MYSQL + "connect_timeout=abc", ["connect_timeout that is no whole number of at least 1"]),
        (MYSQL + "read_timeout=0", ["read_timeout that is no whole number"]),
        (MYSQL + "local_infile=maybe", ["local_infile that is none of true, false"]),
        (MYSQL + "charset=utf8&charset=utf8", ["charset more than once"]),
        (MYSQL + "%D1%8F%20b=1", ["an argument with an odd name (leave it out)"]),
        (POSTGRESQL + "charset=utf8", ["psycopg", "charset (write client_encoding=utf8)"]),
        (POSTGRESQL + "ssl_mode=require", ["ssl_mode (write sslmode=require, or sslmode=disable)"]),
        (POSTGRESQL + "currentSchema=s", ["currentSchema (write options=-csearch_path%3DSCHEMA)"]),
        (POSTGRESQL + "sslmode=DISABLED", ["sslmode that is none of disable, allow"]),
        (POSTGRESQL + "connect_timeout=1s", ["connect_timeout that is no whole number"]),
        ("sqlite:///x?timeout=abc", ["timeout that is no whole number"]),
        ("sqlite:///x?mode=readonly&uri=true", ["mode that is none of ro, rw"]),
        ("mssql://u@h/x?driver=ODBC+Driver+18", ["pymssql", "not ODBC"]),
    ],
)
def test_unknown_driver_argument_is_named_with_a_remedy(url: str, named: list[str]) -> None:
    fault = told(url)
    assert [part for part in named if part not in fault] == []


@pytest.mark.parametrize("variable", ["SYNCD_SOURCE__URL", "SYNCD_STATE__URL", "SYNCD_CANCEL__DATABASE_URL"])
def test_each_url_of_a_database_is_looked_at(variable: str) -> None:
    (fault,) = faults(**{variable: "postgresql://u:s3cr3t@h/x?useSSL=s3cr3t"})
    assert fault.startswith(f"{variable}: holds what its driver, psycopg, does not take: useSSL")
    assert "s3cr3t" not in fault


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u@h/x?charset=utf8mb4&unix_socket=/run/mysqld.sock&ssl_ca=/etc/ca.pem&read_timeout=60",
        "postgresql:///x?host=/run/postgresql&options=-csearch_path%3Ds&sslmode=require&application_name=shop",
        "postgresql://u@/x?host=a&host=b&target_session_attrs=primary",
        "sqlite:////srv/shop.db?mode=ro&uri=true&timeout=5",
        "oracle://u@h/?service_name=x&anything=1",
    ],
)
def test_what_the_driver_takes_is_taken(url: str) -> None:
    assert urls.source_url(url)


def test_drivers_accept_every_argument_listed_for_them() -> None:
    for_sqlalchemy = {"ssl_capath", "ssl_cipher", "ssl_check_hostname"}
    assert PYMYSQL.takes - for_sqlalchemy <= {*inspect.signature(pymysql.connect).parameters}
    libpq = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    assert PSYCOPG.takes <= libpq | {"gssdelegation", "load_balance_hosts", "require_auth", "sslcertmode"}
    for driver in DRIVERS.values():
        assert {*driver.numbers, *driver.choices} <= driver.takes


def test_unknown_database_may_have_any_arguments() -> None:
    check_arguments(make_url("oracle+oracledb://h/?whatever=1"))
    assert loaded(SYNCD_SOURCE__URL="oracle://h/?whatever=1")
