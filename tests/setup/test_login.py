"""The login that only reads, in MariaDB and PostgreSQL: created, refused, and dropped where nothing came of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from syncd.errors import SourceError
from syncd.settings import load, urls
from syncd.settings.presets import preset_named, preset_text
from syncd.setup import env_file, trial
from syncd.setup.database_login import Administrator, LoginRefusedError, ReadLogin, left_login
from syncd.setup.platforms import PLATFORMS, ShopPlatform
from syncd.setup.shop_database import Readable, ShopInDatabase, tables_of_query, wanted_tables
from tests.servers import execute, mysql_without_tls, new_login, postgresql_database, postgresql_without_encoding
from tests.setup.conftest import Run, logins
from tests.setup.shops import OPENCART_SHOP

__all__ = ["postgresql_database"]
SELECT = """-- FROM nowhere
WITH newest AS (SELECT * FROM orders)
SELECT o.number AS order_id, o.state AS status, s.title AS message, o.changed AS updated_at
FROM newest AS o JOIN "states" AS s ON s.code = o.state
"""


def test_tables_of_a_query_are_found() -> None:
    assert [one.table for one in tables_of_query(SELECT)] == ["nowhere", "orders", '"states"']


def test_own_select_is_set_up_in_postgresql(run: Run, postgresql_database: str, tmp_path: Path) -> None:
    """With a login of its own, which may read the tables of the SELECT; run again, it keeps that login."""
    execute(
        postgresql_database,
        "CREATE TABLE orders (number text, state text, changed timestamptz)",
        "CREATE TABLE states (code text, title text)",
        "CREATE TABLE secrets (secret text)",
        "INSERT INTO states VALUES ('new', 'New')",
        "INSERT INTO orders VALUES ('0042', 'new', now())",
    )
    (tmp_path / "orders.sql").write_text(SELECT.partition("\n")[2])
    admin = ("--admin-user", make_url(postgresql_database).username or "")
    given = ("--query-file", tmp_path / "orders.sql", "--yes", "--sandbox", *admin)
    ran = run(postgresql_database, *given)
    try:
        assert ran.exit_code == 0, ran.output
        loaded = load({}, tmp_path / "out.env")
        url = loaded.found["SYNCD_SOURCE__URL"].text
        trial.read_one(env_file.variables_in((tmp_path / "out.env").read_text()))
        with pytest.raises(SQLAlchemyError, match="permission denied"):
            execute(url, "SELECT * FROM secrets")
        with pytest.raises(SQLAlchemyError, match="permission denied"):
            execute(url, "DELETE FROM orders")
        before = (tmp_path / "out.env").read_text()
        assert run(postgresql_database, *given).exit_code == 0
        assert (tmp_path / "out.env").read_text() == before
    finally:
        if (tmp_path / "out.env").exists():
            url = load({}, tmp_path / "out.env").found["SYNCD_SOURCE__URL"].text
            if login := left_login(url):
                execute(postgresql_database, *login.removal())


def test_login_without_a_right_is_dropped_again(run: Run, postgresql_database: str, tmp_path: Path) -> None:
    """A table that the SELECT names where nobody looks for one: the trial with the new login fails."""
    execute(postgresql_database, "CREATE TABLE orders (number text)", "CREATE TABLE states (code text)")
    (tmp_path / "orders.sql").write_text("SELECT number AS order_id, code AS status FROM orders, states")
    admin = ("--admin-user", make_url(postgresql_database).username or "")
    ran = run(postgresql_database, "--query-file", tmp_path / "orders.sql", "--yes", "--sandbox", *admin)
    assert isinstance(ran.exception, SourceError)
    assert "permission denied for table states" in str(ran.exception)
    assert not (tmp_path / "out.env").exists()
    with Administrator.connected([postgresql_database]) as admin_now:
        left = text("SELECT grantee FROM information_schema.role_table_grants WHERE grantee LIKE 'syncd%'")
        assert admin_now._connection.execute(left).all() == []


def test_login_is_dropped_where_the_file_cannot_be_written(run: Run, tmp_path: Path, shop_database: str) -> None:
    OPENCART_SHOP.fill(shop_database)
    folder = OPENCART_SHOP.write(tmp_path / "shop", shop_database)
    ran = run(folder, "--yes", "--sandbox", "--output", "/proc/syncd.env")
    assert "/proc/syncd.env cannot be written" in str(ran.exception)
    assert logins(shop_database) == []


def test_statements_hold_odd_names_as_they_are(shop_database: str) -> None:
    """A quote, a backslash or a percent sign ends nothing."""
    execute(shop_database, "CREATE TABLE `odd``%table` (id int, `a b` int)")
    database = str(make_url(shop_database).database)
    name = f"it's \\ 100%{os.getpid()}"
    login = ReadLogin(name, "p'w\\d%", "%", database, [Readable("`odd``%table`", "`a b`")])
    with Administrator.connected([shop_database]) as admin:
        created = admin.create(login)
        try:
            assert created.name == name
            url = make_url(shop_database).set(username=name, password="p'w\\d%").render_as_string(hide_password=False)
            execute(urls.source_url(url), "SELECT `a b` FROM `odd``%table`")
        finally:
            admin.remove(created)


def test_administrator_without_password_is_not_given_the_shops(run: Run, tmp_path: Path, shop_database: str) -> None:
    OPENCART_SHOP.fill(shop_database)
    own = f"ALL ON `{make_url(shop_database).database}`.*"
    with (
        new_login(shop_database, own) as (_, shops),
        new_login(shop_database, "CREATE USER ON *.*") as (admin, url),
    ):
        execute(shop_database, f"ALTER USER {admin} IDENTIFIED BY ''", f"GRANT {own} TO {admin} WITH GRANT OPTION")
        folder = OPENCART_SHOP.write(tmp_path / "shop", shops)
        ran = run(folder, "--yes", "--sandbox", "--admin-user", make_url(url).username or "")
    assert ran.exit_code == 0, ran.output
    assert len(logins(shop_database)) == 1


def test_login_that_cannot_connect_is_told(shop_database: str) -> None:
    url = make_url(shop_database).set(username="nobody", password="secret-0123").render_as_string(hide_password=False)
    with pytest.raises(LoginRefusedError, match="nobody that is to create a login cannot connect") as error:  # noqa: SIM117
        with Administrator.connected([url]):
            pass
    assert "secret-0123" not in str(error.value)


def test_database_without_encoding_lets_the_administrator_in() -> None:
    with postgresql_without_encoding() as url, Administrator.connected([url]):
        pass


def test_package_that_the_driver_lacks_is_told() -> None:
    with mysql_without_tls() as url, pytest.raises(LoginRefusedError, match="cannot connect"):  # noqa: SIM117
        with Administrator.connected([url]):
            pass


def test_login_that_may_create_but_not_grant_leaves_none(shop_database: str) -> None:
    database = str(make_url(shop_database).database)
    execute(shop_database, "CREATE TABLE orders (id int)")
    with new_login(shop_database, "CREATE USER ON *.*", f"INSERT ON `{database}`.*") as (_, url):
        login = ReadLogin("syncd", "pw", "%", database, [Readable("`orders`")])
        with (
            Administrator.connected([url]) as admin,
            pytest.raises(LoginRefusedError, match=r"may not grant reading.*--admin-user"),
        ):
            admin.create(login)
    assert logins(shop_database) == []


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.preset)
def test_presets_head_names_what_its_query_reads(platform: ShopPlatform) -> None:
    """A login gets the rights that the head lists: each table of the query must be there."""
    preset, head = preset_named(platform.preset), preset_text(platform.preset)
    texts = preset.texts(cancels=False)
    values = preset.values({"prefix": "x_"} if platform.has_prefix else {})
    query = " ".join(preset.filled_in(text, values) for name, text in texts.items() if "QUERY" in name)
    read = {one.table.strip("`") for one in tables_of_query(query)} - {"information_schema.tables"}
    read = {name for name in read if "." not in name}
    shop = ShopInDatabase(platform, "x_" if platform.has_prefix else "")
    assert {one.table.strip("`") for one in wanted_tables(preset, head, shop, read)} == read
