"""The numbers of all times on the page: what was stored, what was sent, and how many dead letters there are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.connection import KeptConnection
from workers.fleet.status.poller import Down, Poller
from workers.settings.route import LETTERS
from workers.settings.route_collections import collections_of
from workers.sinks.base import DeadLetterFilter
from workers.sinks.registry import open_dead_letters, open_readers

if TYPE_CHECKING:
    from workers.monitoring.lag import LagSnapshot
    from workers.settings import Settings
    from workers.sinks.dead_letter_store import DeadLetterStore

COUNT_SECONDS = 5.0
"""Between two counts of the dead letters. The database counts them one by one, and they may be many."""


class RouteLetters:
    """The dead letters of all routes, in whatever collections they are; on one connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._readers = settings, open_readers(settings)

    def connect(self) -> None:
        self._readers.connect()

    def count(self, chosen: DeadLetterFilter) -> int:
        """How many there are of these."""
        found = collections_of(self._settings.route_table.routes, self._with_letters)
        stores = (
            self._readers.dead_letters(self._settings.model_copy(update={"collection": collection}))
            for collection in found
        )
        return sum(store.count(chosen) for store in stores)

    def _with_letters(self) -> list[str]:
        return [name.removesuffix(LETTERS) for name in self._readers.collections() if name.endswith(LETTERS)]

    def close(self) -> None:
        self._readers.close()


class Totals:
    """Counts from `start` to `stop`, on a thread of its own; may be started again. Not thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dead_letters: Poller[int] | None = None

    def start(self) -> None:
        """Raises: NoThreadError."""
        several = self._settings.route_table.has_several_topics
        connection: KeptConnection[DeadLetterStore | RouteLetters] = KeptConnection(
            lambda: RouteLetters(self._settings) if several else open_dead_letters(self._settings)
        )
        poller = Poller(
            lambda: connection.ask(lambda store: store.count(DeadLetterFilter(unreplayed=True))),
            COUNT_SECONDS,
            connection.close,
        )
        poller.start()
        self._dead_letters = poller

    def stop(self) -> None:
        poller, self._dead_letters = self._dead_letters, None
        if poller:
            poller.stop()

    def as_dict(self, snapshot: LagSnapshot | None) -> dict[str, int | None]:
        """For JSON; None: not known.

        stored: offsets that the group has behind it, so dead letters and the markers of transactions count too: what is in
        the database can be counted only by reading all of it. sent: offsets up to the ends of the logs. dead_letters: without
        those that were replayed, as `verify` and the auditor count them.
        """
        point = snapshot.point if snapshot and snapshot.partitions is not None else None
        is_whole = point is not None and not point.unanswered
        count = self._dead_letters.answer(time.monotonic()) if self._dead_letters else None
        return {
            "stored": point.committed if point and is_whole else None,
            "sent": point.high_watermark if point and is_whole else None,
            "dead_letters": None if isinstance(count, Down) else count,
        }
