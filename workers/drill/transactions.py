"""The transactions of a drill: each stays open for a while, and then is aborted, committed, or left to its timeout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import UnavailableError
from workers.kafka.transaction import TIMEOUT_SECONDS, HeldTransaction

if TYPE_CHECKING:
    from workers.drill.load import Load
    from workers.settings import Settings

RECORDS = 3
OPEN_SECONDS = 2.0
LEFT_SECONDS = TIMEOUT_SECONDS + 12.0
"""The broker looks for transactions that have timed out every 10 s."""
END_SECONDS = 15.0
"""For the end of a transaction, while the fleet is healed."""


class Begun(NamedTuple):
    """A transaction that is open."""

    target: str
    """Its partition, and what will become of it."""
    seconds: float
    """How long it stays open, at least."""
    take_back: Callable[[], None]
    """Begin its end."""


class Transactions:
    """Their records are good, and numbered below 0: stored if committed, never seen if not."""

    def __init__(self, settings: Settings, load: Load, topics: Sequence[str]) -> None:
        """Args: topics: each of them has its turn."""
        self._settings, self._load, self._topics = settings, load, topics
        self._count = 0
        self._ending: list[HeldTransaction] = []

    def begin(self) -> Begun | None:
        """Open one; None: Kafka did not take it now."""
        self._count += 1
        topic = self._topics[self._count % len(self._topics)]
        transaction = HeldTransaction(self._settings.for_topic(topic), f"{topic}-drill-{self._count}")
        first = -RECORDS * self._count
        try:
            partition = transaction.begin([b'{"number": %d}' % (first + each) for each in range(RECORDS)])
        except UnavailableError:
            return None
        if self._count % 3 == 0:
            return Begun(f"{partition}, then left to its timeout", LEFT_SECONDS, transaction.close)
        commit = self._count % 3 == 2

        def take_back() -> None:
            self._ending.append(transaction)
            transaction.end(commit=commit, on_committed=self._load.note)

        return Begun(f"{partition}, then {'committed' if commit else 'aborted'}", OPEN_SECONDS, take_back)

    def finish(self) -> list[str]:
        """Wait until all that were taken back have ended. Returns what is not whole, in words."""
        left = sum(not transaction.ended(END_SECONDS) for transaction in self._ending)
        for transaction in self._ending:
            transaction.close()
        return [f"{left} transactions left to the timeout of their broker"] if left else []
