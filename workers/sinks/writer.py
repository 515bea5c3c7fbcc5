"""The thread that writes: one batch, while the loop polls and decodes the next."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.sinks.base import Sink
    from workers.types import Batch, WriteResult


class BackgroundWriter:
    """Writes one batch at a time. Each `begin` is followed by one `finish`, on the thread that began.

    Only the writer's own thread calls `Sink.write`; a batch belongs to it from `begin` until `finish` returns.
    """

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink = sink
        self._clock = clock
        self._begun: SimpleQueue[Batch] = SimpleQueue()
        self._ended: SimpleQueue[tuple[WriteResult, float] | BaseException] = SimpleQueue()
        # A daemon: a process that ends for another reason does not wait for the database first.
        threading.Thread(target=self._run, name="writer", daemon=True).start()

    def begin(self, batch: Batch) -> None:
        """Start to write the batch; returns at once."""
        self._begun.put(batch)

    def finish(self) -> tuple[WriteResult, float]:
        """Wait for the batch that was begun; return what became of its records, and the seconds that it took.

        Raises:
            SinkUnavailableError: see `Sink.write`; and whatever else the sink raised.
        """
        ended = self._ended.get()
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def _run(self) -> None:
        while True:
            batch = self._begun.get()
            started = self._clock()
            try:
                self._ended.put((self._sink.write(batch), self._clock() - started))
            except BaseException as error:  # noqa: BLE001  whatever it is, it is the loop's to handle
                self._ended.put(error)
