"""The records that were in progress (being decoded) when workers crashed.

A worker keeps the ranges that it decodes in a file of its slot. After its crash another worker moves them to a journal
that all workers of the group on this host share. Both files have a version; one of another version is not read.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import structlog

from workers.pipeline.observer import NullObserver
from workers.pipeline.poison import Crash, Isolated, isolate
from workers.state.replaced_file import replace_file
from workers.state.state_file import StateFile
from workers.state.write_failures import WriteFailures
from workers.types import CommitResult, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from workers.state.slot import Slot
    from workers.types import Batch, Fetched, Truncation

VERSION = 2
MAX_RANGES = 10_000
"""In the journal, the newest. One crash adds a range for each partition of its batch, so that it has to hold some of the
largest batches: a crash that is forgotten at once would never be counted twice.
"""
SIZE = 64 * 1024
IN_PROGRESS, JOURNAL = "in-progress", "crashes"
VERSION_1 = ("in-hand", "deaths", "deaths-lock")
"""The kinds of the files before versions: they have partitions without their topic."""

log = structlog.get_logger()


class InProgress:
    """The file of the records that this process decodes now."""

    @classmethod
    def open(cls, slot: Slot, failures: WriteFailures | None = None) -> Self:
        """Begin to write the file of this slot, which this process has acquired. Where it cannot be written, a crash of
        this process is not known to others: that is told to `failures`.
        """
        return cls(StateFile(slot.file(IN_PROGRESS), SIZE, failures or WriteFailures()))

    def __init__(self, file: StateFile) -> None:
        self._file = file
        # A process crashes once, so this identifies the crash. The pid is for people: it is given out again, in a container
        # at every start, and the start time repeats when the machine was booted again.
        self._id = f"{os.getpid()}-{secrets.token_hex(8)}"

    @contextmanager
    def hold(self, fetched: Fetched) -> Iterator[None]:
        """Keep these records in the file meanwhile. After an exception they stay there: it ends this process too."""
        alone = sum(map(len, fetched.records.values())) == 1
        ranges = [
            (fetched.topics[partition.topic].prefix, *partition, records.offsets[0], records.offsets[-1] + 1, alone)
            for partition, records in fetched.records.items()
        ]
        content = json.dumps({"version": VERSION, "id": self._id, "ranges": ranges}).encode()
        self._file.write(content, 8)
        self._file.write(b"%8d" % len(content))
        yield
        self._file.write(b"%8d" % 0)

    def restore(self) -> None:
        """Write the file again, if it could not be written. Only while nothing is in progress."""
        if self._file.is_failing:
            self._file.write(b"%8d" % 0)


class CrashJournal:
    """The journal that all workers of the group on this host share. This process must hold the slot."""

    def __init__(self, slot: Slot, on_crash: Callable[[Crash], None]) -> None:
        """Args: on_crash: called with each crash that was not in the journal."""
        self._slot = slot
        self._on_crash = on_crash
        self._file = slot.group_file(JOURNAL)

    def open(self) -> None:
        """Add the crash of this slot's predecessor, and remove the files of version 1."""
        old = [
            path
            for kind in VERSION_1
            for path in (self._slot.file(kind), self._slot.group_file(kind))
            if os.path.lexists(path)
        ]
        if old:
            log.warning("ignored and removed crash records of an earlier version", files=" ".join(map(str, old)))
        for path in old:
            with suppress(OSError):
                path.unlink()
        self._add_crash_of(self._slot)

    def all(self) -> list[Crash]:
        """Every crash in the journal, after adding those of the workers that are dead now."""
        for other in self._slot.others():
            with other.try_lock() as held:
                if held:
                    self._add_crash_of(other)
        return self._read()

    def forget(self, resolved: Callable[[Crash], bool]) -> list[Crash]:
        """Remove the crashes for which this is true; return the rest."""
        return self._change(lambda crashes: [crash for crash in crashes if not resolved(crash)])

    def _add_crash_of(self, slot: Slot) -> None:
        """Move the records in progress of a dead worker to the journal. Call it with that slot locked.

        Idempotent, by `Crash.id`: a kill -9 after the journal was written, and before the file is cleared, adds the crash
        only once, and it is told once.
        """
        try:
            with slot.file(IN_PROGRESS).open("r+b") as file:
                if (found := _in_progress(file.read())) and not self._enter(found):
                    return
                file.seek(0)
                file.write(b"%8d" % 0)
        except (OSError, ValueError, TypeError, KeyError):
            # Nothing was in progress, or the file cannot be read.
            return

    def _enter(self, found: list[Crash]) -> bool:
        """Whether they are in the journal now; if not, they stay in the file for the next attempt."""
        try:
            self._change(lambda crashes: self._added(crashes, found))
        except OSError as error:
            log.warning("cannot enter a crash in the journal", file=str(self._file), error=error.strerror)
            return False
        return True

    def _added(self, crashes: list[Crash], found: list[Crash]) -> list[Crash]:
        known = {crash.id for crash in crashes}
        new = [crash for crash in found if crash.id not in known]
        for crash in new:
            self._on_crash(crash)
        return (crashes + new)[-MAX_RANGES:] if new else crashes

    def _change(self, change: Callable[[list[Crash]], list[Crash]]) -> list[Crash]:
        with self._file.with_suffix(".crashes-lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self._read()
            if (crashes := change(before)) == before:
                return crashes
            rows = [(each.id, each.incarnation, *each.partition, each.first, each.next, each.alone) for each in crashes]
            replace_file(self._file, json.dumps({"version": VERSION, "crashes": rows}).encode())
        return crashes

    def _read(self) -> list[Crash]:
        with suppress(OSError, ValueError, TypeError, KeyError):
            journal = json.loads(self._file.read_text(encoding="utf-8"))
            if journal["version"] == VERSION:
                return [_crash(*row) for row in journal["crashes"]]
        return []


class JournaledPoisonGuard(NullObserver):
    """See `PoisonGuard`. As an observer it reads the crash journal again after every new assignment."""

    @classmethod
    def open(cls, slot: Slot, on_crash: Callable[[Crash], None], failures: WriteFailures | None = None) -> Self:
        """Enter what the slot's predecessor left in the journal, and begin to write what is in progress.

        Args:
            slot: acquired by this process.
            on_crash: called with each crash that is new in the journal.
            failures: told what cannot be written. The guard then knows less, and nothing else suffers.
        """
        journal = CrashJournal(slot, on_crash)
        journal.open()
        failures = failures or WriteFailures()
        return cls(journal, InProgress.open(slot, failures), slot.group_file(JOURNAL), failures)

    def __init__(self, journal: CrashJournal, in_progress: InProgress, file: Path, failures: WriteFailures) -> None:
        self._journal, self._file, self._failures = journal, file, failures
        self._in_progress = in_progress
        self._crashes: list[Crash] | None = None

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        self._crashes = None

    def isolate(self, fetched: Fetched) -> Isolated:
        if self._crashes is None:
            self._crashes = self._journal.all()
        return isolate(fetched, self._crashes) if self._crashes else Isolated(fetched, {})

    def iterated(self) -> None:
        # Nothing is in progress now.
        self._in_progress.restore()

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        return self._in_progress.hold(fetched)

    def log_truncated(self, partition: TopicPartition, truncation: Truncation) -> None:
        """Drop the crashes of records that the log does not hold any more: others have their offsets now."""
        self._forget(lambda crash: crash.partition == partition and crash.next > truncation.divergence)

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """Drop the crashes below the committed offsets: those records are stored or dead letters."""
        if not self._crashes or result is not CommitResult.OK:
            return
        parts = batch.partitions

        def is_resolved(crash: Crash) -> bool:
            part = parts.get(crash.partition)
            return part is not None and part.topic.prefix == crash.incarnation and crash.next <= part.next_offset

        # The journal is a file with a lock: not for each commit, as long as there is a crash somewhere.
        if not any(map(is_resolved, self._crashes)):
            return
        self._forget(is_resolved)

    def _forget(self, resolved: Callable[[Crash], bool]) -> None:
        try:
            self._crashes = self._journal.forget(resolved)
        except OSError as error:
            # In the journal they make a later batch smaller at most. The next assignment removes them.
            self._failures.failed_once(self._file, error)
            known = self._journal.all() if self._crashes is None else self._crashes
            self._crashes = [crash for crash in known if not resolved(crash)]


def _in_progress(content: bytes) -> list[Crash]:
    length = int(content[:8] or 0)
    if not length:
        return []
    found = json.loads(content[8 : 8 + length])
    return [_crash(found["id"], *row) for row in found["ranges"]] if found["version"] == VERSION else []


def _crash(crash_id: str, incarnation: str, topic: str, partition: int, *rest: Any) -> Crash:
    return Crash(crash_id, incarnation, TopicPartition(topic, partition), *rest)
