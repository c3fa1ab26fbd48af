"""POST /imshop/cancel: whoever sends whatever, it is answered as the contract says, and applied only if it is meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from syncd.model import CancelDecision
from syncd.pipeline.statuses_file import Statuses
from syncd.reasons import Verdict
from syncd.runtime.metrics import Metrics
from syncd.runtime.observer import Observer
from syncd.state import State
from syncd.text import without_blanks
from syncd.web import AppDependencies, CancelEndpoint, create_app
from tests.cancel.made import Office
from tests.cancel.shops import away

KEY = "imshop's-key"
BEARER = {"Authorization": f"Bearer {KEY}"}
CURRENT = {"id": "7", "status": "canceled", "reason": "Передумал"}


@pytest.fixture
def office(memory: State) -> Office:
    return Office(memory)


@pytest.fixture
def to(office: Office) -> FlaskClient:
    return client(office)


def client(office: Office, **given: Any) -> FlaskClient:
    endpoint = CancelEndpoint(office.service(**given), KEY, lambda: office.passed)
    return create_app(AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict, endpoint)).test_client()


def post(to: FlaskClient, body: object = CURRENT, headers: dict[str, str] | None = None) -> TestResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return to.post("/imshop/cancel", data=content, headers=BEARER if headers is None else headers)


def test_it_is_off_until_a_key_is_set() -> None:
    off = create_app(AppDependencies(CollectorRegistry(), dict, lambda: Verdict([]), dict)).test_client()
    assert post(off).status_code == 404


def test_both_generations_are_answered_in_their_own_words(office: Office) -> None:
    to = client(office)
    assert post(to).json == {"success": True, "status": "cancelled", "message": "Отменён"}
    first = post(to, {"internalId": "7", "uuid": "u"})
    assert first.json == {"success": True, "newStatus": "cancelled", "newMessage": "Отменён"}
    assert len(office.shop.asked) == 1


def test_a_decision_against_it_is_no_success(office: Office) -> None:
    office.shop.decide = lambda _: CancelDecision("refused", message="Уже в пути")
    reply = post(client(office))
    assert (reply.status_code, reply.json) == (200, {"success": False, "message": "Уже в пути"})


def test_failed_shop_gives_503_and_a_record(office: Office) -> None:
    office.shop.decide = away
    reply = post(client(office))
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
    assert [one.state for one in office.state.reports.cancellations()] == ["failed"]


def test_unwritable_state_gives_503(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    with office.state.store.write() as connection:
        connection.exec_driver_sql("DROP TABLE cancellations")
    assert post(client(office)).status_code == 503
    assert "cancellation_not_stored" in caplog.text
    assert office.shop.asked == []


@pytest.mark.parametrize(
    "headers", [BEARER, {"Authorization": f"bearer  {KEY} "}, {"key": KEY}, {"Key": KEY, "Authorization": "Basic x"}]
)
def test_key_may_be_bearer_or_own_header(office: Office, headers: dict[str, str]) -> None:
    assert post(client(office), headers=headers).status_code == 200


def test_the_key_comes_in_the_body(office: Office) -> None:
    assert post(client(office), {**CURRENT, "key": KEY}, headers={}).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"key": "wrong"}, {"Authorization": KEY}, {"Authorization": "Bearer ключ"}])
def test_without_the_key_nothing_is_read(office: Office, headers: dict[str, str]) -> None:
    encoded = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    for body in (CURRENT, {**CURRENT, "key": "\ud800"}, b"not JSON"):
        assert post(client(office), body, encoded).status_code == 401
    assert office.state.reports.cancellations() == []


def test_malformed_request_gives_400_with_a_reason(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    to = client(office)
    for body in (b"not JSON", {"status": "canceled"}):
        reply = post(to, body)
        assert (reply.status_code, reply.json and reply.json["success"]) == (400, False)
    assert "cancellation_turned_away" in caplog.text


def test_64_kib_are_enough(office: Office) -> None:
    to = client(office)
    body = json.dumps(CURRENT).encode()
    assert post(to, body.ljust(64 * 1024)).status_code == 200
    assert post(to, body.ljust(64 * 1024 + 1)).status_code == 413


def test_requests_without_key_do_not_use_imshops_rate(office: Office) -> None:
    """Each side has twenty requests a second, so requests without the key cost IMSHOP none."""
    to = client(office)
    assert [post(to, headers={}).status_code for _ in range(21)] == [401] * 20 + [429]
    replies = [post(to) for _ in range(21)]
    assert [reply.status_code for reply in replies] == [200] * 20 + [429]
    assert replies[-1].headers["Retry-After"] == "1"
    office.passed += 0.1
    assert [post(to).status_code for _ in range(3)] == [200, 200, 429]


def test_each_decision_is_counted_and_logged(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    registry = CollectorRegistry()
    observer = Observer(Metrics(registry), Statuses)
    to = client(office, observe=observer.cancelled, repeated=observer.cancellation_repeated)
    office.shop.decide = away
    post(to)
    office.shop.decide = lambda _: CancelDecision("refused")
    post(to)
    post(to)
    office.shop.decide = lambda _: CancelDecision("accepted")
    post(to, {"uuid": "u"})
    counted = {
        result: registry.get_sample_value("syncd_cancellations_total", {"result": result})
        for result in ("accepted", "refused", "failed")
    }
    assert counted == {"accepted": 1, "refused": 1, "failed": 1}
    assert [entry.message for entry in caplog.records if "cancellation" in entry.message] == [
        "cancellation_failed",
        "cancellation_refused",
        "cancellation_repeated",
        "cancellation_accepted",
    ]


EVIL = st.sampled_from(
    ["7'; DROP TABLE orders; --", "$(reboot)", "`id`", "../../etc", "\0", "\ud800", "{order_id}", "%00", "\r\nA: b"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | EVIL
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["id", "uuid", "internalId", "status", "reason", "key", "other"])
OBJECTS = st.dictionaries(NAMES, VALUES | st.sampled_from(["canceled", "7", KEY]), max_size=5)
WHOLE = st.builds(lambda value: json.dumps(value).encode(), OBJECTS | VALUES)
CHARSETS = st.sampled_from(["utf-8", "utf-16", "cp1251", "utf-8-sig"])
CODED = st.builds(
    lambda value, charset: json.dumps(value, ensure_ascii=False).encode(charset, "replace"), OBJECTS, CHARSETS
)
TWICE = st.builds(
    lambda one, two: json.dumps(one).encode()[:-1] + b"," + json.dumps(two).encode()[1:], OBJECTS, OBJECTS
)
DEEP = st.integers(1, 30_000).map(lambda depth: b'{"id":' + b"[" * depth)
HUGE = st.integers(1, 6000).map(lambda digits: b'{"id":' + b"9" * digits + b"}")
BODIES = st.one_of(WHOLE, CODED, TWICE, DEEP, HUGE, st.binary(max_size=200))


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    body=BODIES,
    chunked=st.booleans(),
    kind=st.sampled_from([None, "application/json", "text/plain; charset=cp1251", "x"]),
)
def test_arbitrary_body_never_crashes_or_cancels_wrongly(
    office: Office, to: FlaskClient, body: bytes, kind: str | None, *, chunked: bool
) -> None:
    office.passed += 1
    before = len(office.shop.asked)
    environ: dict[str, Any] = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {}
    reply = to.post("/imshop/cancel", data=body, headers=BEARER, content_type=kind, environ_overrides=environ)
    assert reply.status_code in (200, 400)
    assert "Traceback" not in reply.text
    asked = office.shop.asked[before:]
    assert len(asked) <= (reply.status_code == 200)
    for one in asked:
        _check_meant(one.order_id, one.imshop_uuid, json.loads(body.decode("utf-8-sig")))


def _check_meant(order_id: str | None, uuid: str | None, sent: dict[str, Any]) -> None:
    """The order is the one that is named, letter for letter but for the blanks around it."""
    named = {without_blanks(str(sent[name])) for name in ("id", "internalId") if sent.get(name) is not None}
    assert order_id is None or order_id in named
    assert uuid is None or uuid == without_blanks(str(sent["uuid"]))
    assert sent.get("status") in (None, "canceled")
