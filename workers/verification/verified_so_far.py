"""How much of a topic is verified, while its parts are, one by one or several at a time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

RECORDS, DOCUMENTS = "records", "documents"
"""What a part tells that it has read."""


class VerifiedSoFar:
    """A part counts by what was read of its two sides, and when it is done by its offsets: of some there is no record, of
    others no document.
    """

    def __init__(self, sizes: Sequence[int], done: Collection[int]) -> None:
        """Args:
        sizes: of each part, in offsets.
        done: the parts that were verified before.
        """
        self._sizes = sizes
        self._done = sum(sizes[number] for number in done)
        self._read: dict[int, Counter[str]] = {}
        """Of each part that is being verified."""

    def read(self, number: int, what: str, more: int) -> None:
        """Args: what: RECORDS or DOCUMENTS of this part."""
        self._read.setdefault(number, Counter())[what] += more

    def finish(self, number: int) -> None:
        """A part is done."""
        self._read.pop(number, None)
        self._done += self._sizes[number]

    @property
    def offsets(self) -> int:
        """How many are verified."""
        return self._done + sum(
            sum(min(read[what], self._sizes[number]) for what in (RECORDS, DOCUMENTS)) // 2
            for number, read in self._read.items()
        )
