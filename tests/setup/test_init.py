"""`syncd init` without a terminal: each platform's shop, from its folder to settings with which its orders are read."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest
from sqlalchemy import make_url

from syncd.errors import SourceError, SyncdError
from syncd.runtime import composition
from syncd.settings import Loaded, load
from tests.servers import execute, new_login
from tests.setup.conftest import Run, drop_logins, logins
from tests.setup.shops import BY_NAME, OPENCART_SHOP, SHOPS, Shop

IMSHOP = "https://imshop.example/v1/clients/shop/statuses/sync/token-0123456789"


def written(folder: Path) -> Loaded:
    return load({}, folder / "out.env")


@pytest.mark.parametrize("shop", SHOPS, ids=str)
def test_folder_becomes_settings_that_read_its_orders(shop: Shop, run: Run, tmp_path: Path, shop_database: str) -> None:
    """With a login of its own, which reads and does no more."""
    shop.fill(shop_database)
    folder = shop.write(tmp_path / "www" / "shop", shop_database)
    ran = run(tmp_path / "www", "--yes", "--sandbox", "--json")
    assert ran.exit_code == 0, ran.output
    report = json.loads(ran.stdout)
    assert (report["written"], report["folder"], report["preset"]) == (True, str(folder), shop.platform.preset)
    found = {name.removeprefix("SYNCD_SOURCE__PARAMS__"): value for name, value in report["settings"].items()}
    assert {name: found[name.upper()] for name in shop.params if shop.params[name]} == {
        name: value for name, value in shop.params.items() if value
    }
    loaded = written(tmp_path)
    source = composition.source(loaded.settings)
    assert len(source.sample(10).orders) == 4
    source.close()
    url = loaded.settings.source.url.get_secret_value()
    assert [make_url(url).username] == [user for user, _ in logins(shop_database)]
    with pytest.raises(Exception, match="denied"):
        execute(url, "CREATE TABLE other (id int)")
    pushes = [one["text"] for one in report["findings"] if "would be pushed as" in one["text"]]
    assert len(pushes) == 3
    assert report["statuses"]
    assert report["cancel"]["settings"][0].startswith("SYNCD_CANCEL__API_KEY=")


@pytest.fixture
def folder(tmp_path: Path, shop_database: str) -> Path:
    OPENCART_SHOP.fill(shop_database)
    return OPENCART_SHOP.write(tmp_path / "shop", shop_database)


def test_url_of_a_database_finds_the_shop_in_it(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    ran = run(shop_database, "--yes", "--sandbox", "--shop-login")
    assert ran.exit_code == 0, ran.output
    assert written(tmp_path).settings.source.preset == "opencart"
    assert logins(shop_database) == []


def test_dry_run_changes_nothing(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    ran = run(folder, "--dry-run", "--sandbox")
    assert ran.exit_code == 0, ran.output
    assert "nothing was changed" in ran.stdout
    assert "would be pushed as" in ran.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]
    assert logins(shop_database) == []


def test_no_secret_is_printed(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("imshop-key-0123\n")
    ran = run(folder, "--yes", "--imshop-url", IMSHOP, "--imshop-key-file", tmp_path / "key", "--force")
    assert ran.exit_code == 0, ran.output
    found = written(tmp_path).found
    password = make_url(found["SYNCD_SOURCE__URL"].text).password
    assert password
    assert found["SYNCD_IMSHOP__API_KEY"].text == "imshop-key-0123"
    assert [secret for secret in (password, "imshop-key-0123", "token-0123456789") if secret in ran.output] == []


def test_file_is_readable_by_its_owner_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.env").write_text("SYNCD_POLL__INTERVAL=10s\n")
    (tmp_path / "out.env").chmod(0o644)
    assert run(folder, "--yes", "--sandbox", "--shop-login").exit_code == 0
    for name in ("out.env", "out.env.before-init"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name


def test_lines_made_by_hand_are_kept(run: Run, folder: Path, tmp_path: Path) -> None:
    """And what is set already is not asked for again."""
    mine = "# mine\nSYNCD_POLL__INTERVAL=10s   # often\n\nOTHER='a b'\nSYNCD_SOURCE__PARAMS__ZONE=Asia/Chita\n"
    (tmp_path / "out.env").write_text(mine + f"SYNCD_IMSHOP__URL={IMSHOP}\n")
    assert run(folder, "--yes", "--shop-login", "--force").exit_code == 0
    content = (tmp_path / "out.env").read_text()
    assert content.startswith(mine + f"SYNCD_IMSHOP__URL={IMSHOP}\n")
    assert written(tmp_path).found["SYNCD_SOURCE__PARAMS__ZONE"].text == "Asia/Chita"


def test_example_of_the_settings_is_filled_in(run: Run, folder: Path, tmp_path: Path) -> None:
    """The places that are marked EDIT, where they are."""
    example = (Path(__file__).parents[2] / "config.example.env").read_text()
    (tmp_path / "out.env").write_text(example)
    assert run(folder, "--yes", "--shop-login", "--imshop-url", IMSHOP, "--force").exit_code == 0
    before, after = example.splitlines(), (tmp_path / "out.env").read_text().splitlines()
    assert f"SYNCD_IMSHOP__URL={IMSHOP}" == after[before.index(next(one for one in before if "IMSHOP__URL=" in one))]
    assert "SYNCD_SOURCE__PRESET=opencart" in after
    assert [line for line in after if "<key>" in line or "<password>" in line] == []
    written(tmp_path)


def test_second_run_changes_only_what_is_given(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    """Neither the login nor anything else, whether the shop is named again or not."""
    assert run(folder, "--yes", "--sandbox").exit_code == 0
    before = (tmp_path / "out.env").read_text()
    again = run(folder, "--yes")
    assert (again.exit_code, "as it should be already" in again.stdout) == (2, False)  # the sandbox is no IMSHOP
    assert run(folder, "--yes", "--sandbox").exit_code == 0
    assert (tmp_path / "out.env").read_text() == before
    assert len(logins(shop_database)) == 1
    assert run("--yes", "--sandbox", "--param", "language=2").exit_code == 0
    assert (tmp_path / "out.env").read_text() == before + "SYNCD_SOURCE__PARAMS__LANGUAGE=2\n"


def test_rehearsal_becomes_real_with_a_state_of_its_own(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--yes", "--sandbox", "--shop-login").exit_code == 0
    assert written(tmp_path).settings.state.url.get_secret_value() == "sqlite:///rehearsal.db"
    assert run("--yes", "--imshop-url", IMSHOP, "--force").exit_code == 0
    loaded = written(tmp_path)
    assert loaded.settings.state.url.get_secret_value() == "sqlite:///syncd.db"
    assert loaded.settings.imshop.url.get_secret_value() == IMSHOP


def test_undo_puts_the_old_file_back(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    """And says how the login is dropped; once more, it is done again."""
    (tmp_path / "out.env").write_text("SYNCD_POLL__INTERVAL=10s\n")
    assert run(folder, "--yes", "--sandbox").exit_code == 0
    new = (tmp_path / "out.env").read_text()
    undone = run("--undo")
    assert undone.exit_code == 0
    ((user, host),) = logins(shop_database)
    assert f"DROP USER '{user}'@'{host}';" in undone.stdout
    assert (tmp_path / "out.env").read_text() == "SYNCD_POLL__INTERVAL=10s\n"
    assert run("--undo").exit_code == 0
    assert (tmp_path / "out.env").read_text() == new
    assert isinstance(run("--undo", "--output", tmp_path / "none.env").exception, SyncdError)


def test_fault_is_not_written_unless_forced(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    """IMSHOP's host does not resolve: exit status 1, and neither file nor login."""
    given = (folder, "--yes", "--imshop-url", "https://no-such-host.invalid/statuses/sync/token")
    ran = run(*given)
    assert (ran.exit_code, "does not resolve" in ran.stdout) == (1, True)
    assert not (tmp_path / "out.env").exists()
    assert logins(shop_database) == []
    assert run(*given, "--force").exit_code == 0


def test_existing_login_that_only_reads_is_used(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    tables = [f"SELECT ON oc_{name}" for name in ("order", "order_history", "order_status")]
    with new_login(shop_database, *tables) as (_, url):
        (tmp_path / "password").write_text("pw")
        options = ("--reader-user", make_url(url).username or "", "--reader-password-file", tmp_path / "password")
        ran = run(folder, "--yes", "--sandbox", *options)
        assert ran.exit_code == 0, ran.output
        assert make_url(written(tmp_path).found["SYNCD_SOURCE__URL"].text).username == make_url(url).username
        assert "the login may only read" in ran.stdout


def test_login_that_only_reads_needs_no_other(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    database = make_url(shop_database).database
    with new_login(shop_database, f"SELECT ON `{database}`.*") as (_, url):
        ran = run(url, "--yes", "--sandbox")
        assert ran.exit_code == 0, ran.output
        assert make_url(written(tmp_path).found["SYNCD_SOURCE__URL"].text).username == make_url(url).username


def test_login_that_may_not_create_logins_is_told(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    database = make_url(shop_database).database
    with new_login(shop_database, f"ALL ON `{database}`.*") as (_, url):
        (tmp_path / "password").write_text("pw")
        admin = ("--admin-user", make_url(url).username or "", "--admin-password-file", tmp_path / "password")
        ran = run(folder, "--yes", "--sandbox", *admin)
        assert isinstance(ran.exception, SyncdError)
        assert re.search("the login syncd_.* may not create logins.*--admin-user", str(ran.exception))
        assert "GRANT SELECT ON" in ran.stdout
    assert not (tmp_path / "out.env").exists()


def test_taken_name_of_a_login_is_left_alone(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    """It may be in use: the new one gets another name."""
    assert run(folder, "--yes", "--sandbox").exit_code == 0
    (first,) = logins(shop_database)
    (tmp_path / "out.env").unlink()
    assert run(folder, "--yes", "--sandbox").exit_code == 0
    assert len(logins(shop_database)) == 2
    drop_logins(shop_database)
    assert first not in logins(shop_database)


def test_prefix_of_another_shop_is_told(run: Run, tmp_path: Path, shop_database: str) -> None:
    OPENCART_SHOP.fill(shop_database)
    folder = OPENCART_SHOP.write(tmp_path / "shop", shop_database)
    config = folder / "config.php"
    config.write_text(config.read_text().replace("'oc_'", "'shop2_'"))
    ran = run(folder, "--yes", "--sandbox", "--shop-login")
    assert isinstance(ran.exception, SyncdError)
    assert "no tables of opencart with the prefix 'shop2_'" in str(ran.exception)
    assert "opencart (oc_)" in str(ran.exception)
    assert run(folder, "--yes", "--sandbox", "--shop-login", "--param", "prefix=oc_").exit_code == 0


def test_several_shops_in_a_database_are_told(run: Run, shop_database: str) -> None:
    OPENCART_SHOP.fill(shop_database)
    execute(shop_database, *(f"CREATE TABLE b_{name} (id int)" for name in ("order_history", "order_status", "order")))
    ran = run(shop_database, "--yes", "--sandbox", "--shop-login")
    assert "holds several shops: opencart (b_), opencart (oc_)" in str(ran.exception)


def test_shop_that_cannot_be_reached_is_told(run: Run, tmp_path: Path) -> None:
    folder = OPENCART_SHOP.write(tmp_path / "shop", "mysql://nobody:wrong-password@127.0.0.1:3306/none")
    ran = run(folder, "--yes", "--sandbox")
    assert isinstance(ran.exception, SourceError)
    assert "wrong-password" not in str(ran.exception)


def test_computed_password_names_its_option(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    """Without the texts that it is computed of."""
    config = folder / "config.php"
    config.write_text(config.read_text().replace("define('DB_PASSWORD', '')", "define('DB_PASSWORD', vault('db'))"))
    ran = run(folder, "--yes", "--sandbox", "--shop-login")
    assert (ran.exit_code, "--database-url is needed" in ran.output) == (2, True)
    assert "computes the password in line 10 (vault ( '…' ))" in " ".join(ran.output.split())
    ran = run(folder, "--yes", "--sandbox", "--shop-login", "--database-url", shop_database)
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--sandbox"], "--yes"),
        (["--json", "--sandbox"], "--dry-run"),
        (["--yes"], "--imshop-url or --sandbox"),
        (["--yes", "--sandbox", "--param", "prefix"], "NAME=VALUE"),
        (["--yes", "--sandbox", "--preset", "no-such"], "is no preset"),
        (["--yes", "--imshop-url", "imshop"], "--imshop-url"),
        (["--yes", "--sandbox", "--admin-password-file", "/no/such"], "--admin-password-file"),
    ],
)
def test_missing_answer_names_its_option(run: Run, folder: Path, arguments: list[str], needed: str) -> None:
    ran = run(folder, *arguments)
    assert (ran.exit_code, needed in ran.output) == (2, True), ran.output


def test_parameter_that_the_preset_has_not_is_told(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run(folder, "--yes", "--sandbox", "--shop-login", "--param", "prefx=oc_")
    assert "did you mean SYNCD_SOURCE__PARAMS__PREFIX?" in str(ran.exception)
    assert not (tmp_path / "out.env").exists()


def test_carriers_page_is_set(run: Run, tmp_path: Path, shop_database: str) -> None:
    shop = BY_NAME["magento"]
    shop.fill(shop_database)
    folder = shop.write(tmp_path / "shop", shop_database)
    page = "https://track.example/?n={tracking_number}"
    ran = run(folder, "--yes", "--sandbox", "--shop-login", "--tracking-template", page, "--param", "number=entity_id")
    assert ran.exit_code == 0, ran.output
    assert written(tmp_path).settings.source.tracking_template == page


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_place_is_tried_before_anything_is_asked(run: Run, tmp_path: Path) -> None:
    ran = run(tmp_path / "none", "--yes", "--output", "/etc/syncd-none/out.env")
    assert "cannot be written" in str(ran.exception)


def test_url_without_a_preset_is_looked_into(run: Run, folder: Path, shop_database: str, tmp_path: Path) -> None:
    """An env file in which only the URL was edited."""
    (tmp_path / "out.env").write_text(f"SYNCD_SOURCE__URL={shop_database}\n")
    assert run("--yes", "--sandbox", "--shop-login").exit_code == 0
    assert written(tmp_path).settings.source.preset == "opencart"


def test_table_with_an_odd_name_is_no_prefix(run: Run, folder: Path, shop_database: str) -> None:
    """A prefix goes into SQL."""
    odd = [f"CREATE TABLE `x``y {name}` (id int)" for name in ("order_history", "order_status", "order")]
    execute(shop_database, *odd)
    assert run(shop_database, "--dry-run", "--sandbox").exit_code == 0


def test_another_platform_takes_the_place_of_the_first(run: Run, folder: Path, tmp_path: Path) -> None:
    """With none of its parameters left, which the new one would refuse."""
    mine = "SYNCD_SOURCE__PRESET=moysklad\nSYNCD_SOURCE__AUTH=bearer:a-token\nSYNCD_SOURCE__PARAMS__CANCELLED=x\n"
    (tmp_path / "out.env").write_text(mine + "SYNCD_SOURCE__LOOKBACK=10m\n")
    ran = run(folder, "--yes", "--sandbox", "--shop-login")
    assert ran.exit_code == 0, ran.output
    found = written(tmp_path).found
    assert found["SYNCD_SOURCE__PRESET"].text == "opencart"
    assert found["SYNCD_SOURCE__LOOKBACK"].text == "10m"
    assert [
        line for line in (tmp_path / "out.env").read_text().splitlines() if "AUTH" in line or "CANCEL" in line
    ] == []


def test_other_name_of_a_preset_is_the_same(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.env").write_text("SYNCD_SOURCE__PRESET=ocstore\nSYNCD_SOURCE__PARAMS__ZONE=Asia/Chita\n")
    assert run(folder, "--yes", "--sandbox", "--shop-login").exit_code == 0
    assert written(tmp_path).found["SYNCD_SOURCE__PARAMS__ZONE"].text == "Asia/Chita"
