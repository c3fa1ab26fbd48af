"""Programs of Debian packages that judge the files in deploy/.

Where one is missing, its tests are skipped with the reason; under `CI=true` they fail instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


def program(name: str, package: str) -> str:
    """Where the program is that the Debian package brings."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        unavailable(f"{name} is not here: apt-get install {package}")
    return found


def unavailable(reason: str) -> NoReturn:
    """Skip the test; under `CI=true` fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)
