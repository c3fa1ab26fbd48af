"""A program of the merchant's that cancels: the cancellation as JSON on stdin; exit 0 accepted, 1 refused, else failed.

It is started without a shell, with nothing of the order in its arguments and nothing of syncd's settings in its
environment. What it writes to stdout when it refuses is what the buyer reads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from syncd.cancel.desk import Verdict
from syncd.cancel.filling import values_of
from syncd.cancel.words import plain
from syncd.errors import CancelError
from syncd.model import Cancellation

READ_OF_OUTPUT = 4096
END_EARLY = 0.2
"""Seconds before the time is up at which the program is ended, so that it is known to be over."""


@dataclass(frozen=True, slots=True)
class CommandShop:
    command: Sequence[str]
    redact: Callable[[str], str]

    def cancel(self, cancellation: Cancellation, seconds: float) -> Verdict:
        with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
            stdin.write(_told(cancellation))
            stdin.seek(0)
            code = self._run(stdin, stdout, stderr, seconds)
            if code == 0:
                return Verdict(accepted=True)
            if code == 1:
                return Verdict(accepted=False, message=plain(self.redact(_beginning(stdout))))
            said = plain(self.redact(_beginning(stderr))) or "it said nothing on stderr"
            raise CancelError(f"SYNCD_CANCEL__COMMAND ended with {code}: {said}", in_doubt=True)

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


def _told(cancellation: Cancellation) -> bytes:
    return json.dumps({"id": cancellation.token, **values_of(cancellation)}, ensure_ascii=False).encode() + b"\n"


def _beginning(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read(READ_OF_OUTPUT).decode("utf-8", "replace")
