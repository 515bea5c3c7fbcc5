"""A command on a terminal of its own, as somebody who sits at it sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from typing import Self

from tests.support.embedded import wait_until

UP = re.compile(r"\x1b\[\d*A")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Use it with `with`; the command is ended with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int, rows: int = 40) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._said = b""
        self._process = subprocess.Popen(
            command,
            env=dict(environment) | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        os.close(self._ours)

    def lines(self) -> list[str]:
        """All that was ever drawn, in the order in which it was, without what was blank."""
        drawn = UP.sub("\n", self._said.decode(errors="replace"))
        return [line for line in ESCAPES.sub("", drawn).replace("\r", "").splitlines() if line.strip()]

    def wait_for(self, words: str, seconds: float) -> None:
        """Until they are drawn."""
        try:
            wait_until(lambda: any(words in line for line in self.lines()), seconds, words)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the terminal shows {self.lines()[-30:]}") from None

    def interrupt(self) -> None:
        """What the kernel makes of Ctrl-C."""
        self.signal(signal.SIGINT)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Until the command ends; its exit code."""
        return self._process.wait(seconds)

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._ours, 65_536)
            except OSError:
                return
            if not read:
                return
            self._said += read
