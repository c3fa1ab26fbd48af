"""Throw-away databases on the real servers that some tests need, and ports for others.

Where a server is missing, its tests are skipped with the reason; under `CI=true` they fail instead.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from random import SystemRandom
from threading import Thread
from uuid import uuid4

import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

DATABASES = ("sqlite", "mariadb", "postgresql")
DROP_POSTGRESQL = "DROP DATABASE {} WITH (FORCE)"
_UNDURABLE = {"postgresql": "ALTER DATABASE {} SET synchronous_commit = off"}
"""Processes die in the tests, servers do not: no commit need wait for the server's disk."""
DROP_MARIADB = "SET lock_wait_timeout = 10\nDROP DATABASE {}"  # a failed test may hold a lock


PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to connections, of which one would take the port of a daemon that restarts."""
_random = SystemRandom()  # Hypothesis seeds the other one, the same in each process


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    for _ in range(100):
        port = _random.choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def postgresql_url() -> str:
    """The SQLAlchemy URL of a PostgreSQL login that may create databases."""
    return os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")


def mariadb_url() -> str:
    """The SQLAlchemy URL of a MariaDB login that may create databases."""
    return os.environ.get("TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test")


@pytest.fixture
def postgresql_database() -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database of the test's own."""
    with throw_away_database(postgresql_url(), drop=DROP_POSTGRESQL) as url:
        yield url


@pytest.fixture
def mariadb_database() -> Iterator[str]:
    """The SQLAlchemy URL of an empty MariaDB database of the test's own."""
    with throw_away_database(mariadb_url(), drop=DROP_MARIADB) as url:
        yield url


@contextmanager
def throw_away_database(server: str, drop: str) -> Iterator[str]:
    """A database that lives as long as the context; `drop`: statements that remove it, one a line, `{}` its name."""
    _require(server)
    name = f"syncd_test_{uuid4().hex[:12]}"
    execute(server, f"CREATE DATABASE {name}", *_UNDURABLE.get(kind_of(server), "").format(name).splitlines())
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        execute(server, *drop.format(name).splitlines())


@contextmanager
def postgresql_without_encoding() -> Iterator[str]:
    """The URL of a PostgreSQL database that takes text for bytes, as one has it whose server was made without a
    locale."""
    with throw_away_database(postgresql_url(), drop=DROP_POSTGRESQL) as url:
        name = f"{make_url(url).database}_ascii"
        made = f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        execute(url, made)
        try:
            yield make_url(url).set(database=name).render_as_string(hide_password=False)
        finally:
            execute(url, DROP_POSTGRESQL.format(name))


@contextmanager
def mysql_without_tls() -> Iterator[str]:
    """The URL of what greets as MySQL 8 without TLS does, and asks for a password by its RSA key."""
    no_tls = 0x000FF7DF & ~0x800
    greeting = b"\x0a8.0.36\0" + b"\1\0\0\0" + b"saltsalt\0" + no_tls.to_bytes(4, "little")[:2] + b"\xff\2\0"
    greeting += no_tls.to_bytes(4, "little")[2:] + b"\x15" + bytes(10) + b"saltsaltsalt\0" + b"caching_sha2_password\0"
    in_full, key = b"\1\4", b"\1-----BEGIN PUBLIC KEY-----"

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    for number, packet in zip((0, 2, 4), (greeting, in_full, key), strict=True):
                        client.sendall(len(packet).to_bytes(3, "little") + bytes([number]) + packet)
                        client.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = Thread(target=serve, args=[listener], daemon=True)
        serving.start()
        try:
            yield f"mysql+pymysql://shop:pw@127.0.0.1:{listener.getsockname()[1]}/shop"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()


def kind_of(url: str) -> str:
    """Which of DATABASES the URL names."""
    name = make_url(url).get_backend_name()
    return "mariadb" if name == "mysql" else name


@contextmanager
def new_login(url: str, *privileges: str) -> Iterator[tuple[str, str]]:
    """A login on the URL's server that has only these privileges, such as `SELECT ON orders`: its name as GRANT takes
    it, and the URL with it."""
    name = f"syncd_{uuid4().hex[:8]}"
    is_mariadb = kind_of(url) == "mariadb"
    grantee = f"'{name}'@'%'" if is_mariadb else name
    execute(url, f"CREATE USER {grantee} IDENTIFIED BY 'pw'" if is_mariadb else f"CREATE ROLE {name} LOGIN")
    try:
        execute(url, *(f"GRANT {privilege} TO {grantee}" for privilege in privileges))
        password = "pw" if is_mariadb else None
        yield grantee, make_url(url).set(username=name, password=password).render_as_string(hide_password=False)
    finally:
        execute(url, *((f"DROP USER {grantee}",) if is_mariadb else (f"DROP OWNED BY {name}", f"DROP ROLE {name}")))


def execute(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own, on a connection of their own."""
    with engine_of(url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))


@lru_cache(maxsize=32)
def engine_of(url: str, **connect_args: str) -> Engine:
    """An engine that keeps no connection. It is kept itself: a new one first asks the server all about itself."""
    return create_engine(url, poolclass=NullPool, connect_args=connect_args)


def _require(server: str) -> None:
    fault = _fault(server)
    if fault is None:
        return
    reason = f"{make_url(server).render_as_string()} cannot be used: {fault}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@cache
def _fault(server: str) -> str | None:
    """What is wrong with the server; None: it answers."""
    try:
        execute(server, "SELECT 1")
    except SQLAlchemyError as error:
        return str(error).splitlines()[0]
    return None
