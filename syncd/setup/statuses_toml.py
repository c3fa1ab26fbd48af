"""The statuses file that `syncd init` writes: every status of the shop, with a guess of IMSHOP's."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from syncd.setup.trial import ListedStatus
from syncd.text import printable, without_blanks

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def statuses_toml(statuses: Sequence[ListedStatus], heading: str) -> str:
    """The file's text, which tells every status as it is told without it. `heading`: what an administrator should
    know."""
    by_code = {without_blanks(one.code): one for one in statuses}
    lines = [f"# {line}".rstrip() for line in heading.split("\n")]
    lines.append('#unknown = "push" # "skip", "hold"')
    for code, one in by_code.items():
        name = f" # {printable(' '.join(one.text.split()))}" if one.text else ""
        guess = f'imshop = "{one.suggestion}"' if one.suggestion else '#imshop = ""'
        lines += ["", f"[{_key(code)}]{name}", guess]
    return "\n".join(lines) + "\n"


def _key(code: str) -> str:
    return code if _BARE.fullmatch(code) else json.dumps(code, ensure_ascii=False).replace("\x7f", "\\u007f")
