"""docs/ru names only what there is, leads somewhere, and gives the commands that the English documents give."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from subprocess import run

import click
import pytest

from syncd.cli.commands import COMMANDS, syncd

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "ru").glob("*.md"))
ENGLISH = [
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in ("install", "sources", "presets", "behaviour", "cancellations", "commands", "metrics-and-logs")
    ),
    *(ROOT / "docs" / f"{name}.md" for name in ("operations", "runbook", "glossary")),
]
ALERTS = ROOT / "deploy" / "prometheus" / "syncd.alerts.yml"
FENCED = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
ROW = re.compile(r"^\| (?!---)(.*?) \|(?: (.*?) \|)?", re.MULTILINE)
CALL = re.compile(r"\bsyncd(?:@SHOP)? ([a-z]+)(?= |$)([^#;&|]*)")
OPTION = re.compile(r"--[a-z-]+")
ELSEWHERE = {"SYNCD_ENV_FILE", "SYNCD_SECRETS_DIR"}  # where settings are: not in the example of the settings

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text(name: str) -> str:
    return (ROOT / "docs" / "ru" / name).read_text(encoding="utf-8")


def table(page: str, heading: str) -> list[tuple[str, str]]:
    """The first two cells of each row of the table whose first column has this heading."""
    body = re.search(rf"^\| {heading} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", text(page), re.MULTILINE)
    assert body, heading
    return ROW.findall(body[1])


def named(page: str, heading: str) -> list[str]:
    return [name for cell, _ in table(page, heading) for name in CODE.findall(cell)]


@cache
def code() -> tuple[frozenset[str], frozenset[str]]:
    """Every text in the program's code, and the texts that open a call of `log`: the events."""
    nodes = [
        node
        for path in (ROOT / "syncd").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    events = {
        node.args[0].value
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and isinstance(node.args[0], ast.Constant)
    }
    return frozenset(texts), frozenset(map(str, events))


def options(name: str) -> set[str]:
    command = syncd.get_command(click.Context(syncd), name)
    assert command
    return {opt for parameter in command.params if isinstance(parameter, click.Option) for opt in parameter.opts}


def test_each_command_is_listed_with_its_options() -> None:
    listed = {CODE.findall(name)[0]: set(CODE.findall(keys)) for name, keys in table("operations.md", "команда")}

    assert listed == {name: options(name) for name in COMMANDS}


@each_page
def test_command_lines_can_be_called(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    lines = [*CODE.findall(content), *"".join(FENCED.findall(content)).splitlines()]
    calls = [call for line in lines for call in CALL.findall(line)]

    assert [name for name, _ in calls if name not in COMMANDS] == []
    assert [call for call in calls if not set(OPTION.findall(call[1])) <= options(call[0])] == []


@each_page
def test_settings_exist(page: Path) -> None:
    example = (ROOT / "config.example.env").read_text(encoding="utf-8")
    settings = {*re.findall(r"^#?(SYNCD_\w+)=", example, re.MULTILINE), *ELSEWHERE}
    groups = tuple(f"{name}__" for name in settings if name.endswith(("_PARAMS", "_FIELDS", "_HEADERS")))
    names = set(re.findall(r"\bSYNCD_\w+", page.read_text(encoding="utf-8"))) - settings - {"SYNCD_SOURCE__"}

    assert [name for name in names if not name.startswith(groups)] == []


@each_page
def test_metrics_exist(page: Path) -> None:
    texts, _ = code()
    metrics = set(re.findall(r"\bsyncd_[a-z_]+", page.read_text(encoding="utf-8")))

    assert {name for name in metrics if not {name, name.removesuffix("_total")} & texts} == set()


def test_events_are_those_of_the_log() -> None:
    texts, events = code()
    listed = set(named("operations.md", "событие"))

    assert listed <= texts
    assert events <= listed


@pytest.mark.parametrize("heading", ["состояние", "причина", "пресет"])
def test_listed_states_reasons_and_presets_exist(heading: str) -> None:
    texts, _ = code()
    presets = {path.stem for path in (ROOT / "syncd").rglob("presets/*.toml")}
    page = "install.md" if heading == "пресет" else "operations.md"
    names = {CODE.findall(cell)[0] for cell, _ in table(page, heading)}

    assert names == presets if heading == "пресет" else names <= texts


def test_exit_codes_are_those_of_the_commands() -> None:
    listed = [int(cell) for cell, _ in table("operations.md", "код возврата")]
    shop = {
        "SYNCD_SOURCE__URL": "sqlite:////no/such/shop.db",
        "SYNCD_SOURCE__QUERY": "SELECT 1 AS order_id, 1 AS status",
    }
    settings = {**shop, "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/", "SYNCD_STATE__URL": "sqlite:////no/such/syncd.db"}
    calls = [("--help", {}), ("status", settings), ("status", {})]

    assert listed == [
        run([sys.executable, "-m", "syncd", call], env=env, cwd="/", capture_output=True, check=False).returncode
        for call, env in calls
    ]


def test_runbook_has_a_section_for_each_alert() -> None:
    alerts = re.findall(r"alert: (\w+)", ALERTS.read_text(encoding="utf-8"))
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text("runbook.md"), re.MULTILINE | re.DOTALL))

    assert list(sections) == alerts
    assert [name.strip("`[]()#").split("`")[0] for name, _ in table("runbook.md", "оповещение")] == alerts
    for section in sections.values():
        assert re.findall(r"^\*\*([\w ]+):\*\*", section, re.MULTILINE) == ["Для покупателей", "Посмотрите", "Сделайте"]


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)

    assert dead == []


def anchors(page: Path) -> set[str]:
    """What GitHub makes of its headings: small letters and digits, hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_code_is_that_of_the_english_documents(page: Path) -> None:
    """Line by line, without comments and with placeholders in either language."""
    english = {line for other in ENGLISH for line in code_lines(other)}

    assert [line for line in code_lines(page) if line not in english] == []


def code_lines(page: Path) -> list[str]:
    code = re.sub(
        r"[ \t]+(?:#|--) .*$", "", "".join(FENCED.findall(page.read_text(encoding="utf-8"))), flags=re.MULTILINE
    )
    return [re.sub(r"<[^<>]+>", "<>", line).strip() for line in code.splitlines() if line.strip()]
