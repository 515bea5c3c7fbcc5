"""The poison guard of a worker with a state directory: isolates records that crashed workers on this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.pipeline.observer import NullObserver
from workers.pipeline.poison import Isolated, isolate
from workers.state.crash_journal import CrashJournal, InProgress
from workers.types import CommitResult

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager

    from workers.pipeline.poison import Crash
    from workers.state.slot import Slot
    from workers.types import Batch, Fetched, TopicPartition


class JournaledPoisonGuard(NullObserver):
    """See `PoisonGuard`. As an observer it reads the crash journal again after every new assignment."""

    def __init__(self, slot: Slot, on_crash: Callable[[Crash], None]) -> None:
        """Args:
        slot: acquired by this process.
        on_crash: called with each crash that is new in the journal.
        """
        self._journal = CrashJournal(slot, on_crash)
        self._journal.open()
        self._in_progress = InProgress(slot)
        self._crashes: list[Crash] | None = None

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        self._crashes = None

    def isolate(self, fetched: Fetched) -> Isolated:
        if self._crashes is None:
            self._crashes = self._journal.all()
        return isolate(fetched, self._crashes) if self._crashes else Isolated(fetched, {})

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        return self._in_progress.hold(fetched)

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """Drop the crashes below the committed offsets: those records are stored or dead letters."""
        if self._crashes and result is CommitResult.OK:
            parts = batch.partitions
            self._crashes = self._journal.forget(
                lambda crash: (
                    (part := parts.get(crash.partition)) is not None
                    and part.topic.prefix == crash.incarnation
                    and crash.next <= part.next_offset
                )
            )
