"""The writer thread: it writes one batch while the loop polls and decodes the next."""

from __future__ import annotations

import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

from workers.errors import RetryReason, SinkUnavailableError
from workers.process import is_no_thread, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.sinks.base import Sink
    from workers.types import Batch, WriteResult


class BackgroundWriter:
    """Writes one batch at a time. Each `begin` is followed by one `finish`, on the thread that began.

    Only the writer's own thread calls `Sink.write`; a batch belongs to it from `begin` until `finish` returns.
    """

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises: NoThreadError: there is no thread to write."""
        self._sink = sink
        self._clock = clock
        self._batches: SimpleQueue[Batch] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[WriteResult, float] | BaseException] = SimpleQueue()
        # A daemon thread: a process that ends on an error does not wait for a write.
        start_thread(self._run, "writer")

    def begin(self, batch: Batch) -> None:
        """Start to write the batch, and return at once."""
        self._batches.put(batch)

    def finish(self) -> tuple[WriteResult, float]:
        """Wait for the write; return its result, and the seconds that it took.

        Raises:
            SinkUnavailableError: see `Sink.write`. Any other error of the sink is raised here too.
        """
        outcome = self._outcomes.get()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _run(self) -> None:
        while True:
            batch = self._batches.get()
            started = self._clock()
            try:
                self._outcomes.put((self._sink.write(batch), self._clock() - started))
            except BaseException as error:  # noqa: BLE001 raised on the loop's thread, by `finish`
                # The database's client starts threads too, when it connects: without one it cannot be used now.
                self._outcomes.put(
                    SinkUnavailableError(RetryReason.ERROR, str(error)) if is_no_thread(error) else error
                )
