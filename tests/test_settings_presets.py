"""Presets rank below all that a person wrote, and their parameters can put nothing of their own into a query."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from syncd.errors import SettingsError
from syncd.settings import VARIABLES, Loaded, load, masked
from syncd.settings.presets import FOLDER, PARAMS, load_preset, overrides

PRESET = r"""
title = "A shop"
urls = ["mysql", "postgresql"]

[params.prefix]
description = "what the names of the tables begin with"
default = "shop_"
pattern = "[a-z_]*"

[params.column]
description = "where the number is"
default = "id"
pattern = "id|number"

[params.note]
description = "anything at all"
default = ""
pattern = ".*"

[source]
query = "SELECT ${column} AS order_id, state AS status, '${note}' AS message FROM ${prefix}orders"
query_when = "SELECT 1 FROM ${prefix}new"
query_else = "SELECT id AS order_id, state AS status FROM ${prefix}old"
lookback = "1h"
message_is_change = true
batch = 7
"""


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    return written(tmp_path, PRESET)


def written(folder: Path, text: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(preset: object, **source: str) -> Loaded:
    variables = {
        "SYNCD_IMSHOP__URL": "https://imshop.example/statuses/sync/some-token",
        "SYNCD_SOURCE__URL": "mysql://reader:secret@db.example/shop",
        "SYNCD_SOURCE__PRESET": str(preset),
        **{f"SYNCD_SOURCE__{name}": text for name, text in source.items()},
    }
    return load(variables, usual_env_files=())


def faults(preset: object, **source: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(preset, **source)
    return caught.value.faults


def test_a_preset_fills_what_is_unset(preset: Path) -> None:
    source = loaded(preset).settings.source
    assert source.sql == "SELECT id AS order_id, state AS status, '' AS message FROM shop_orders"
    assert source.query_when == "SELECT 1 FROM shop_new"
    assert source.query_else == "SELECT id AS order_id, state AS status FROM shop_old"
    assert (source.batch, source.message_is_change, source.lookback.total_seconds()) == (7, True, 3600)


def test_what_a_person_wrote_beats_the_preset(preset: Path) -> None:
    source = loaded(preset, BATCH="9", LOOKBACK="2m").settings.source
    assert (source.batch, source.lookback.total_seconds()) == (9, 120)


def beside(preset: object, **source: str) -> tuple[dict[str, str], dict[str, str]]:
    """What stands beside a preset: what it replaces, and what has no effect."""
    found = overrides(loaded(preset, **source).found)
    assert found
    replaced, idle = (
        {name.removeprefix("SYNCD_SOURCE__"): text for name, text in texts.items()}
        for texts in (found.replaced, found.idle)
    )
    return replaced, idle


def test_parameter_of_overridden_settings_has_no_effect(preset: Path) -> None:
    assert beside(preset, PARAMS__PREFIX="x", PARAMS__COLUMN="id") == ({}, {})
    _, idle = beside(preset, PARAMS__PREFIX="x", PARAMS__COLUMN="id", QUERY="SELECT 1")
    assert idle == dict.fromkeys(("PARAMS__PREFIX", "PARAMS__COLUMN"), "SYNCD_SOURCE__QUERY is set")


def test_time_zone_beside_its_parameter_is_reported() -> None:
    zone = {"URL": "mysql://u@h/shop", "TIMEZONE": "UTC"}
    assert beside("opencart", **zone) == ({"TIMEZONE": "Europe/Moscow"}, {})
    replaced, idle = beside("opencart", **zone, PARAMS__ZONE="Asia/Omsk")
    assert (replaced, idle) == ({"TIMEZONE": "Asia/Omsk"}, {"PARAMS__ZONE": "SYNCD_SOURCE__TIMEZONE is set"})


def test_setting_equal_to_the_preset_replaces_nothing(preset: Path) -> None:
    assert beside(preset, LOOKBACK="1h", BATCH="9") == ({"BATCH": "7"}, {})


def test_parameter_still_used_by_a_setting_has_effect(preset: Path) -> None:
    text = PRESET + 'statuses_query = "SELECT 1 AS status, 2 AS message FROM ${prefix}names"\n'
    preset.write_text(text, encoding="utf-8")
    _, idle = beside(preset, PARAMS__PREFIX="x", PARAMS__NOTE="y", QUERY="SELECT 1")
    assert idle == {"PARAMS__NOTE": "SYNCD_SOURCE__QUERY is set"}


def test_own_field_disables_the_parameter_of_that_field() -> None:
    given = {"URL": "https://shop.example", "FIELDS__IMSHOP_UUID": "uuid", "PARAMS__UUID": "imshop"}
    replaced, idle = beside("retailcrm", **given)
    assert [*replaced] == ["FIELDS__IMSHOP_UUID"]
    assert idle == {"PARAMS__UUID": "SYNCD_SOURCE__FIELDS__IMSHOP_UUID is set"}


def test_a_parameter_for_cancelling_alone_needs_it(preset: Path) -> None:
    _, idle = beside("opencart", URL="mysql://u@h/shop", PARAMS__CANCELLED="9")
    assert idle == {"PARAMS__CANCELLED": "it is for cancelling, and SYNCD_CANCEL__PRESET is not true"}


def test_without_a_preset_nothing_stands_beside_it() -> None:
    assert overrides(loaded("", QUERY="SELECT 1").found) is None


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_each_built_in_preset_uses_all_its_parameters(path: Path) -> None:
    found = load_preset(path)
    texts = "".join(found.texts().values())
    assert [key for key in found.params if f"${{{key}}}" not in texts] == []


def test_the_settings_show_what_came_from_the_preset(preset: Path) -> None:
    shown = {line.variable: (line.value, line.origin) for line in masked(loaded(preset, PARAMS__COLUMN="number"))}
    assert shown["SYNCD_SOURCE__BATCH"] == ("7", f"preset {preset}")
    assert shown["SYNCD_SOURCE__PARAMS__PREFIX"] == ("shop_", f"preset {preset}")
    assert shown["SYNCD_SOURCE__PARAMS__COLUMN"] == ("number", "environment")
    assert shown["SYNCD_SOURCE__INIT_SQL"] == ("", "default")


@pytest.mark.parametrize("name", ["QUERY", "QUERY_FILE"])
def test_own_query_replaces_all_queries_of_the_preset(preset: Path, tmp_path: Path, name: str) -> None:
    own = "SELECT 1 AS order_id, 2 AS status"
    (tmp_path / "own.sql").write_text(own, encoding="utf-8")
    source = loaded(preset, **{name: own if name == "QUERY" else str(tmp_path / "own.sql")}).settings.source
    assert (source.sql, source.query_when, source.query_else, source.batch) == (own, None, None, 7)


def test_parameters_go_into_the_queries(preset: Path) -> None:
    source = loaded(preset, PARAMS__PREFIX="old_", PARAMS__COLUMN="number").settings.source
    assert source.sql == "SELECT number AS order_id, state AS status, '' AS message FROM old_orders"


def test_parameter_has_any_alphabet_that_its_pattern_allows(preset: Path) -> None:
    assert "'Трек-номер 1' AS message" in loaded(preset, PARAMS__NOTE="Трек-номер 1").settings.source.sql
    assert faults(preset, PARAMS__PREFIX="ж")


def test_a_parameter_may_be_empty(preset: Path) -> None:
    assert loaded(preset, PARAMS__PREFIX="").settings.source.query_when == "SELECT 1 FROM new"


@pytest.mark.parametrize("group", ["PARAMS", None])
def test_parameters_may_come_as_one_json_object(preset: Path, group: str | None) -> None:
    params = {"prefix": "old_", "column": "number"}
    whole = {"PARAMS": json.dumps(params)} if group else {}
    around = {} if group else {"SYNCD_SOURCE": json.dumps({"params": params})}
    variables = {
        "SYNCD_IMSHOP__URL": "https://imshop.example/statuses/sync/some-token",
        "SYNCD_SOURCE__URL": "mysql://reader:secret@db.example/shop",
        "SYNCD_SOURCE__PRESET": str(preset),
        **{f"SYNCD_SOURCE__{name}": text for name, text in whole.items()},
        **around,
    }
    assert load(variables, usual_env_files=()).settings.source.sql.endswith("FROM old_orders")


@pytest.mark.parametrize(
    "text",
    [
        "x; DROP TABLE orders",
        "x`",
        "x'",
        'x"',
        "x\\",
        "x--",
        "x/*",
        "x)",
        "x\n",
        "x#",
        "x${column}",
        "x{",
        "x|y",
        "x＇",
    ],
)
@pytest.mark.parametrize("name", ["PREFIX", "NOTE"])
def test_no_parameter_can_end_a_text_or_name(preset: Path, name: str, text: str) -> None:
    (fault,) = faults(preset, **{f"PARAMS__{name}": text})
    assert fault.startswith(f"SYNCD_SOURCE__PARAMS__{name}: ")
    assert "cannot be used" in fault


def test_unknown_parameter_is_refused_with_the_nearest_name(preset: Path) -> None:
    (fault,) = faults(preset, PARAMS__PREFX="x")
    assert fault == (
        f"SYNCD_SOURCE__PARAMS__PREFX: is no parameter of the preset {preset}; "
        "did you mean SYNCD_SOURCE__PARAMS__PREFIX?"
    )


def test_statuses_list_of_a_preset_can_be_disabled() -> None:
    found = loaded("cs-cart-api", URL="https://shop.example", STATUSES_PATH="")
    assert found.settings.source.statuses_path == ""


def test_impossible_value_names_the_parameter_not_the_setting() -> None:
    (fault,) = faults("bitrix", PARAMS__ZONE="Europe/Moskva")
    assert fault.startswith("SYNCD_SOURCE__PARAMS__ZONE: 'Europe/Moskva' is not a time zone")


def test_unusable_preset_is_the_only_fault() -> None:
    """The settings that it would have given are not reported as missing."""
    assert len(faults("retailcrm", URL="https://shop.example", PARAMS__NUMBER="order")) == 1
    assert len(faults("opencart", URL="https://shop.example")) == 1


def test_a_parameter_without_a_preset_is_refused() -> None:
    (fault,) = faults("", QUERY="SELECT 1", PARAMS__PREFIX="x")
    assert fault == "SYNCD_SOURCE__PARAMS__PREFIX: is for presets, but SYNCD_SOURCE__PRESET is not set"


def test_a_preset_that_takes_no_parameters_says_so(tmp_path: Path) -> None:
    plain = written(tmp_path, 'title = "A"\nurls = ["mysql"]\n[source]\nquery = "SELECT 1"\n')
    (fault,) = faults(plain, PARAMS__PREFIX="x")
    assert fault == f"SYNCD_SOURCE__PARAMS__PREFIX: is no parameter of the preset {plain}, which has none"


def test_a_default_may_name_a_required_parameter(tmp_path: Path) -> None:
    needy = written(
        tmp_path, PRESET.replace('default = "shop_"\n', "").replace('default = ""', 'default = "${prefix}"')
    )
    (fault,) = faults(needy)
    assert fault.startswith("SYNCD_SOURCE__PARAMS__PREFIX: required by the preset")
    assert loaded(needy, PARAMS__PREFIX="a_").settings.source.sql.startswith(
        "SELECT id AS order_id, state AS status, 'a_'"
    )


def test_a_parameter_without_a_default_is_required(tmp_path: Path) -> None:
    needy = written(tmp_path, PRESET.replace('default = "shop_"\n', ""))
    (fault,) = faults(needy)
    assert fault == (
        f"SYNCD_SOURCE__PARAMS__PREFIX: required by the preset {needy}: what the names of the tables begin with"
    )


def test_unknown_preset_is_refused_with_the_nearest_name() -> None:
    (fault,) = faults("open-cart")
    assert fault == (
        "SYNCD_SOURCE__PRESET: 'open-cart' is no preset; did you mean opencart? `syncd presets` lists them"
    )


def test_a_parameters_value_may_stand_for_another_text(tmp_path: Path) -> None:
    means = 'default = "id"\nmeans = {number = "COALESCE(number, id)"}'
    preset = written(tmp_path, PRESET.replace('default = "id"', means))
    assert loaded(preset).settings.source.sql.startswith("SELECT id AS order_id")
    shown = loaded(preset, PARAMS__COLUMN="number")
    assert shown.settings.source.sql.startswith("SELECT COALESCE(number, id) AS order_id")
    assert {line.variable: line.value for line in masked(shown)}["SYNCD_SOURCE__PARAMS__COLUMN"] == "number"


def test_a_default_may_hold_another_parameter(tmp_path: Path) -> None:
    text = PRESET.replace('default = "shop_"', 'default = "${column}_"\nmeans = {id_ = "old_"}')
    preset = written(tmp_path, text)
    assert loaded(preset).settings.source.sql.endswith("FROM old_orders")
    assert loaded(preset, PARAMS__COLUMN="number").settings.source.sql.endswith("FROM number_orders")
    assert loaded(preset, PARAMS__PREFIX="x").settings.source.sql.endswith("FROM xorders")
    shown = {line.variable: line.value for line in masked(loaded(preset, PARAMS__COLUMN="number"))}
    assert shown["SYNCD_SOURCE__PARAMS__PREFIX"] == "number_"


def test_an_unknown_parameter_in_a_default_is_refused(tmp_path: Path) -> None:
    (fault,) = faults(written(tmp_path, PRESET.replace('default = "shop_"', 'default = "${size}_"')))
    assert fault.endswith("${size} is no parameter; declare [params.size]")


def test_preset_has_the_other_name_of_its_platform() -> None:
    assert loaded("ocstore").settings.source.sql == loaded("opencart").settings.source.sql
    assert "did you mean ocstore?" in faults("oc-store")[0]


def test_preset_of_another_source_kind_hides_the_url(preset: Path) -> None:
    """It is refused, and the fault does not show the URL."""
    (fault,) = faults(preset, URL="oracle://reader:secret@db.example/shop")
    assert fault == (f"SYNCD_SOURCE__URL: the preset {preset} needs a URL that starts with mysql:// or postgresql://")


def test_url_with_a_driver_is_of_that_kind(preset: Path) -> None:
    assert loaded(preset, URL="postgresql+psycopg://reader:secret@db.example/shop")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "is not TOML"),
        ('title = "A"\n[source]\nquery = "x"', "urls: Field required"),
        (PRESET + 'colour = "blue"', "SYNCD_SOURCE__COLOUR: is not a setting of syncd"),
        (PRESET.replace("[params.note]", "[params.other]"), "${note} is no parameter; declare [params.note]"),
    ],
)
def test_unusable_own_preset_says_why(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in fault for fault in faults(written(tmp_path, text)))


def test_missing_own_preset_is_reported(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path / "none.toml")
    assert fault == f"SYNCD_SOURCE__PRESET: {tmp_path}/none.toml cannot be read: No such file or directory"


def test_own_names_override_those_of_a_preset_group(tmp_path: Path) -> None:
    """Names match in any case; the group's other names stay as the preset writes them."""
    grouped = written(tmp_path, PRESET + '[source.params]\nPrefix = "no"\nSize = "10"\n')
    assert dict(loaded(grouped, PARAMS__PREFIX="x").settings.source.params) == {
        "PREFIX": "x",
        "COLUMN": "id",
        "NOTE": "",
        "Size": "10",
    }


def test_query_else_and_query_when_go_together() -> None:
    (fault,) = faults("", QUERY="SELECT 1", QUERY_ELSE="SELECT 2")
    assert fault == "SYNCD_SOURCE__QUERY_ELSE: goes with SYNCD_SOURCE__QUERY_WHEN: set both or none"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_built_in_presets_are_complete_and_parameters_safe(path: Path) -> None:
    preset = load_preset(path)
    for variable in preset.texts(cancels=False):
        assert any(variable == known or variable.startswith(f"{known}__") for known in VARIABLES), variable
    assert preset.placeholders() == preset.params.keys()
    defaults = preset.values({})
    for name, parameter in preset.params.items():
        assert parameter.default is None or parameter.fault(defaults[name]) is None, name
        assert parameter.fault("x' OR 1=1"), f"{PARAMS}__{name}"
    heading = re.match(r"(#[^\n]*\n)+", path.read_text("utf-8"))
    assert heading
    for told in ("Tested", "Traps", " that only reads:"):
        assert told in heading[0], f"{path.name} does not tell: {told}"
