"""deploy/systemd/install and remove, below a folder of their own: nothing of the administrator's is overwritten, made
unreadable or deleted. systemd and pip are stood in for; where they put things is theirs."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY

PYTHON = """#!/bin/sh
# python3 -m venv FOLDER
mkdir -p "$3/bin"
for name in pip syncd; do
    echo '#!/bin/sh' >"$3/bin/$name"
    chmod +x "$3/bin/$name"
done
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (("python3", PYTHON), ("systemctl", "#!/bin/sh\n")):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def run(root: Path, script: str, *arguments: str, umask: int = 0o077) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": f"{root.parent}/tools:{os.environ['PATH']}", "DESTDIR": str(root)}
    command = [str(DEPLOY / "systemd" / script), *arguments]
    return subprocess.run(command, env=environ, umask=umask, capture_output=True, text=True, timeout=60, check=False)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_installed_files_are_readable_whatever_the_umask(root: Path) -> None:
    """The service's user can read all that is installed, except the settings with their secrets."""
    installed = run(root, "install")
    assert (installed.returncode, installed.stderr) == (0, "")
    for path in root.rglob("*"):
        if path.name != "syncd.env":
            assert path.stat().st_mode & 0o044 == 0o044, path
            assert not path.is_dir() or path.stat().st_mode & 0o011 == 0o011, path
    assert (root / "etc/syncd/syncd.env").stat().st_mode & 0o777 == 0o600


def test_an_upgrade_keeps_the_settings(root: Path) -> None:
    run(root, "install")
    (root / "etc/syncd/syncd.env").write_text("mine")
    before = files(root)
    assert run(root, "install").returncode == 0
    assert (files(root), (root / "etc/syncd/syncd.env").read_text()) == (before, "mine")


def test_an_upgrade_takes_what_is_no_longer_installed(root: Path) -> None:
    """Unless it was changed since."""
    run(root, "install")
    before, pages = files(root), root / "usr/local/share/doc/syncd"
    for name in ("old.md", "mine.md"):
        (pages / name).write_text("old")
    with (root / "opt/syncd/made-by-install").open("a") as made:
        made.writelines(f"{sha256(b'old').hexdigest()}  {pages / name}\n" for name in ("old.md", "mine.md", "gone.md"))
    (pages / "mine.md").write_text("mine")
    assert run(root, "install").returncode == 0
    assert files(root) == {*before, "usr/local/share/doc/syncd/mine.md"}


def test_an_upgrade_from_0_1_leaves_nothing_of_it(root: Path) -> None:
    """Version 0.1 kept no list of what it installed."""
    run(root, "install")
    before = files(root)
    (root / "opt/syncd/made-by-install").unlink()
    (root / "usr/local/share/doc/syncd/README.ru.md").touch()
    assert run(root, "install").returncode == 0
    assert files(root) == before


def test_install_refuses_a_folder_it_did_not_make(root: Path) -> None:
    (root / "opt/syncd").mkdir(parents=True)
    (root / "opt/syncd/precious").touch()
    refused = run(root, "install")
    assert (refused.returncode, "Move it away" in refused.stderr) == (1, True)
    assert run(root, "remove").returncode == 1
    assert files(root) == {"opt/syncd/precious"}


def test_remove_keeps_settings_and_state(root: Path) -> None:
    run(root, "install")
    state = root / "var/lib/private/syncd/syncd.db"
    state.parent.mkdir(parents=True)
    state.touch()
    (root / "usr/local/bin/syncd@shop").symlink_to("syncd")
    removed = run(root, "remove")
    assert (removed.returncode, removed.stdout, removed.stderr) == (0, "", "")
    assert files(root) == {"etc/syncd/syncd.env", "var/lib/private/syncd/syncd.db"}


def test_remove_keeps_files_of_others_or_changed_files(root: Path) -> None:
    mine = [
        "usr/local/bin/syncd@other",
        "usr/local/share/doc/syncd/notes",
        "etc/systemd/system/syncd.service.d/my.conf",
    ]
    mine += ["var/lib/syncd-backups/precious", "var/lib/private/syncd-elsewhere/precious", "etc/syncd/orders.sql"]
    for name in mine:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")
    run(root, "install")
    unit = root / "etc/systemd/system/syncd.service"
    unit.write_text(unit.read_text() + "# mine\n")
    assert "left, since it was changed" in run(root, "remove").stdout
    assert files(root) == {*mine, "etc/systemd/system/syncd.service", "etc/syncd/syncd.env"}


def test_remove_deletes_settings_and_state_on_request(root: Path) -> None:
    """`--with-settings-and-state` deletes them for each shop, and nothing beside them."""
    run(root, "install")
    kept = ["var/lib/syncd-backups/precious", "etc/syncd/orders.sql", "etc/systemd/system/other.service.d/x.conf"]
    gone = ["var/lib/private/syncd/syncd.db", "var/lib/private/syncd-shop/syncd.db", "etc/syncd/shop.env"]
    gone += ["etc/syncd/statuses.toml", "etc/syncd/shop.statuses.toml"]
    gone += ["etc/systemd/system/syncd.service.d/x.conf", "etc/systemd/system/syncd@shop.service.d/x.conf"]
    for name in (*kept, *gone):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "var/lib/syncd-shop").symlink_to("private/syncd-shop")
    removed = run(root, "remove", "--with-settings-and-state")
    assert (removed.returncode, removed.stderr) == (0, "")
    assert "left, since it holds files of yours" in removed.stdout
    assert files(root) == {*kept}


def test_installer_names_the_next_command_until_it_is_done(root: Path) -> None:
    assert "Next: sudo syncd init" in run(root, "install").stdout
    (root / "etc/syncd/syncd.env").write_text("SYNCD_SOURCE__PRESET=opencart\n")
    assert "Next" not in run(root, "install").stdout


@pytest.mark.parametrize(("name", "file"), [("syncd", "syncd.env"), ("syncd@shop", "shop.env")])
def test_wrapper_runs_init_by_itself(name: str, file: str, root: Path) -> None:
    """As root, not as the service: it writes that service's settings."""
    program, wrapper = root / "program", root / name
    program.write_text('#!/bin/sh\necho "$@"\n')
    wrapper.write_text((DEPLOY / "systemd" / "syncd").read_text().replace("/opt/syncd/bin/syncd", str(program)))
    for script in (program, wrapper):
        script.chmod(0o755)
    ran = subprocess.run([wrapper, "init", "/var/www", "--yes"], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == f"init --output /etc/syncd/{file} /var/www --yes\n"
