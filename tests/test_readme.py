"""README.md says what the code does: its tables are held to the code that says the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import click
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from syncd.cli.commands import COMMANDS, syncd
from syncd.errors import PushError
from syncd.imshop import MEANINGS, Meaning
from syncd.model import CHANGE_STATES
from syncd.pipeline.backoff import FIRST_DELAY, LONGEST_DELAY, LONGEST_PROBE, after_failure
from syncd.pipeline.circuit_breaker import PAUSE_REASONS, CircuitBreaker
from syncd.runtime.metrics import Metrics, StateCollector
from syncd.settings import CONTROLS, GROUPS, OPEN_GROUPS, VARIABLES
from syncd.settings.presets import FOLDER, presets
from syncd.settings.presets import load as load_preset
from syncd.sources.columns import KNOWN
from syncd.state import SourceStatus, State, Summary
from syncd.web import Views, create_app, pages
from tests.made import NOON, push
from tests.page.conftest import Desk

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = " ".join(README.split())
ROWS = re.compile(r"^\| (?P<heading>.+?) \|.*\n\|[ |-]+\n(?P<rows>(?:\|.*\n)+)", re.MULTILINE)
FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<lines>.*?)^```$", re.MULTILINE | re.DOTALL)
GIVE_UP_AFTER = timedelta(hours=24)
SUMMARY = Summary(
    tracked=0,
    changes=dict.fromkeys(CHANGE_STATES, 0),
    held={},
    oldest_pending_at=None,
    next_due_at=None,
    source=SourceStatus(None, None, None, 0),
    pause=None,
    last_delivered_at=None,
    missing_refused=0,
)


def rows(heading: str) -> list[list[str]]:
    """The cells of the one table whose first column has this heading."""
    (table,) = [found["rows"] for found in ROWS.finditer(README) if found["heading"] == heading]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def quoted(text: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", text)


def named(heading: str) -> list[str]:
    """What the first column of a table names."""
    return [name for row in rows(heading) for name in quoted(row[0])]


def block_after(text: str) -> list[str]:
    """The lines of the first fenced block behind this text."""
    found = FENCED.search(README, README.index(text))
    assert found
    return found["lines"].splitlines()


def test_one_line_sets_everything_up_and_runs_the_tests() -> None:
    (line,) = block_after("<!-- the test command -->\n")

    assert line.startswith("python3 -m venv .venv && ")
    assert "--constraint requirements.lock --editable '.[dev]'" in line
    assert line.endswith(" && .venv/bin/python -m pytest")


def test_one_line_sets_everything_up_and_runs_the_demo() -> None:
    (line,) = block_after("The demo: ")

    assert line.startswith("python3 -m venv .venv && ")
    assert line.endswith(" && .venv/bin/syncd demo")


def test_each_command_is_listed_with_all_its_options() -> None:
    listed = {quoted(row[0])[0]: set(quoted(row[1])) for row in rows("command")}

    assert listed == {name: options(name) for name in COMMANDS}


def options(name: str) -> set[str]:
    command = syncd.get_command(click.Context(syncd), name)
    assert command
    return {opt for parameter in command.params if isinstance(parameter, click.Option) for opt in parameter.opts}


def test_the_columns_are_those_that_a_query_may_have() -> None:
    assert sorted(named("column")) == sorted(KNOWN)


def test_each_state_of_a_change_is_explained() -> None:
    assert named("state") == list(CHANGE_STATES)


def test_each_reply_is_listed_and_what_follows_is_what_the_code_does() -> None:
    assert rows("IMSHOP's reply") == [[meaning.when, *consequences(meaning)] for meaning in MEANINGS]


def consequences(meaning: Meaning) -> list[str]:
    """What becomes of the change, whether it was applied, and whether delivery flows."""
    if meaning is MEANINGS[0]:
        return ["`delivered`", "yes", "flows"]
    error = meaning.error(500, host="", why="", flaw="", quote="")
    return [fate(error), "perhaps" if error.in_doubt else "no", delivery(error)]


def fate(error: PushError) -> str:
    """What comes of a change that gets the same reply each time."""
    ends = after_failure(
        replace(push(), attempts=1000, failing_since=NOON), error, NOON + GIVE_UP_AFTER, GIVE_UP_AFTER, Random(1)
    )
    if ends.result == "paused":
        return "waits, no attempt is used up"
    if ends.result == "dead":
        return "tried again, in the end `dead`"
    nexts = [
        after_failure(replace(push(), refusals=refusals), error, NOON, GIVE_UP_AFTER, Random(1))
        for refusals in range(4)
    ]
    first, second, third = (int((then.at - NOON) / timedelta(minutes=1)) for then in nexts if then.at)
    return f"tried again after {first}, {second} and {third} minutes, then `{nexts[-1].state}`"


def delivery(error: PushError) -> str:
    """Whether delivery goes on when one order after the other gets this reply."""
    gate = CircuitBreaker(Random(1))
    for count in range(1, 20):
        gate.failed(f"order {count}", error, NOON)
        if gate.pause:
            paused = f"paused: `{gate.pause.reason}`"
            return paused if count == 1 else f"flows; after {count} such orders and no answer {paused}"
    return "flows"


@pytest.mark.parametrize("reason", PAUSE_REASONS)
def test_each_reason_to_pause_is_listed(reason: str) -> None:
    assert any(f"paused: `{reason}`" in row[-1] for row in rows("IMSHOP's reply"))


def test_the_times_of_retries_and_probes_are_those_of_the_code() -> None:
    bounds = (
        f"within {FIRST_DELAY.seconds} s, then within twice as long each time, at most {LONGEST_DELAY.seconds // 60}"
    )

    assert bounds in PROSE
    assert f"intervals of at most {LONGEST_PROBE.seconds} s" in PROSE


def test_each_metric_is_listed_with_its_labels() -> None:
    assert sorted(named("metric")) == sorted(name + labels for name, labels in metrics().items())


def test_no_metric_is_named_that_does_not_exist() -> None:
    assert set(re.findall(r"\bsyncd_\w+", README)) <= metrics().keys()


def test_the_reasons_to_skip_a_row_are_those_that_are_counted() -> None:
    (skipped,) = [metric for metric in collected() if metric.name == "syncd_source_rows_skipped"]

    assert set(named("reason")) == {sample.labels["reason"] for sample in skipped.samples}


def collected() -> list[Metric]:
    registry = CollectorRegistry()
    Metrics(registry)
    registry.register(StateCollector(lambda: SUMMARY, lambda: True, "1"))
    return list(registry.collect())


def metrics() -> Mapping[str, str]:
    """The name of each metric, and its labels as README writes them."""
    return {
        metric.name + ("_total" if metric.type == "counter" else ""): labels(metric.samples[0].labels)
        for metric in collected()
    }


def labels(given: Mapping[str, str]) -> str:
    names = [name for name in given if name != "le"]
    return f"{{{','.join(names)}}}" if names else ""


def test_each_endpoint_is_listed(memory: State) -> None:
    app = create_app(Views(CollectorRegistry(), dict, list, dict), pages(Desk(memory).pages()))

    assert sorted(named("endpoint")) == sorted(rule.rule for rule in app.url_map.iter_rules())


def test_each_event_that_is_logged_is_listed() -> None:
    rooms = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "syncd").rglob("*.py")]

    assert sorted(named("event")) == sorted({event for room in rooms for event in events(room)})


def events(room: ast.AST) -> Iterator[str]:
    """The first argument of each call of a method of `log`."""
    for node in ast.walk(room):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log")), args=[event, *_]):
                yield from texts(event, room)


def texts(event: ast.AST, room: ast.AST) -> Iterator[str]:
    """What a name of an event may be: a text, one of two, or what a variable was set to."""
    match event:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from [*texts(one, room), *texts(other, room)]
        case ast.Name(id=variable):
            for node in ast.walk(room):
                match node:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == variable:
                        yield from texts(value, room)
        case _:
            pytest.fail(f"an event whose name cannot be told: {ast.unparse(event)}")


def test_only_settings_are_named_that_there_are() -> None:
    named = set(re.findall(r"\bSYNCD_\w+", README))

    assert [name for name in named - {*VARIABLES, *CONTROLS} if not is_group(name)] == []


def is_group(name: str) -> bool:
    """Whether it is a group as a whole, `SYNCD_SOURCE__`, or in a group of names that are not ours to know."""
    return name.removesuffix("__") in GROUPS or any(name.startswith(f"{group}__") for group in OPEN_GROUPS)


def test_each_preset_is_listed_with_its_parameters() -> None:
    listed = [[*quoted(row[0]), row[1], *quoted(row[2])] for row in rows("preset")]

    assert listed == [
        [preset.name, preset.title, *load_preset(FOLDER / f"{preset.name}.toml").params] for preset in presets()
    ]


def test_each_file_that_is_linked_is_there() -> None:
    assert [name for name in re.findall(r"\]\(([^)#]+)\)", README) if not (ROOT / name).exists()] == []
