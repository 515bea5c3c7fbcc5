"""The private names of kafka-python by which partitions take turns. See `compat`.

The client returns all that it has fetched of one partition before it turns to the next: a megabyte of one busy topic may be a
hundred thousand records, and seconds for all that wait behind it.

What was fetched is in three places: the partition in line (`_next_partition_records`), responses that were not looked at
(`_completed_fetches`, in the order in which they came), and what was kept of partitions that were paused in the middle
(`_paused_partition_records`). The client takes what was kept before anything else, when nobody is in line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LEAST_FETCH_BYTES = 64 * 1024


def return_what_was_kept(consumer: Any, *, by_turns: bool) -> None:
    """Have each `poll` look at what is kept of partitions that were paused. Call it before the first one.

    Args: by_turns: whether the partition in line goes behind all others at the beginning of each `poll`.

    Why: the client returns what it keeps of a paused partition only when nobody is in line, and takes a partition of which
        everything was returned for one that is in line: one that is resumed may never be read, nor fetched, again. And it has no
        setting for turns; to pause who was served would stop his fetches too.
    Until: for what is kept, `Fetcher.fetched_records` tests for records in place of None; for turns, the client has them.
    Test: tests/integration/test_turns.py::test_the_client_by_itself_forgets_a_partition_that_is_resumed
    """
    fetcher = consumer._fetcher
    fetcher.fetched_records = _FetchedRecords(fetcher, fetcher.fetched_records, by_turns)


def limit_fetches(consumer: Any, most_bytes: int) -> None:
    """Of all assigned partitions together not more than so many bytes are fetched, compressed, before they are returned.

    Why: with turns there may be a response for each partition, in place of one for all; the client knows the assignment later
        than its options.
    Until: the client has a bound for all partitions together.
    Test: tests/integration/test_turns.py::test_the_more_partitions_the_less_is_fetched_of_each
    """
    fetcher = consumer._fetcher
    each = most_bytes // max(1, len(consumer.assignment()))
    configured = consumer.config["max_partition_fetch_bytes"]
    fetcher.config["max_partition_fetch_bytes"] = min(configured, max(LEAST_FETCH_BYTES, each))


class _NobodyInLine:
    """Falsy, as a partition of which everything was returned."""

    def __bool__(self) -> bool:
        return False

    def drain(self) -> None:
        """What the fetcher calls at its end."""


class _FetchedRecords:
    """In place of the fetcher's method of that name. For the thread that polls."""

    def __init__(self, fetcher: Any, fetched_records: Callable[..., Any], by_turns: bool) -> None:
        self._fetcher, self._fetched_records, self._by_turns = fetcher, fetched_records, by_turns
        self._kept_before = False
        """Whether the last turn was that of a partition that was kept."""
        self._failure: Exception | None = None

    def __call__(self, max_records: int, update_offsets: bool = True) -> Any:
        if failure := self._failure:
            self._failure = None
            raise failure
        if self._by_turns:
            self._choose()
        else:
            self._let_go_on()
        found, more_waits = self._fetched_records(max_records, update_offsets)
        left = max_records - sum(sum(map(len, pieces)) for pieces in found.values())
        if self._by_turns and found and left > 0 and self._let_go_on():
            try:
                more, more_waits = self._fetched_records(left, update_offsets)
            except Exception as error:  # noqa: BLE001 as the client does it: what is good is returned first
                self._failure = error
            else:
                for partition, pieces in more.items():
                    found.setdefault(partition, []).extend(pieces)
        return found, more_waits

    def _choose(self) -> None:
        """Who is returned first by the next call of the client."""
        fetcher = self._fetcher
        in_line, kept, new = (
            fetcher._next_partition_records,
            fetcher._paused_partition_records,
            fetcher._completed_fetches,
        )
        may_go_on = self._may_go_on(kept)
        if in_line and (new or may_go_on):
            # At the end: the client takes the one that was kept first.
            kept[in_line.topic_partition] = in_line
            in_line, may_go_on = None, True
        # By turns, or one of the two would have to wait for the end of the other.
        self._kept_before = may_go_on and not (new and self._kept_before)
        if not in_line:
            fetcher._next_partition_records = None if self._kept_before else _NobodyInLine()

    def _let_go_on(self) -> bool:
        """Let the client return what it has kept, if nobody is in line; whether it will."""
        may = not self._fetcher._next_partition_records and self._may_go_on(self._fetcher._paused_partition_records)
        if may:
            self._fetcher._next_partition_records = None
        return may

    def _may_go_on(self, kept: Any) -> bool:
        """Whether one of these is not paused."""
        is_paused = self._fetcher._subscriptions.is_paused
        return bool(kept) and any(not is_paused(partition) for partition in kept)
