"""A question to a child process: asked once, looked at now and then, never waited for."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import IO

from ..backend import GuidedNetError

PATIENCE_S = 600.0  # importing torch from a cold disk, a few slow steps on a busy computer


class Inquiry:
    """A process that reads a text and whose last line of output is the answer.

    Parameters
    ----------
    command : sequence of str
        The process.
    given : str
        What it reads.
    """

    def __init__(self, command: Sequence[str], given: str = "") -> None:
        self._began_s = time.monotonic()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - both are closed with the inquiry
        self._complained = tempfile.TemporaryFile()  # noqa: SIM115
        with tempfile.TemporaryFile() as question:
            question.write(given.encode())
            question.seek(0)
            self._process = subprocess.Popen(
                command, stdin=question, stdout=self._said, stderr=self._complained
            )

    def poll(self) -> str | None:
        """Give the answer, or None while there is none.

        Raises
        ------
        GuidedNetError
            When the process failed or took too long; its last words are in the message.
        """
        code = self._process.poll()
        if code is None:
            if time.monotonic() - self._began_s > PATIENCE_S:
                self.close()
                raise GuidedNetError(
                    f"The training package did not answer in {PATIENCE_S:.0f} seconds.",
                    "This computer may be busy with something else.",
                )
            return None
        answer, complaint = _last_line(self._said), _last_line(self._complained)
        self.close()
        if code or not answer:
            raise GuidedNetError(
                f"The training package does not work here: {complaint or 'no message'}.",
                "Repair the installation (torch).",
            )
        return answer

    def close(self) -> None:
        """End it; nobody wants the answer any more."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._said.close()
        self._complained.close()


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
