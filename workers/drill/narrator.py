"""What a drill tells while it runs."""

from __future__ import annotations

from typing import Protocol


class Narrator(Protocol):
    """Where a drill tells how it is getting on."""

    def line(self, text: str) -> None:
        """A line that stays."""

    def now(self, text: str) -> None:
        """What is being done at this moment; the next one replaces it."""

    def reading(self, what: str, done: int, total: int) -> None:
        """How much of the records was compared."""
