"""What workers had in hand when they died.

A worker keeps what it decodes in a file beside its slot's lock. Whoever comes next finds it, and enters it in a list
that all workers of the group on this host share.
"""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from workers.state.mapped_file import mapped_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.state.slot import Slot
    from workers.types import Fetched

MAX_CRASHES = 1_000
SIZE = 64 * 1024
IN_PROGRESS, LIST = "in-hand", "deaths"


class Crash(NamedTuple):
    """A range of offsets of one partition that a worker had in hand when it died."""

    topic: str
    """`TopicIdentity.prefix`"""
    partition: int
    first: int
    next: int
    alone: bool
    """Whether it was one record, and nothing else was in hand."""


class InProgress:
    """The records that this process decodes now."""

    def __init__(self, slot: Slot) -> None:
        self._memory = mapped_file(slot.file(IN_PROGRESS), SIZE)

    @contextmanager
    def hold(self, fetched: Fetched) -> Iterator[None]:
        """Remember these records meanwhile. An exception leaves them there: it is the end of this process too."""
        topic, alone = fetched.topic.prefix, sum(map(len, fetched.records.values())) == 1
        said = json.dumps(
            [(topic, p, records[0].offset, records[-1].offset + 1, alone) for p, records in fetched.records.items()]
        ).encode()
        self._memory[8 : 8 + len(said)] = said
        self._memory[:8] = b"%8d" % len(said)
        yield
        self._memory[:8] = b"%8d" % 0


class CrashJournal:
    """The list, which all workers of the group on this host share. Its slot must be this process's own."""

    def __init__(self, slot: Slot, tell: Callable[[Crash], None]) -> None:
        self._slot = slot
        self._tell = tell
        self._file = slot.group_file(LIST)
        self._enter(slot)

    def all(self) -> list[Crash]:
        """What is known now: looks first which other workers have died."""
        for other in self._slot.others():
            with other.try_lock() as held:
                if held:
                    self._enter(other)
        return self._read()

    def forget(self, over: Callable[[Crash], bool]) -> list[Crash]:
        """Take those from the list of which this is true; return the rest."""
        return self._change(lambda deaths: [death for death in deaths if not over(death)])

    def _enter(self, slot: Slot) -> None:
        """Move what a dead worker had in hand to the list."""
        try:
            with slot.file(IN_PROGRESS).open("r+b") as file:
                said = file.read(8 + SIZE)
                found = [Crash(*each) for each in json.loads(said[8 : 8 + int(said[:8])] or b"[]")]
                for death in found:
                    self._tell(death)
                if found:
                    self._change(lambda deaths: (deaths + found)[-MAX_CRASHES:])
                file.seek(0)
                file.write(b"%8d" % 0)
        except (OSError, ValueError, TypeError):
            # Nothing was in hand, or nobody can say what.
            return

    def _change(self, change: Callable[[list[Crash]], list[Crash]]) -> list[Crash]:
        with self._file.with_suffix(".deaths-lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            deaths = change(self._read())
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(deaths), encoding="utf-8")
            new.replace(self._file)
        return deaths

    def _read(self) -> list[Crash]:
        with suppress(OSError, ValueError, TypeError):
            return [Crash(*each) for each in json.loads(self._file.read_text(encoding="utf-8"))]
        return []
