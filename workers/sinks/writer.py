"""The thread that writes: one batch, while the loop polls and decodes the next."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.types import Batch, Written


class Store(Protocol):
    """Where documents and dead letters go."""

    def write(self, batch: Batch) -> Written:
        """Return when every record of the batch is acknowledged as a document or as a dead letter.

        Raises:
            SinkUnavailableError: nothing of the batch counts as written; the same records must come again.
        """


class BackgroundWriter:
    """Writes one batch at a time. Each `begin` is followed by one `finish`, on the thread that began."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._begun: SimpleQueue[Batch] = SimpleQueue()
        self._ended: SimpleQueue[tuple[Written, float] | BaseException] = SimpleQueue()
        # A daemon: a process that ends for another reason does not wait for the database first.
        threading.Thread(target=self._run, name="writer", daemon=True).start()

    def begin(self, batch: Batch) -> None:
        """Have the batch written; returns at once."""
        self._begun.put(batch)

    def finish(self) -> tuple[Written, float]:
        """Wait for the batch that was begun; return what became of its records, and the seconds that it took.

        Raises:
            SinkUnavailableError: see `Store.write`; and whatever else the store raised.
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
                self._ended.put((self._store.write(batch), self._clock() - started))
            except BaseException as error:  # noqa: BLE001  whatever it is, it is the loop's to handle
                self._ended.put(error)
