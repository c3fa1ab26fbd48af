"""The documents name only what exists, and their tables list all of it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from syncd import __version__
from syncd.cli.commands import COMMANDS, syncd
from syncd.runtime.health import as_json
from syncd.settings import CONTROLS, GROUPS, OPEN_GROUPS, VARIABLES
from syncd.settings.presets import FOLDER, list_presets, load_preset
from syncd.sources.columns import KNOWN
from syncd.state import ChangeView
from tests.bench.__main__ import main as bench
from tests.docs.documents import DOCS, LINK, PAGES, ROOT, anchors, block_after, code, named, quoted, rows, text
from tests.docs.test_metrics_and_logs import SITUATION, metrics
from tests.made import NOON

README = ROOT / "README.md"
INTERFACE = DOCS / "interface.md"
CALL = re.compile(r"(?:^|sudo |bin/|&& )syncd(?:@SHOP)? (?P<command>[a-z]+)\b(?P<rest>[^|&;#]*)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def test_one_line_runs_the_tests() -> None:
    """It sets everything up in a fresh clone; .ci/run takes it from there."""
    (line,) = block_after(README, "<!-- the test command -->\n")

    assert line.startswith("python3 -m venv .venv && ")
    assert "--constraint requirements.lock --editable '.[dev]'" in line
    assert line.endswith(" && .venv/bin/python -m pytest")


def test_one_line_runs_the_demo() -> None:
    (line,) = block_after(README, "The demo: ")

    assert line.startswith("python3 -m venv .venv && ")
    assert line.endswith(" && .venv/bin/syncd demo")


def test_preset_comes_before_any_sql() -> None:
    """The first page sets a shop up by a preset, and the settings that it shows set nothing beside it."""
    shown = block_after(README, "sudo systemctl enable --now syncd")

    assert [line.split("=")[0] for line in shown] == [
        *("SYNCD_IMSHOP__URL", "SYNCD_IMSHOP__API_KEY", "SYNCD_SOURCE__URL", "SYNCD_SOURCE__PRESET")
    ]
    assert "SELECT " not in text(README).split("sudo systemctl enable")[0].replace("SELECT or API", "")


def test_readme_fits_on_a_few_screens() -> None:
    assert len(text(README).encode()) < 7 * 1024


@each_page
def test_links_lead_to_existing_files_and_headings(page: Path) -> None:
    links = [(page.parent / name if name else page, heading) for name, heading in LINK.findall(text(page))]
    targets = [(target.resolve(), heading) for target, heading in links]

    assert [target for target, _ in targets if not target.exists()] == []
    assert [heading for target, heading in targets if heading and heading not in anchors(target)] == []


@each_page
def test_every_setting_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bSYNCD_\w+", text(page)))

    assert [name for name in named - {*VARIABLES, *CONTROLS} if not is_group(name)] == []


def is_group(name: str) -> bool:
    """Whether it is a group as a whole, `SYNCD_SOURCE__`, or in a group of names that are not ours to know."""
    return name.removesuffix("__") in GROUPS or any(name.startswith(f"{group}__") for group in OPEN_GROUPS)


@each_page
def test_every_metric_named_exists(page: Path) -> None:
    assert set(re.findall(r"\bsyncd_\w+", text(page))) <= metrics().keys()


@each_page
def test_every_command_line_can_be_run(page: Path) -> None:
    calls = [found for line in code(page) for found in CALL.finditer(line)]

    for call in calls:
        assert call["command"] in COMMANDS, call[0]
        assert set(re.findall(r"--[a-z-]+", call["rest"])) <= options(call["command"]), call[0]


def options(name: str) -> set[str]:
    command = syncd.get_command(click.Context(syncd), name)
    assert command
    return {opt for parameter in command.params if isinstance(parameter, click.Option) for opt in parameter.opts}


def test_each_command_is_listed_with_its_options() -> None:
    listed = {quoted(row[0])[0]: set(quoted(row[1])) for row in rows(DOCS / "commands.md", "command")}

    assert listed == {name: options(name) for name in COMMANDS}


def test_each_column_of_a_query_is_listed() -> None:
    assert sorted(named(DOCS / "sources.md", "column")) == sorted(KNOWN)


def test_each_preset_is_listed_with_its_parameters() -> None:
    listed = [[*quoted(row[0]), row[1], *quoted(row[2])] for row in rows(DOCS / "presets.md", "preset")]

    assert listed == [
        [preset.name, preset.title, *load_preset(FOLDER / f"{preset.name}.toml").params] for preset in list_presets()
    ]


def test_json_fields_of_the_interface_are_given() -> None:
    """Pinned fields of a change and of the status; more may be given."""
    _, change, status = (part.split("\n\n")[1] for part in text(INTERFACE).split(" at least:"))
    given = as_json(SITUATION, source_kind="sqlite", leader=True, now=NOON)
    groups = [group for group in given.values() if isinstance(group, dict)]

    assert set(quoted(change)) <= {field.name for field in fields(ChangeView)}
    assert set(quoted(status)) - {"flowing", "paused"} <= {*given, *(name for group in groups for name in group)}


def test_map_names_every_room_and_existing_files() -> None:
    """Right below syncd/ it names all; within a room the files to know first."""
    _, *lines = block_after(DOCS / "architecture.md", "## The map")
    parts = [(len(line) - len(line.lstrip()), line.split()[0]) for line in lines]
    top = {name for depth, name in parts if depth == 2}
    rooms = {f"{path.parent.name}/" for path in (ROOT / "syncd").glob("*/__init__.py")}
    files = {path.name + "/" * path.is_dir() for path in (ROOT / "syncd").rglob("*")}

    assert top == rooms | {path.name for path in (ROOT / "syncd").glob("*.py")} - {"__init__.py"}
    assert {name for _, name in parts} <= files


def test_figures_of_each_bench_have_their_block() -> None:
    """`python -m tests.bench --document` writes them there. The storm has no end of its own."""
    (names,) = [option.type for option in bench.params if option.name == "benches"]
    assert isinstance(names, click.Choice)
    blocks = re.findall(r"^<!-- bench (\w+) -->\n```text\n", text(DOCS / "performance.md"), re.MULTILINE)

    assert sorted(blocks) == sorted({*names.choices} - {"storm"})


def test_documents_that_the_code_cites_exist() -> None:
    """`docs/protocol.md, section 1` is a file and a heading of it that begins with `1.`."""
    code = [text(path) for room in ("syncd", "tests", "deploy") for path in (ROOT / room).rglob("*.py")]
    cited = {found for written in code for found in re.findall(r"\b(docs/[\w-]+\.md)(?:, section (\d))?", written)}

    for page, section in cited:
        assert (ROOT / page).exists(), page
        assert not section or f"\n## {section}. " in text(ROOT / page), f"{page}, section {section}"


def test_changelog_begins_with_this_version() -> None:
    newest, *_ = re.findall(r"^## (.+)$", text(ROOT / "CHANGELOG.md"), re.MULTILINE)

    assert newest in (__version__, "Unreleased")
