"""Where settings are found: the environment, files of secrets, env files; and which place wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from syncd.errors import SettingsError
from syncd.settings import load, masked

if TYPE_CHECKING:
    from pathlib import Path

REQUIRED = {
    "SYNCD_IMSHOP__URL": "https://imshop.example/statuses/sync",
    "SYNCD_SOURCE__URL": "sqlite:////var/shop.db",
    "SYNCD_SOURCE__QUERY": "SELECT order_id, status FROM orders",
}


def env_file(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_environment_then_credentials_then_secrets_then_env_file(tmp_path: Path) -> None:
    """Each of these places overrides the ones after it."""
    credentials, secrets = tmp_path / "credentials", tmp_path / "secrets"
    for place in (credentials, secrets):
        place.mkdir()
    names = [f"SYNCD_{name}" for name in ("IMSHOP__RATE", "IMSHOP__CONCURRENCY", "SOURCE__BATCH", "GUARD__MAX_CHANGES")]
    file = env_file(tmp_path / "env", "".join(f"{name}=4\n" for name in names))
    for name in names[:3]:
        (secrets / name).write_text("3")
    for name in names[:2]:
        (credentials / name).write_text("2")
    environ = {**REQUIRED, "CREDENTIALS_DIRECTORY": str(credentials), "SYNCD_SECRETS_DIR": str(secrets), names[0]: "1"}
    result = load(environ, file)
    assert [shown.value for shown in masked(result) if shown.variable in names] == ["2", "1", "3", "4"]
    assert [result.origins[name] for name in names] == [
        "environment",
        f"credential {credentials / names[1]}",
        f"credential {secrets / names[2]}",
        str(file),
    ]
    assert result.origins["SYNCD_FIRST_RUN"] == "default"


def test_credential_loses_its_newline_other_files_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "SYNCD_IMSHOP__API_KEY").write_text("k3y\n")
    (tmp_path / "tls.pem").write_bytes(b"\xff")
    assert load(
        {**REQUIRED, "CREDENTIALS_DIRECTORY": str(tmp_path)}, usual_env_files=()
    ).settings.imshop.api_key == SecretStr("k3y")


def test_credential_that_is_binary_or_unknown_fails(tmp_path: Path) -> None:
    (tmp_path / "SYNCD_IMSHOP__API_KEY").write_bytes(b"\xff")
    (tmp_path / "SYNCD_IMSHOP__APIKEY").write_text("k3y")
    with pytest.raises(SettingsError) as caught:
        load({**REQUIRED, "SYNCD_SECRETS_DIR": str(tmp_path)}, usual_env_files=())
    unreadable, unknown = caught.value.faults
    assert unreadable == f"SYNCD_IMSHOP__API_KEY: {tmp_path}/SYNCD_IMSHOP__API_KEY is not UTF-8; save it as UTF-8"
    assert "did you mean SYNCD_IMSHOP__API_KEY?" in unknown


def test_env_file_may_name_the_directory_of_secrets(tmp_path: Path) -> None:
    (tmp_path / "SYNCD_IMSHOP__API_KEY").write_text("k3y")
    file = env_file(tmp_path / "env", f"SYNCD_SECRETS_DIR={tmp_path}\n")
    assert load(REQUIRED, file).settings.imshop.api_key == SecretStr("k3y")


def test_env_file_with_bom_and_crlf_is_read(tmp_path: Path) -> None:
    """Quotes are taken off, other programs' names are ignored, and `$` stands for itself."""
    file = env_file(
        tmp_path / "env",
        b"\xef\xbb\xbfSYNCD_IMSHOP__API_KEY='p${HOME}$x'\r\n\r\n# SYNCD_NOTHING\r\nDB_HOST=x\r\nsyncd=1\r\n"
        b"SYNCD_SOURCE__INIT_SQL=\"SET x = '1'\"\r\n",
    )
    settings = load(REQUIRED, file).settings
    assert settings.imshop.api_key == SecretStr("p${HOME}$x")
    assert settings.source.init_sql == "SET x = '1'"


def test_malformed_lines_of_the_env_file_are_faults(tmp_path: Path) -> None:
    """An unclosed quote or a missing equals sign is malformed."""
    content = "APP_NAME='foreign\nSYNCD_IMSHOP__API_KEY='s3cr3t\nSYNCD_FIRST_RUN\nSYNCD_LOG__LEVEL=debug\n"
    file = env_file(tmp_path / "env", content.replace("foreign\n", "foreign'\n"))
    with pytest.raises(SettingsError) as caught:
        load(REQUIRED, file)
    assert caught.value.faults == [
        f"{name}: cannot be read in {file}; write NAME=value, and close its quotes"
        for name in ("SYNCD_IMSHOP__API_KEY", "SYNCD_FIRST_RUN")
    ]


def test_named_env_file_replaces_the_usual_ones(tmp_path: Path) -> None:
    named, by_variable, usual = (
        env_file(tmp_path / level, f"SYNCD_LOG__LEVEL={level}") for level in ("debug", "warning", "error")
    )
    environ = {**REQUIRED, "SYNCD_ENV_FILE": str(by_variable)}
    assert load(environ, named, (usual,)).settings.log.level == "debug"
    assert load(environ, None, (usual,)).settings.log.level == "warning"
    assert load(REQUIRED, None, (tmp_path / "missing", usual, named)).settings.log.level == "error"


def test_missing_named_env_file_fails(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^--env-file: .*/nowhere cannot be read: No such file or directory$"):
        load(REQUIRED, tmp_path / "nowhere")


def test_unreadable_usual_env_file_fails(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(REQUIRED, None, (tmp_path,))
    assert caught.value.faults == [f"SYNCD_ENV_FILE: {tmp_path} cannot be read: Is a directory"]
