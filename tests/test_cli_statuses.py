"""`syncd statuses` and `syncd presets`, as a person calls them."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from syncd.cli.commands import syncd
from syncd.errors import SourceError
from tests.servers import execute

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    shop = tmp_path / "shop.db"
    shop.touch()
    execute(
        f"sqlite:///{shop}",
        "CREATE TABLE orders (number TEXT, state TEXT)",
        "CREATE TABLE states (code TEXT, title TEXT)",
        "INSERT INTO states VALUES ('new', 'Новый'), ('sent', 'Отправлен | в пути'), ('x7', '=1+1'), ('lost', NULL)",
        "INSERT INTO states VALUES (NULL, 'None')",
        "INSERT INTO orders VALUES ('1', 'new'), ('2', 'new'), ('3', 'sent'), ('4', 'odd'), ('5', NULL)",
    )
    (tmp_path / "statuses.toml").write_text(
        '[new]\nimshop = "placed"\n\n[odd]\nmessage = "Особый"\nskip = true\n', encoding="utf-8"
    )

    def called(*args: str, **source: str) -> Result:
        env = {
            "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
            "SYNCD_SOURCE__URL": f"sqlite:///{shop}",
            "SYNCD_SOURCE__QUERY": "SELECT number AS order_id, state AS status, title AS message FROM orders"
            " LEFT JOIN states ON code = state",
            "SYNCD_SOURCE__STATUSES_QUERY": "SELECT code AS status, title AS message FROM states ORDER BY 1;",
            "SYNCD_STATE__URL": f"sqlite:///{tmp_path}/state.db",
            "SYNCD_STATUSES__FILE": str(tmp_path / "statuses.toml"),
            **{f"SYNCD_SOURCE__{name}": text for name, text in source.items()},
        }
        return CliRunner(env=env).invoke(syncd, args)

    return called


def test_codes_of_dictionary_and_of_orders_are_listed(run: Run) -> None:
    listed = json.loads(run("statuses", "--json").stdout)
    assert listed == [
        {"code": "lost", "text": None, "orders": 0, "imshop": None},
        {"code": "new", "text": "Новый", "orders": 2, "imshop": "placed"},
        {"code": "sent", "text": "Отправлен | в пути", "orders": 1, "imshop": None},
        {"code": "x7", "text": "=1+1", "orders": 0, "imshop": None},
        {"code": "odd", "text": "Особый", "orders": 1, "imshop": None},
    ]


def test_without_a_dictionary_the_orders_codes_are_listed(run: Run) -> None:
    query = "SELECT number AS order_id, state AS status FROM orders"
    listed = json.loads(run("statuses", "--json", STATUSES_QUERY="", QUERY=query).stdout)
    assert [(row["code"], row["text"], row["orders"]) for row in listed] == [
        ("new", None, 2),
        ("odd", "Особый", 1),
        ("sent", None, 1),
    ]


def test_the_text_is_that_of_most_orders(run: Run) -> None:
    name = "CASE number WHEN '5' THEN 'New' ELSE 'Новый' END"
    query = f"SELECT number AS order_id, 'new' AS status, {name} AS message FROM orders"
    listed = json.loads(run("statuses", "--json", STATUSES_QUERY="", QUERY=query).stdout)
    assert [(row["text"], row["orders"]) for row in listed] == [("Новый", 5)]


def test_unreadable_dictionary_leaves_the_codes_of_orders(run: Run) -> None:
    """The codes that orders have are listed, and the error says that the others are missing."""
    result = run("statuses", "--json", STATUSES_QUERY="SELECT code AS status, title AS message FROM kept_secret")
    assert [row["code"] for row in json.loads(result.stdout)] == ["new", "odd", "sent"]
    assert isinstance(result.exception, SourceError)
    assert "only statuses that orders have are listed" in str(result.exception)
    assert "kept_secret" in str(result.exception)


def test_suggestion_stands_beside_the_code_from_the_file(run: Run) -> None:
    listed = {row["code"]: row for row in json.loads(run("statuses", "--suggest", "--json").stdout)}
    assert (listed["new"]["imshop"], listed["new"]["suggestion"]) == ("placed", None)
    assert (listed["sent"]["imshop"], listed["sent"]["suggestion"]) == (None, "dispatched")
    assert (listed["odd"]["imshop"], listed["odd"]["suggestion"]) == (None, None)


def test_as_a_table_it_is_for_people(run: Run) -> None:
    lines = run("statuses").stdout.splitlines()
    assert lines[0].split() == ["code", "text", "orders", "IMSHOP"]
    assert lines[2].split() == ["new", "Новый", "2", "placed"]


def test_csv_escapes_names_that_look_like_formulas(run: Run) -> None:
    rows = list(csv.reader(io.StringIO(run("statuses", "--format", "csv", "--suggest").stdout)))
    assert rows[0] == ["code", "text", "orders", "IMSHOP", "suggestion"]
    assert rows[3] == ["sent", "Отправлен | в пути", "1", "", "dispatched"]
    assert rows[4] == ["x7", "'=1+1", "0", "", ""]


def test_markdown_escapes_bars_in_names(run: Run) -> None:
    lines = run("statuses", "--format", "md").stdout.splitlines()
    assert lines[:2] == ["| code | text | orders | IMSHOP |", "| --- | --- | --- | --- |"]
    assert lines[4] == "| sent | Отправлен \\| в пути | 1 |  |"


def test_dictionary_without_known_columns_names_the_setting(run: Run) -> None:
    result = run("statuses", STATUSES_QUERY="SELECT code, title FROM states")
    assert isinstance(result.exception, SourceError)
    assert "SYNCD_SOURCE__STATUSES_QUERY gives no column named status and none named message" in str(result.exception)


def test_presets_are_listed_and_printed_ready_to_adapt(run: Run) -> None:
    listed = json.loads(run("presets", "--json").stdout)
    assert {"bitrix", "woocommerce", "cs-cart"} <= {preset["name"] for preset in listed}
    assert all(preset["title"] in run("presets").stdout for preset in listed)
    printed = run("presets", "bitrix").stdout
    assert tomllib.loads(printed)["source"]["timezone"] == "${zone}"
    assert json.loads(run("presets", "bitrix", "--json").stdout) == {"name": "bitrix", "preset": printed}


def test_unknown_preset_is_bad_usage(run: Run) -> None:
    result = run("presets", "bitrics")
    assert result.exit_code == 2
    assert "did you mean bitrix?" in result.stderr


def test_config_shows_a_multi_line_query_in_one(run: Run) -> None:
    lines = run("config", QUERY="SELECT number AS order_id,\n  state AS status\nFROM orders").stdout.splitlines()
    assert any("SELECT number AS order_id, state AS status FROM orders" in line for line in lines)
