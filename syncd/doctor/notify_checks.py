"""Whether people would be told of troubles. Nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress

from syncd.doctor.findings import Finding, ok, warning
from syncd.doctor.state_checks import inspect_state
from syncd.errors import StateError
from syncd.notify.notices import NoticeRecord
from syncd.notify.sender import NoticeResult
from syncd.state import open_state


def check_notices(
    unusable: Callable[[], Sequence[NoticeResult]] | None, failing: Callable[[], Mapping[str, str]]
) -> Iterator[Finding]:
    """`unusable`: asks Apprise about each URL; None: there are none. `failing`: why the last notice did not reach a
    URL, by the URL's label."""
    if unusable is None:
        yield ok("notify", "nobody is told of troubles: SYNCD_NOTIFY__URLS is not set")
        return
    last = failing()
    for url in unusable():
        if url.error:
            advice = "Mend SYNCD_NOTIFY__URLS, then run: syncd notify --test"
            yield warning("notify", f"no notice can be sent to {url.label}: {url.error}", advice)
        elif url.label in last:
            text = f"the last notice did not reach {url.label}: {last[url.label]}"
            yield warning("notify", text, "Run: syncd notify --test")
        else:
            yield ok("notify", f"{url.label} can be used; not tried here: syncd notify --test")


def last_failures(url: str, redact: Callable[[str], str]) -> Mapping[str, str]:
    """Empty if the state cannot be read: `check_state` reports that."""
    with suppress(StateError):
        if inspect_state(url, redact).contents == "current":
            with closing(open_state(url, redact=redact, create=False)) as state:
                return NoticeRecord.of(state.notices.read()).failing
    return {}
