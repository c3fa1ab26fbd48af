"""With which login the shop is called: the call's own, else the source's where it is the same server."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest

from syncd.errors import SettingsError
from syncd.runtime import cancel_parts
from syncd.settings import load
from tests.cancel.shops import HttpServer, cancellation, served

FIELDS = {"SYNCD_SOURCE__FIELDS__ORDER_ID": "id", "SYNCD_SOURCE__FIELDS__STATUS": "status"}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with served(HttpServer()) as server:
        yield server


def basic(login: str) -> str:
    return "Basic " + b64encode(login.encode()).decode()


def sent(server: HttpServer, call: str | None, login: str = "", **given: str) -> str | None:
    """The header Authorization of the call. `call`, `login`: what stands before the host in SYNCD_CANCEL__URL, which
    is unset for None, and in SYNCD_SOURCE__URL."""
    env = {
        "SYNCD_IMSHOP__URL": "https://imshop.example/token",
        "SYNCD_SOURCE__URL": server.url.replace("http://", f"http://{login}") + "/api",
        "SYNCD_CANCEL__PATH": "/c/{order_id}",
        **FIELDS,
        **{f"SYNCD_{name}": text for name, text in given.items()},
    }
    if call is not None:
        env["SYNCD_CANCEL__URL"] = server.url.replace("http://", f"http://{call}")
    shop = cancel_parts.canceller(load(env, usual_env_files=()).settings)
    assert shop is not None
    assert shop.cancel(cancellation(), 5).state == "accepted"
    found = server.calls[-1].headers.get("Authorization")
    return None if found is None else str(found)


def test_the_calls_own_login_is_first(server: HttpServer) -> None:
    assert sent(server, "u:p@", SOURCE__AUTH="bearer:src") == basic("u:p")
    assert sent(server, "u:p@", "su:sp@") == basic("u:p")
    assert sent(server, "u:p@", SOURCE__HEADERS__AUTHORIZATION="Bearer src") == basic("u:p")
    assert sent(server, "", "su:sp@", CANCEL__AUTH="bearer:own") == "Bearer own"
    assert sent(server, "", "su:sp@", CANCEL__HEADERS__AUTHORIZATION="Bearer own") == "Bearer own"


@pytest.mark.parametrize("call", ["", None])
def test_the_sources_login_is_used_on_its_server(server: HttpServer, call: str | None) -> None:
    assert sent(server, call, SOURCE__AUTH="bearer:src") == "Bearer src"
    assert sent(server, call, "s%40u:sp@") == basic("s@u:sp")
    assert sent(server, call, SOURCE__HEADERS__AUTHORIZATION="Bearer src") == "Bearer src"


def test_the_sources_login_goes_to_no_other_server(server: HttpServer) -> None:
    with served(HttpServer()) as other:
        assert sent(other, "", SOURCE__URL=f"http://su:sp@{server.url.removeprefix('http://')}/api") is None


def test_fault_in_source_url_names_its_variable(server: HttpServer) -> None:
    with pytest.raises(SettingsError, match=r"^SYNCD_SOURCE__URL: "):
        sent(server, None, SOURCE__URL=f"{server.url}/api?a={{since}}")
