"""A temporary folder and the processes that write to it; nothing of either stays, however the bench ends."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from embedded_stack.processes import tied
from tests.support.embedded import wait_until

START_SECONDS = 90


class Folder:
    """Processes with their logs in a temporary folder, that end with this one and leave nothing. Use it with `with`."""

    def __init__(self) -> None:
        self._exit = ExitStack()
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.path = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
            if process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        self._exit.close()

    def spawn(self, name: str, command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """It ends with this process, however that ends."""
        with self._log(name).open("wb") as log:
            process = subprocess.Popen(tied(*command), env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._running.append(process)
        return process

    def said(self, name: str) -> str:
        return self._log(name).read_text()

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Until it is so; what ended meanwhile is told with its last words."""

        def met() -> bool:
            for process in self._running:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args} ended with {process.returncode}: {self._last_words()}")
            return condition()

        try:
            wait_until(met, seconds, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self._last_words()}") from None

    def _log(self, name: str) -> Path:
        return self.path / f"{name}.log"

    def _last_words(self) -> str:
        return "".join(path.read_text()[-1500:] for path in sorted(self.path.glob("*.log")))
