"""The contract of what reads the collections of several topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.settings import Settings
    from workers.sinks.base import SinkReader
    from workers.sinks.dead_letter_store import DeadLetterStore


class SinkReaders(Protocol):
    """What the sink has stored of several topics, on one connection: it is closed here, and not by the readers."""

    def connect(self) -> None:
        """Return if the server answers. Raises: UnavailableError."""

    def reader(self, settings: Settings) -> SinkReader:
        """Of the collection of these settings, which are of one topic: see `Settings.for_topic`."""

    def dead_letters(self, settings: Settings) -> DeadLetterStore:
        """The same for its dead letters."""

    def collections(self) -> Sequence[str]:
        """The names of all collections that are there. Raises: UnavailableError."""

    def close(self) -> None: ...
