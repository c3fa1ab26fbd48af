"""What is forked is as good as what has just started: the other tests here rely on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.forked import LANGUAGE, READ_AT_START, Forked, can_fork
from tests.e2e.world import World, end

ROOT = Path(__file__).parents[2]


def server_of(process: Forked) -> int:
    return int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["frob"], ["config"], ["once"], ["changes", "--limit", "0"], []]
)
def test_it_prints_and_ends_as_a_fresh_process(world: World, arguments: list[str]) -> None:
    both = []
    for world.fresh in (True, False):
        ran = world.syncd(*arguments)
        both.append((ran.returncode, ran.stdout, ran.stderr))
    assert both[0] == both[1]


def test_it_has_its_own_environment_and_directory(world: World) -> None:
    before = datetime.now(UTC)
    daemon = world.started(SYNCD_LOG__FORMAT="console", TZ="Asia/Omsk")
    hours = {f"{at + timedelta(hours=6):%H}" for at in (before, datetime.now(UTC))}
    assert world.log()[:2] in hours
    process = Path(f"/proc/{daemon.pid}")
    assert process.joinpath("cwd").readlink() == world.home
    assert (process / "fd/0").readlink() == Path(os.devnull)
    assert (process / "fd/2").readlink() == world.home / "daemon.log"


def test_the_server_has_one_thread_and_only_sockets(world: World) -> None:
    daemon = world.started()
    assert isinstance(daemon, Forked)
    server = Path(f"/proc/{server_of(daemon)}")
    assert len([*(server / "task").iterdir()]) == 1
    opened = [str(file.readlink()) for file in (server / "fd").iterdir() if int(file.name) > 2]
    assert {name.partition(":")[0] for name in opened} <= {"socket", "anon_inode"}
    assert end(daemon) == 0


def test_it_starts_with_no_files_of_others(world: World) -> None:
    """Whatever runs beside it."""
    world.started()
    other = world.forked("sandbox", "--port", "0")
    with other:
        assert other.stdout
        other.stdout.readline()
        listening = [str(file.readlink()) for file in Path(f"/proc/{other.pid}/fd").iterdir()]
        assert len([name for name in listening if name.startswith("socket")]) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_signals_reach_it_and_its_status_comes_back(world: World, number: signal.Signals) -> None:
    with world.forked("sandbox", "--port", "0") as process:
        assert process.stdout
        process.stdout.readline()
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(20) == (-9 if number == signal.SIGKILL else 0)
        assert process.poll() == process.returncode


def test_waiting_has_an_end(world: World) -> None:
    with world.forked("sandbox", "--port", "0") as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(0.01)
        assert process.wait(20) == -9


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.e2e.forked import LANGUAGE, Forked\n"
        "process = Forked(('sandbox', '--port', '0'), env={'LANG': LANGUAGE}, cwd=Path('/'))\n"
        "process.stdout.readline(); print(process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout
        forked = Path(f"/proc/{int(tests.stdout.readline())}")
        assert forked.exists()
        tests.kill()
    ends_at = time.monotonic() + 20
    while forked.exists():
        assert time.monotonic() < ends_at, "it lives on"
        time.sleep(0.02)


@pytest.mark.parametrize("prefix", READ_AT_START)
def test_what_is_read_at_the_start_forks_nothing(prefix: str) -> None:
    assert can_fork({"LANG": LANGUAGE})
    assert not can_fork({"LANG": LANGUAGE, f"{prefix}X": "1"})
    assert not can_fork({"LANG": "ru_RU.KOI8-R"})
