"""The contract of what reads, replays and purges the dead letters that a sink has written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workers.sinks.base import DeadLetter, DeadLetterFilter
    from workers.types import Reject


class DeadLetterStore(Protocol):
    """The dead letters that a sink has written. Every method raises `UnavailableError` if the server does not answer."""

    def connect(self) -> None:
        """Return if the server answers."""

    def count(self, chosen: DeadLetterFilter) -> int:
        """The number of dead letters, including purged ones."""

    def find(self, chosen: DeadLetterFilter, limit: int = 0) -> Iterator[DeadLetter]:
        """The dead letters, oldest first. Args: limit: return no more; 0: all."""

    def get(self, letter_id: str) -> DeadLetter | None:
        """The dead letter of this id."""

    def topics(self) -> Sequence[str]:
        """The topics of all dead letters."""

    def record_replay(self, letter_id: str, reject: Reject | None) -> None:
        """Count a replay. Args: reject: its new reason and error; None: the record is stored now."""

    def drop_payload(self, letter_id: str) -> bool:
        """Delete key, value and headers, and keep the rest, which accounts for the record; whether it had them still."""

    def delete(self, letter_id: str) -> bool:
        """Delete the dead letter; whether it was there still. Only for one whose record is stored."""

    def close(self) -> None: ...
