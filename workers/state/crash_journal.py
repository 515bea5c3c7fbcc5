"""What workers were decoding when they crashed.

A worker keeps what it decodes in a file beside its slot's lock. Whoever comes next finds it, and enters it in a journal
that all workers of the group on this host share. Both files name their version; one of another version is not read.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog

from workers.pipeline.poison import Crash
from workers.state.mapped_file import mapped_file
from workers.state.proc import process_started
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.state.slot import Slot
    from workers.types import Fetched

VERSION = 2
MAX_CRASHES = 1_000
SIZE = 64 * 1024
IN_PROGRESS, JOURNAL = "in-progress", "crashes"
VERSION_1 = {"in-hand": IN_PROGRESS, "deaths": JOURNAL}
"""The files before there were versions, by kind: they knew partitions by number only."""

log = structlog.get_logger()


class InProgress:
    """The records that this process decodes now."""

    def __init__(self, slot: Slot) -> None:
        self._memory = mapped_file(slot.file(IN_PROGRESS), SIZE)
        # A process crashes once, so it names the crash.
        self._id = f"{os.getpid()}-{process_started(os.getpid())}"

    @contextmanager
    def hold(self, fetched: Fetched) -> Iterator[None]:
        """Remember these records meanwhile. An exception leaves them there: it is the end of this process too."""
        alone = sum(map(len, fetched.records.values())) == 1
        ranges = [
            (fetched.topics[partition.topic].prefix, *partition, records[0].offset, records[-1].offset + 1, alone)
            for partition, records in fetched.records.items()
        ]
        said = json.dumps({"version": VERSION, "id": self._id, "ranges": ranges}).encode()
        self._memory[8 : 8 + len(said)] = said
        self._memory[:8] = b"%8d" % len(said)
        yield
        self._memory[:8] = b"%8d" % 0


class CrashJournal:
    """The journal, which all workers of the group on this host share. Its slot must be this process's own."""

    def __init__(self, slot: Slot, tell: Callable[[Crash], None]) -> None:
        """Args: tell: told each crash that nobody had found before."""
        self._slot = slot
        self._tell = tell
        self._file = slot.group_file(JOURNAL)

    def open(self) -> None:
        """Enter what this slot's predecessor left, and remove what an earlier version left."""
        old = [
            path for kind in VERSION_1 for path in (self._slot.file(kind), self._slot.group_file(kind)) if path.exists()
        ]
        if old:
            log.warning("removed crash records of an earlier version, unread", files=" ".join(map(str, old)))
        for path in old:
            path.unlink(missing_ok=True)
        self._enter(self._slot)

    def all(self) -> list[Crash]:
        """What is known now: looks first which other workers have died."""
        for other in self._slot.others():
            if other.try_acquire():
                try:
                    self._enter(other)
                finally:
                    other.unlock()
        return self._read()

    def forget(self, over: Callable[[Crash], bool]) -> list[Crash]:
        """Take those from the journal of which this is true; return the rest."""
        return self._change(lambda crashes: [crash for crash in crashes if not over(crash)])

    def _enter(self, slot: Slot) -> None:
        """Move what a dead worker was decoding to the journal. Killed in between, it is entered again, and counts once."""
        try:
            with slot.file(IN_PROGRESS).open("r+b") as file:
                for crash in (found := _in_progress(file.read(8 + SIZE))):
                    self._tell(crash)
                if found:
                    self._change(
                        lambda crashes: ([crash for crash in crashes if crash not in found] + found)[-MAX_CRASHES:]
                    )
                file.seek(0)
                file.write(b"%8d" % 0)
        except (OSError, ValueError, TypeError, KeyError):
            # Nothing was in progress, or nobody can say what.
            return

    def _change(self, change: Callable[[list[Crash]], list[Crash]]) -> list[Crash]:
        with self._file.with_suffix(".crashes-lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            crashes = change(self._read())
            new = self._file.with_suffix(".new")
            rows = [(each.id, each.incarnation, *each.partition, each.first, each.next, each.alone) for each in crashes]
            new.write_text(json.dumps({"version": VERSION, "crashes": rows}), encoding="utf-8")
            new.replace(self._file)
        return crashes

    def _read(self) -> list[Crash]:
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["version"] == VERSION:
                return [_crash(*row) for row in kept["crashes"]]
        return []


def _in_progress(said: bytes) -> list[Crash]:
    length = int(said[:8] or 0)
    if not length:
        return []
    kept = json.loads(said[8 : 8 + length])
    return [_crash(kept["id"], *row) for row in kept["ranges"]] if kept["version"] == VERSION else []


def _crash(crash_id: str, incarnation: str, topic: str, partition: int, *rest: Any) -> Crash:
    return Crash(crash_id, incarnation, TopicPartition(topic, partition), *rest)
