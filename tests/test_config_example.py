"""config.example.env says of every setting what is so, and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from syncd.errors import SettingsError
from syncd.settings import VARIABLES, load, masked
from syncd.settings.presets import Overrides, overrides

EXAMPLE = Path(__file__).parent.parent / "config.example.env"
PLACES = ("IMSHOP__URL", "IMSHOP__API_KEY", "SOURCE__URL", "SOURCE__PRESET", "SOURCE__TIMEZONE")
EDITS = {
    "SYNCD_IMSHOP__URL": "https://imshop.example/statuses/sync/some-token",
    "SYNCD_IMSHOP__API_KEY": "some-key",
    "SYNCD_SOURCE__URL": "postgresql://reader:pass@db.example/shop",
    "SYNCD_SOURCE__QUERY": '"SELECT number AS order_id, state AS status FROM sales"',
    "SYNCD_SOURCE__TIMEZONE": "Europe/Moscow",
}


class Line(NamedTuple):
    comment: str
    is_set: bool
    name: str
    text: str


def lines() -> list[Line]:
    """The settings in the file, each with the comment line right above it."""
    found = re.findall(r"^# (.+)\n(#?)(SYNCD_\w+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    return [Line(comment, not hash_sign, name, text.strip('"')) for comment, hash_sign, name, text in found]


def edited(tmp_path: Path, edits: dict[str, str]) -> Path:
    content = EXAMPLE.read_text(encoding="utf-8")
    for name, text in edits.items():
        content = re.sub(rf"^#?{name}=.*$", f"{name}={text}", content, flags=re.MULTILINE)
    copy = tmp_path / "syncd.env"
    copy.write_text(content, encoding="utf-8")
    return copy


def test_example_has_every_setting_once_and_nothing_else() -> None:
    assert sorted(line.name for line in lines()) == sorted(VARIABLES)
    assert len(re.findall(r"^#? *SYNCD_\w+ *=", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)) == len(VARIABLES)


def test_each_setting_has_its_description_above_it() -> None:
    assert {line.name: line.comment for line in lines()} == {
        name: variable.field.description for name, variable in VARIABLES.items()
    }


def test_what_is_commented_out_shows_the_true_default() -> None:
    environ = {name: text.strip('"') for name, text in EDITS.items() if name != "SYNCD_SOURCE__TIMEZONE"}
    defaults = {shown.variable: shown.value for shown in masked(load(environ, usual_env_files=()))}
    defaults["SYNCD_SOURCE__QUERY"] = ""
    shown = {line.name: line.text for line in lines() if not line.is_set}
    assert shown == {name: defaults[name] for name in shown}


def test_five_places_are_marked_in_order() -> None:
    marked = re.findall(
        r"^# EDIT (\d) of 5[^\n]*\n(?:# [^\n]*\n)+#?(SYNCD_\w+)=", EXAMPLE.read_text("utf-8"), re.MULTILINE
    )
    assert marked == [(str(place), f"SYNCD_{name}") for place, name in enumerate(PLACES, start=1)]


def test_nothing_is_set_that_would_override_a_preset(tmp_path: Path) -> None:
    assert [line.name for line in lines() if line.is_set] == [f"SYNCD_{name}" for name in PLACES[:3]]
    url = {"SYNCD_SOURCE__URL": "mysql://reader:pass@db.example/shop", "SYNCD_SOURCE__PRESET": "opencart"}
    needed = {name: text for name, text in EDITS.items() if "IMSHOP" in name}
    found = load({}, edited(tmp_path, needed | url)).found
    assert overrides(found) == Overrides("opencart", {}, {})


def test_example_with_five_edits_is_a_working_configuration(tmp_path: Path) -> None:
    copy = edited(tmp_path, EDITS)
    loaded = load({}, copy)
    assert loaded.settings.source.sql == "SELECT number AS order_id, state AS status FROM sales"
    assert str(loaded.settings.source.timezone) == "Europe/Moscow"
    assert {name for name, origin in loaded.origins.items() if origin == str(copy)} == set(EDITS)


@pytest.mark.parametrize("forgotten", ["SYNCD_IMSHOP__URL", "SYNCD_IMSHOP__API_KEY", "SYNCD_SOURCE__URL"])
def test_a_placeholder_that_was_left_is_a_fault(tmp_path: Path, forgotten: str) -> None:
    copy = edited(tmp_path, {name: text for name, text in EDITS.items() if name != forgotten})
    with pytest.raises(SettingsError) as caught:
        load({}, copy)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(f"{forgotten}: still holds a placeholder")


def test_uncommented_defaults_change_nothing(tmp_path: Path) -> None:
    copy = edited(tmp_path, EDITS)
    quiet = load({}, copy)
    copy.write_text(re.sub(r"^#(SYNCD_)", r"\1", copy.read_text("utf-8"), flags=re.MULTILINE), encoding="utf-8")
    assert load({}, copy).settings == quiet.settings


def test_systemd_reads_each_line_as_syncd_does() -> None:
    """EnvironmentFile= knows no `export` and no comment behind a value, and has its own rules for \\, $ and quotes."""
    setting = r"""#?SYNCD_[A-Z_]+=("[^"\\$`]*"|[^\s"'\\$`;]*)"""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        assert not line or line.startswith(("# ", "#\n")) or line == "#" or re.fullmatch(setting, line), line
