"""A FerretDB beside the stack's, whose disk a test may fill or make read-only.

with OwnFerretDB(folder) as database:
    ... database.mongodb_uri ...
    database.leave_room(0)     # full
    database.leave_room(None)  # healed
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil

from embedded_stack.processes import tied
from embedded_stack.readiness import mongodb_answers
from tests.support.embedded import REPOSITORY, StackUnavailableError, wait_until
from tests.support.ports import free_ports

PROGRAM = REPOSITORY / "var/stack/build/bin/ferretdb"
WRITE_VERSION = 18
"""Where an SQLite file says by which version it may be written: above 2, it is read-only, to root too."""


class OwnFerretDB:
    """Use it with `with`; `folder` is where its files lie. It ends with this process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def mongodb_uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._process = subprocess.Popen(
            tied(str(PROGRAM), "-port", str(self.port), "-data", str(self.folder)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(self._answers, 30, "FerretDB serves")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Cleanly: what was in the log beside a file is in the file then."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            finally:
                self._process.kill()
                self._process.wait()
                self._process = None

    def leave_room(self, bytes_left: int | None) -> None:
        """Let no file grow by more than this; None: as far as it likes."""
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        largest = max(path.stat().st_size for path in self.folder.iterdir())
        limit = psutil.RLIM_INFINITY if bytes_left is None else largest + bytes_left
        process.rlimit(psutil.RLIMIT_FSIZE, (limit, psutil.RLIM_INFINITY))

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Served from files that cannot be written, in between two restarts."""
        self._restart_as(b"\x03")
        try:
            yield
        finally:
            self._restart_as(b"\x02")

    def _restart_as(self, version: bytes) -> None:
        self.stop()
        for path in self.folder.glob("*.sqlite"):
            with path.open("r+b") as file:
                file.seek(WRITE_VERSION)
                file.write(version)
        self.start()

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise StackUnavailableError(f"FerretDB ended with {self._process.returncode}")
        return mongodb_answers(f"127.0.0.1:{self.port}")
