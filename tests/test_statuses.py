"""The statuses file: its meaning and its faults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncd.errors import SettingsError
from syncd.pipeline.statuses_file import Status, Statuses, StatusesFile, load

FILE = """
unknown = "hold"

[packed]
message = "Готов к выдаче"
imshop = "ready_for_pickup"
code = "ready"

[draft]
skip = true
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "statuses.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def faults(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert all("SYNCD_STATUSES__FILE" in fault for fault in raised.value.faults)
    return "\n".join(raised.value.faults)


def test_without_a_file_every_code_is_pushed_unchanged() -> None:
    none = Statuses()
    assert (none.action("new"), none.code("new"), none.message("new")) == ("push", "new", None)


def test_a_listed_code_has_its_words(path: Path) -> None:
    statuses = load(path)
    assert (statuses.action("packed"), statuses.code("packed")) == ("push", "ready")
    assert statuses.message("packed") == "Готов к выдаче"


def test_skipped_code_is_skipped_unlisted_ones_follow_unknown(path: Path) -> None:
    """`unknown` in the file decides about unlisted codes."""
    statuses = load(path)
    assert (statuses.action("draft"), statuses.action("odd")) == ("skip", "hold")
    assert (statuses.code("odd"), statuses.message("odd")) == ("odd", None)


def test_unlisted_codes_are_pushed_unless_the_file_disagrees(path: Path) -> None:
    path.write_text("[packed]\n")
    assert load(path).action("odd") == "push"


def test_a_code_may_be_called_unknown(path: Path) -> None:
    path.write_text("[unknown]\nskip = true\n")
    assert load(path).action("unknown") == "skip"


def test_codes_that_differ_by_blanks_are_a_fault(path: Path) -> None:
    path.write_text('[packed]\nskip = true\n["packed "]\nskip = false\n')
    with pytest.raises(SettingsError, match=r"\[packed\] is there twice: blanks are no part of a code"):
        load(path)


def test_an_answer_as_expected_is_no_mismatch(path: Path) -> None:
    assert load(path).mismatch("packed", "ready", "ready_for_pickup") is None
    assert load(path).mismatch("packed", None, None) is None
    assert load(path).mismatch("odd", "odd", "anything") is None


def test_another_status_than_was_sent_is_a_mismatch(path: Path) -> None:
    assert "'new' is in force" in str(load(path).mismatch("packed", "new", "ready_for_pickup"))


def test_another_mapping_than_expected_is_a_mismatch(path: Path) -> None:
    assert "to 'processing', not to 'ready_for_pickup'" in str(load(path).mismatch("packed", "ready", "processing"))


def test_every_fault_is_named_at_once(path: Path) -> None:
    text = faults(
        path, 'unknown = "ask"\nnew = 1\n[a]\nmesage = "x"\nskip = "yes"\nimshop = "sent"\n[b]\ncode = " "\nzz = 1\n'
    )
    for expected in (
        "unknown = 'ask' is none of push, skip, hold",
        "'new' is not a table; a status is written [new]",
        "[a] has an unknown key 'mesage'; did you mean 'message'?",
        "[a] skip must be true or false",
        "[a] imshop = 'sent' is none of IMSHOP's statuses: placed,",
        "[b] code is empty",
        "[b] has an unknown key 'zz'",
    ):
        assert expected in text


def test_a_text_must_be_in_quotes(path: Path) -> None:
    assert "message must be a text in quotes" in faults(path, "[a]\nmessage = 5\n")


@pytest.mark.parametrize(("text", "why"), [("[packed", "is not TOML"), (b"[a]\nmessage = '\xff'", "is not UTF-8")])
def test_unreadable_file_is_a_fault(path: Path, text: str | bytes, why: str) -> None:
    assert why in faults(path, text)


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "none.toml")


def test_a_byte_order_mark_does_no_harm(path: Path) -> None:
    path.write_text("\ufeff[packed]\nskip = true\n", encoding="utf-8")
    assert load(path).action("packed") == "skip"


def test_edited_file_is_in_force_after_a_refresh(path: Path) -> None:
    file = StatusesFile(path)
    edit(path, "[odd]\nskip = true\n")
    assert file.action("odd") == "hold"
    file.refresh()
    assert file.action("odd") == "skip"


def test_unusable_edit_is_reported_once_and_changes_nothing(path: Path) -> None:
    file = StatusesFile(path)
    edit(path, "[odd")
    with pytest.raises(SettingsError):
        file.refresh()
    file.refresh()
    assert file.action("odd") == "hold"


def test_absent_file_is_reported_and_later_read_again(path: Path) -> None:
    file = StatusesFile(path)
    path.rename(path.with_suffix(".old"))
    with pytest.raises(SettingsError):
        file.refresh()
    edit(path, "[odd]\nskip = true\n")
    file.refresh()
    assert file.action("odd") == "skip"


def test_without_a_file_there_is_nothing_to_refresh() -> None:
    file = StatusesFile(None)
    file.refresh()
    assert file.now == Statuses()


def test_listing_nothing_is_allowed() -> None:
    assert Status() == Status(None, None, None, skip=False)


def edit(path: Path, text: str) -> None:
    """Write, and make sure that the time of the last change differs however coarse the file system's clock is."""
    path.write_text(text)
    later = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later, later))
