"""The query of a database's URL: arguments of its driver, by the driver's own names.

To an argument that it does not know, or cannot read, a driver raises an error that does not say what to do; and those
of JDBC, PHP and ODBC are often copied. So they are checked before anything connects. No value is repeated, because it
may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_YES_OR_NO = ("true", "false", "yes", "no", "on", "off", "y", "n", "t", "f", "1", "0")
_REPEATABLE = ("host", "port", "options")
_LEAVE_IT_OUT = "leave it out"
_ZONE = "leave it out; SYNCD_SOURCE__TIMEZONE says in which zone the shop writes its times"
_LIMITS = "leave it out: syncd has limits of its own"
_USER = "write the user before the host, user:password@host"
_DATABASE = "write the database behind the host, host/database"
_ANYWHERE: Mapping[str, str] = {
    **dict.fromkeys(("servertimezone", "connectiontimezone", "sessiontimezone", "timezone"), _ZONE),
    **dict.fromkeys(("connecttimeout", "sockettimeout", "logintimeout", "querytimeout", "pooltimeout"), _LIMITS),
    **dict.fromkeys(("username", "uid"), _USER),
    **dict.fromkeys(("pwd",), "write the password before the host, user:password@host"),
    **dict.fromkeys(("databasename", "database", "db"), _DATABASE),
}
"""Names that other drivers use, in lower case and without _ and - -> what to write instead."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver and the arguments that a URL may give it.

    takes     their names
    numbers   those of them that are whole numbers -> the minimum of each
    choices   those that are one of a few words -> these words
    instead   names of other drivers -> what to write instead
    """

    name: str
    takes: frozenset[str]
    numbers: Mapping[str, int] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MYSQL_TLS = "leave it out: TLS is used where the server has it, and ssl_ca=FILE insists on it"
PYMYSQL = Driver(
    "PyMySQL",
    _words(
        "user password database unix_socket charset collation sql_mode read_default_file read_default_group use_unicode"
        " client_flag init_command connect_timeout read_timeout write_timeout local_infile bind_address program_name"
        " server_public_key ssl_ca ssl_capath ssl_cert ssl_cipher ssl_key ssl_key_password ssl_check_hostname"
        " ssl_disabled ssl_verify_cert ssl_verify_identity"
    ),
    numbers={"connect_timeout": 1, "read_timeout": 1, "write_timeout": 1, "client_flag": 0},
    choices=dict.fromkeys(("use_unicode", "local_infile", "ssl_check_hostname"), _YES_OR_NO),
    instead={
        **_ANYWHERE,
        **dict.fromkeys(
            ("usessl", "ssl", "sslmode", "requiressl", "tls", "verifyservercertificate", "trustservercertificate"),
            _MYSQL_TLS,
        ),
        **dict.fromkeys(("characterencoding", "encoding", "useunicode"), "write charset=utf8mb4"),
        "allowpublickeyretrieval": "leave it out: the driver asks the server for its key by itself",
        "zerodatetimebehavior": "leave it out: such dates are read as none",
        "socket": "write unix_socket=PATH",
    },
)
PSYCOPG = Driver(
    "psycopg",
    _words(
        "service user password passfile channel_binding connect_timeout dbname host hostaddr port client_encoding"
        " options application_name fallback_application_name keepalives keepalives_idle keepalives_interval"
        " keepalives_count tcp_user_timeout sslmode sslnegotiation sslcompression sslcert sslkey sslcertmode"
        " sslpassword sslrootcert sslcrl sslcrldir sslsni requirepeer require_auth ssl_min_protocol_version"
        " ssl_max_protocol_version gssencmode krbsrvname gsslib gssdelegation target_session_attrs load_balance_hosts"
    ),
    numbers={
        "connect_timeout": 0,
        **dict.fromkeys(
            ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"), 0
        ),
    },
    choices={
        "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        "channel_binding": ("disable", "prefer", "require"),
        "gssencmode": ("disable", "prefer", "require"),
        "sslnegotiation": ("postgres", "direct"),
        "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    },
    instead={
        **_ANYWHERE,
        **dict.fromkeys(("usessl", "ssl", "sslmode", "requiressl", "tls"), "write sslmode=require, or sslmode=disable"),
        **dict.fromkeys(("charset", "characterencoding", "encoding"), "write client_encoding=utf8"),
        **dict.fromkeys(("currentschema", "schema", "searchpath"), "write options=-csearch_path%3DSCHEMA"),
        "applicationname": "write application_name=NAME",
        "tcpkeepalive": "leave it out: it is on",
    },
)
SQLITE = Driver(
    "sqlite3",
    _words("uri timeout check_same_thread cached_statements mode cache immutable vfs psow nolock modeof"),
    numbers={"timeout": 0, "cached_statements": 0},
    choices={
        **dict.fromkeys(("uri", "check_same_thread", "immutable", "psow", "nolock"), _YES_OR_NO),
        "mode": ("ro", "rw", "rwc", "memory"),
        "cache": ("shared", "private"),
    },
)
PYMSSQL = Driver(
    "pymssql",
    _words("charset appname encryption tds_version read_only conn_properties use_datetime2"),
    instead={
        **_ANYWHERE,
        **dict.fromkeys(("encrypt", "usessl", "ssl"), "write encryption=require, or encryption=off"),
        "driver": "leave it out: syncd reads SQL Server through pymssql, not ODBC",
        "applicationname": "write appname=NAME",
    },
)
DRIVERS = {"mysql": PYMYSQL, "mariadb": PYMYSQL, "postgresql": PSYCOPG, "sqlite": SQLITE, "mssql": PYMSSQL}
"""By the kind of database. Oracle's driver takes several hundred, and says itself which ones it does not know."""


def check_arguments(url: URL) -> None:
    """ValueError: the driver does not take an argument of the URL; the text says what to write instead, if known."""
    driver = DRIVERS.get(url.get_backend_name())
    if driver is None:
        return
    strange = [name for name in url.query if name not in driver.takes]
    if strange:
        advice = "; ".join(f"{_safe(name)} ({_instead(driver, name)})" for name in strange)
        raise ValueError(f"holds what its driver, {driver.name}, does not take: {advice}")
    for fault in _faults(driver, url.query):
        raise ValueError(fault)


def _instead(driver: Driver, name: str) -> str:
    plain = re.sub(r"[_-]", "", name).lower()
    if known := driver.instead.get(plain):
        return known
    near = get_close_matches(plain, driver.takes, n=1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else _LEAVE_IT_OUT


def _faults(driver: Driver, query: Mapping[str, str | tuple[str, ...]]) -> Iterator[str]:
    for name, value in query.items():
        if not isinstance(value, str):
            if name not in _REPEATABLE:
                yield f"holds {name} more than once"
            continue
        least = driver.numbers.get(name)
        if least is not None and not (re.fullmatch(r"[0-9]{1,7}", value) and int(value) >= least):
            yield f"holds a {name} that is no whole number of at least {least}"
        choices = driver.choices.get(name)
        if choices and value.lower() not in choices:
            yield f"holds a {name} that is none of {', '.join(choices)}"
        if driver is PYMYSQL and name == "charset" and not _is_mysql_charset(value):
            yield "holds a charset that MySQL does not know; write charset=utf8mb4"


def _is_mysql_charset(name: str) -> bool:
    from pymysql.charset import charset_by_name  # noqa: PLC0415 - the driver, which most commands need not load

    return charset_by_name(name) is not None


def _safe(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z][\w.-]{0,40}", name) else "an argument with an odd name"
