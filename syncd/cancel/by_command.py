"""Cancels by a program of the merchant's: JSON on stdin; exit status 0 is accepted, 10 refused, any other failed.

The program is started without a shell, with nothing of the order in its arguments and nothing of syncd's settings in
its environment. What it writes to stdout when it refuses is what the buyer reads. Exit status 1 is no refusal:
interpreters and shells end with 1 when they crash.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from syncd.cancel.interface import values_of
from syncd.cancel.protocol import for_the_buyer, shortened
from syncd.errors import CancelError
from syncd.logs import fields
from syncd.model import CancelDecision, Cancellation

REFUSED = 10
OUTPUT_LIMIT = 4096  # bytes that are read of it
LOG_LIMIT = 1000  # characters of it that are logged
END_EARLY = 0.2
"""The program is ended this many seconds before the time is up, so that it is certain to have ended by then."""

log = logging.getLogger("syncd")


@dataclass(frozen=True, slots=True)
class CommandCanceller:
    """A Canceller. `wants_shop_id`: orders have a key of the shop's own, which the program is given."""

    command: Sequence[str]
    redact: Callable[[str], str]
    wants_shop_id: bool = False

    def cancel(self, cancellation: Cancellation, seconds: float) -> CancelDecision:
        with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
            stdin.write(json.dumps({"id": cancellation.token, **values_of(cancellation)}, ensure_ascii=False).encode())
            stdin.write(b"\n")
            stdin.seek(0)
            code = self._run(stdin, stdout, stderr, seconds)
            said = shortened(self.redact(_beginning(stderr)), LOG_LIMIT)
            if said:
                about = {"order_id": cancellation.order_id, "exit": code, "stderr": said}
                log.warning("cancellation_program_said", extra=fields(id=cancellation.id, **about))
            if code == 0:
                return CancelDecision("accepted")
            if code == REFUSED:
                return CancelDecision("refused", message=for_the_buyer(self.redact(_beginning(stdout))))
            said = said or shortened(self.redact(_beginning(stdout)), LOG_LIMIT) or "it said nothing"
            raise CancelError(
                f"SYNCD_CANCEL__COMMAND ended with {code}, neither 0 (cancelled) nor {REFUSED} (refused): {said}",
                in_doubt=True,
            )

    def close(self) -> None:
        """Nothing is kept open."""

    def _run(self, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes], seconds: float) -> int:
        try:
            program = subprocess.Popen(  # noqa: S603 - the operator's own program, without a shell
                self.command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env={name: value for name, value in os.environ.items() if not name.startswith("SYNCD_")},
                start_new_session=True,
            )
        except OSError as error:
            raise CancelError(
                f"SYNCD_CANCEL__COMMAND: {self.command[0]} cannot be run: {error.strerror}; correct its path and mode"
            ) from None
        try:
            return program.wait(max(0.0, seconds - END_EARLY))
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            raise CancelError(
                f"SYNCD_CANCEL__COMMAND was not done within {seconds:.1f} s and was ended", in_doubt=True
            ) from None


def _beginning(output: IO[bytes]) -> str:
    output.seek(0)
    read = output.read(OUTPUT_LIMIT)
    text = read.decode("utf-8-sig", "replace")
    return text.rstrip("\ufffd") if len(read) == OUTPUT_LIMIT else text  # cut within a character
