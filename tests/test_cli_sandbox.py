"""`syncd sandbox` as an administrator runs it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from syncd.sandbox import FAIL_HELP
from tests.e2e.forked import LANGUAGE, Forked

ORDER = {"id": "05671863", "code": "packed", "message": "Готов к выдаче"}
EVERYTHING = {
    **ORDER,
    "trackingUrl": "https://cdek.ru/?id=12",
    "userId": "79001234567",
    "payment": {"paid": True, "paymentId": "pay-1"},
}


def sandbox(*arguments: str) -> Forked:
    """On any free port, unless `arguments` name one."""
    return Forked(["sandbox", "--port", "0", *arguments], env={"LANG": LANGUAGE}, cwd=Path("/"))


def line(process: Forked) -> str:
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


def url(process: Forked) -> str:
    name, _, value = line(process).partition("=")
    assert name == "SYNCD_IMSHOP__URL"
    line(process)  # what to do about the key
    return value


def ended(process: Forked, by: signal.Signals = signal.SIGTERM) -> str:
    """What else it printed, once it has ended well and complained of nothing."""
    process.send_signal(by)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    return out


def fresh(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process that has just started."""
    command = [sys.executable, "-m", "syncd", "sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=20)


def refused(*arguments: str) -> str:
    """What a sandbox that cannot start says; its exit status is 2."""
    ran = fresh("--port", "0", *arguments)
    assert ran.returncode == 2
    return ran.stderr


def post(address: str, body: object, **headers: str) -> requests.Response:
    return requests.post(address, json=body, headers=headers, timeout=5)


def test_url_comes_first_then_requests_with_their_answers() -> None:
    with sandbox() as process:
        post(url(process), EVERYTHING)
        shown = line(process)
        rest = ended(process)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  05671863    packed        «Готов к выдаче»  track https://cdek.ru/\?id=12  "
        r"paid pay-1  user 79001234567  → 200 ready_for_pickup",
        shown,
    )
    assert rest == "requests: 1, with faults: 0\n"


def test_faulty_request_is_shown_with_all_its_faults() -> None:
    with sandbox() as process:
        post(url(process), {"id": 7, "payment": {"paid": False, "paymentId": None}})
        shown = [line(process) for _ in range(3)]
        rest = ended(process, signal.SIGINT)
    assert shown[0].endswith("→ 400")
    assert shown[1].strip() == "✗ `code` is missing"
    assert shown[2].strip() == "✗ `id` must be a string"
    assert rest == "requests: 1, with faults: 1\n"


def test_requested_failure_is_made_and_marked() -> None:
    with sandbox("--fail", "503:retry-after=7") as process:
        answer = post(url(process), ORDER)
        assert line(process).endswith("→ 503, as --fail wants it")
        ended(process)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


def test_the_key_is_asked_for_and_never_printed() -> None:
    with sandbox("--json", "--key", "topsecret") as process:
        address = json.loads(line(process))["url"]
        statuses = [
            post(address, ORDER).status_code,
            post(address, ORDER, Authorization="Bearer topsecret").status_code,
            post(address, {**ORDER, "key": "topsecret"}).status_code,
        ]
        out = ended(process)
    assert statuses == [401, 200, 200]
    assert out.count("\n") == 3
    assert "topsecret" not in out


def test_json_has_one_whole_object_a_line() -> None:
    with sandbox("--json") as process:
        address = json.loads(line(process))["url"]
        post(address, EVERYTHING)
        post(address, {**ORDER, "code": "\ud83d"})
        requests.post(address, data=b"{", timeout=5)
        right, wrong, unreadable = map(json.loads, ended(process).splitlines())
    expected: dict[str, Any] = {"number": 1, "id": "05671863", "code": "packed", "body": EVERYTHING, "status": 200}
    assert {name: right[name] for name in expected} == expected
    assert (right["answer"]["imshopStatus"], right["faults"], right["failure"]) == ("ready_for_pickup", [], None)
    assert (wrong["status"], len(wrong["faults"])) == (400, 1)
    assert unreadable["body"] is None
    assert unreadable["faults"]


def test_control_characters_do_not_reach_the_terminal() -> None:
    with sandbox() as process:
        post(url(process), {**ORDER, "message": "\x1b[2J\nSYNCD"})
        assert "«\ufffd[2J\ufffdSYNCD»" in line(process)
        assert "\x1b" not in ended(process)


def test_the_help_explains_how_to_make_it_fail() -> None:
    shown = {shown.strip() for shown in fresh("--help").stdout.splitlines()}
    assert {explained.strip() for explained in FAIL_HELP.splitlines()} <= shown


def test_wrong_fail_option_is_one_line() -> None:
    complaint = refused("--fail", "5oo=10%")
    assert re.fullmatch(r"syncd: --fail: '5oo=10%': unknown kind of failure '5oo'.*\n", complaint)


def test_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        complaint = refused("--port", str(other.getsockname()[1]))
    assert re.fullmatch(r"syncd: --port: .*cannot listen on 127.0.0.1.* Choose another port.*\n", complaint)
