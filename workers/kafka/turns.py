"""Whose turn it is: a partition that was served waits until the others had their turn.

The client returns all that it has fetched of one partition before it turns to the next: a megabyte of one busy topic may be
a hundred thousand records, and seconds for all that wait behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from kafka import KafkaConsumer

    Poll = Callable[[int, int], Mapping[Any, Sequence[Any]]]
    """The client's, called with a timeout in milliseconds and the most records."""


class Turns:
    """Of one consumer, for the loop's thread only. A pause begins and ends within one call of `poll`."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._served: set[Any] = set()
        """The client's partitions that had their turn in this round."""

    def forget(self) -> None:
        """The assignment is a new one."""
        self._served.clear()

    def poll(self, poll: Poll, timeout_ms: int, most: int, paused: Collection[Any]) -> Mapping[Any, Sequence[Any]]:
        """What the client has, first of partitions that were not served yet; at most so many records.

        Args: paused: partitions that stay paused.
        """
        fetched: dict[Any, list[Any]] = {}
        left = most
        if served := (self._served & self._consumer.assignment()).difference(paused):
            self._consumer.pause(*served)
            try:
                left -= _add(fetched, poll(0, most))
            finally:
                # A rebalance within the poll may have taken some of them.
                self._consumer.resume(*(served & self._consumer.assignment()))
            if left <= 0:
                self._served.update(fetched)
                return fetched
            # Nobody else has more: a new round.
            self._served.clear()
        _add(fetched, poll(0 if fetched else timeout_ms, left))
        self._served.update(fetched)
        return fetched


def _add(fetched: dict[Any, list[Any]], more: Mapping[Any, Sequence[Any]]) -> int:
    for partition, records in more.items():
        fetched.setdefault(partition, []).extend(records)
    return sum(sum(map(len, records)) for records in more.values())
