"""The statuses file that `syncd init` writes: whole and usable, and none that is there is written over."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.pipeline.statuses_file import load
from syncd.settings import load as load_settings
from syncd.setup.statuses_toml import statuses_toml
from syncd.setup.trial import ListedStatus
from syncd.text import without_blanks
from tests.setup.conftest import Run
from tests.setup.shops import OPENCART_SHOP

FILE = "SYNCD_STATUSES__FILE"


@pytest.fixture
def folder(tmp_path: Path, shop_database: str) -> Path:
    OPENCART_SHOP.fill(shop_database)
    return OPENCART_SHOP.write(tmp_path / "shop", shop_database)


def named(tmp_path: Path) -> str | None:
    found = load_settings({}, tmp_path / "out.env").found
    return found[FILE].text if FILE in found else None


def test_every_status_is_listed_with_the_guess(run: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "statuses.toml"
    ran = run(folder, "--yes", "--sandbox", "--shop-login", "--json", "--statuses", file)
    report = json.loads(ran.stdout)
    assert (report["statuses_file"], named(tmp_path)) == (str(file), str(file))
    guesses = {one["code"]: one["suggestion"] for one in report["statuses"]}
    assert {code: one.imshop for code, one in load(file).listed.items()} == guesses
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_file_that_is_there_stays(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "statuses.toml").write_text('unknown = "hold"\n')
    assert run(folder, "--yes", "--sandbox", "--shop-login", "--statuses", tmp_path / "statuses.toml").exit_code == 0
    assert (tmp_path / "statuses.toml").read_text() == 'unknown = "hold"\n'
    assert named(tmp_path) == str(tmp_path / "statuses.toml")


def test_nothing_is_written_without_the_option(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--yes", "--sandbox", "--shop-login").exit_code == 0
    assert named(tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.env", "shop"]


def test_dry_run_writes_no_statuses(run: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "statuses.toml"
    ran = run(folder, "--dry-run", "--sandbox", "--shop-login", "--statuses", file)
    assert (ran.exit_code, file.exists()) == (0, False), ran.output
    assert f"{FILE}" in ran.stdout


def test_deleted_file_is_written_again(run: Run, folder: Path, tmp_path: Path) -> None:
    arguments = (folder, "--yes", "--sandbox", "--shop-login", "--statuses", tmp_path / "statuses.toml")
    assert run(*arguments).exit_code == 0
    (tmp_path / "statuses.toml").unlink()
    assert run(*arguments).exit_code == 0
    assert load(tmp_path / "statuses.toml").listed


def test_settings_that_cannot_be_written_leave_no_statuses(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.env.before-init").mkdir()
    (tmp_path / "out.env").write_text("SYNCD_POLL__INTERVAL=10s\n")
    ran = run(folder, "--yes", "--sandbox", "--shop-login", "--statuses", tmp_path / "statuses.toml")
    assert (ran.exit_code == 0, (tmp_path / "statuses.toml").exists()) == (False, False)


CODES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(without_blanks)


@given(st.lists(st.tuples(CODES, st.none() | st.text()), max_size=5))
def test_any_code_and_text_make_a_usable_file(
    tmp_path_factory: pytest.TempPathFactory, shown: list[tuple[str, str]]
) -> None:
    file = tmp_path_factory.mktemp("statuses") / "statuses.toml"
    file.write_text(statuses_toml([ListedStatus(code, text, 1, "done") for code, text in shown], "heading"))
    assert load(file).listed.keys() == {without_blanks(code) for code, _ in shown}
