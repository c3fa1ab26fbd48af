"""docs/metrics-and-logs.md lists what the daemon serves, counts and logs: all of it, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from syncd.reasons import Verdict
from syncd.runtime.metrics import Metrics, StateCollector
from syncd.state import Recent, State
from syncd.verdict import Situation
from syncd.web import AppDependencies, create_app, create_page
from tests.docs.documents import DOCS, ROOT, named
from tests.made import NOON
from tests.page.scenes import PageInputs
from tests.test_verdict import EXPECTED, WELL, pushes

PAGE = DOCS / "metrics-and-logs.md"
SITUATION = Situation(WELL, Recent(pushes("+")), statuses=EXPECTED)
"""With a mismatch: its metric has no samples else."""


def test_each_metric_is_listed_with_its_labels() -> None:
    assert sorted(named(PAGE, "metric")) == sorted(name + labels for name, labels in metrics().items())


def test_each_reason_to_skip_a_row_is_explained() -> None:
    assert set(named(DOCS / "sources.md", "reason")) == reasons()


def reasons() -> set[str]:
    """Why a row is skipped, as the metric counts it."""
    (skipped,) = [metric for metric in collected() if metric.name == "syncd_source_rows_skipped"]
    return {sample.labels["reason"] for sample in skipped.samples}


def collected() -> list[Metric]:
    registry = CollectorRegistry()
    Metrics(registry)
    registry.register(StateCollector(lambda: SITUATION, lambda: True, "1", lambda: NOON))
    return list(registry.collect())


def metrics() -> Mapping[str, str]:
    """The name of each metric, and its labels as the document writes them."""
    return {
        metric.name + ("_total" if metric.type == "counter" else ""): labels(metric.samples[0].labels)
        for metric in collected()
    }


def labels(given: Mapping[str, str]) -> str:
    names = [name for name in given if name != "le"]
    return f"{{{','.join(names)}}}" if names else ""


def test_each_endpoint_is_listed(memory: State) -> None:
    page = create_page(PageInputs(memory).dependencies())
    app = create_app(AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict), page)

    assert sorted(named(PAGE, "endpoint")) == sorted(rule.rule for rule in app.url_map.iter_rules())


def test_each_log_event_is_listed() -> None:
    assert sorted(named(PAGE, "event")) == sorted(logged())


def logged() -> set[str]:
    """The names of all events that the code logs."""
    rooms = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "syncd").rglob("*.py")]
    return {event for room in rooms for event in events(room)}


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
