"""The heartbeat of a worker: its state in a file, which can be read also when the worker is stopped, hung or dead."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from workers.pipeline.observer import NullObserver
from workers.state.checked_file import checked, read_checked
from workers.state.proc import process_started
from workers.state.slot_member import SlotMember
from workers.state.state_file import StateFile
from workers.state.write_failures import WriteFailures
from workers.types import CommitResult, TopicPartition, by_topic, from_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from workers.errors import SinkUnavailableError
    from workers.pauses import Pause
    from workers.types import Batch, WriteResult

VERSION = 2
"""Of the content. Version 1, which did not name itself, has partitions without their topic."""
SIZE = 64 * 1024
"""Of the file at first: enough for some thousand partitions."""


class State(StrEnum):
    """The states of a worker."""

    STARTING = "starting"
    CRASH_LOOP_BACKOFF = "crash-loop backoff"
    WAITING_FOR_MONGODB = "waiting for MongoDB"
    WAITING_FOR_KAFKA = "waiting for Kafka"
    FENCED = "fenced"
    """Another process is in the group with the static id of this worker, which waits until that one has left."""
    JOINING = "joining"
    READING = "reading"
    SINK_UNAVAILABLE = "database unavailable"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Beat:
    """The content of a heartbeat. Times are seconds of `time.monotonic`, which is the same in all processes of a host."""

    pid: int
    started: int
    """The start of the process (`process_started`). It identifies the process with the pid, which may be reused."""
    state: State = State.STARTING
    since: float = 0.0
    """When this state began."""
    iterated: float = 0.0
    """When the loop last iterated. It also does while it waits, and without records to read."""
    committed: float | None = None
    """When a commit last succeeded."""
    partitions: tuple[TopicPartition, ...] = ()
    """Its assignment."""
    halted: tuple[TopicPartition, ...] = ()
    """Partitions that are paused until it is restarted."""
    records: int = 0
    """Stored, duplicate or dead-lettered since it was started."""
    dead_letters: int = 0
    rebalances: int = 0
    """Assignments since it was started."""
    until: float | None = None
    """When the crash-loop backoff ends."""
    assigned: float | None = None
    """When it was last given an assignment, which it reads from then on."""
    member_id: str | None = None
    """Its own; None: it has not joined the group, or has left it."""
    static: bool = False
    """Whether that is a static member."""
    kept: bool = True
    """Whether the slot's member file has this id too; False: that file cannot be written, and others find it only here."""
    paused: tuple[TopicPartition, ...] = ()
    """Partitions that somebody has paused, and of which nothing is in flight any more."""
    limited: str | None = None
    """The setting by which it reads no faster; None: it reads as fast as it can."""

    @property
    def member(self) -> SlotMember | None:
        """The member that its process is or was."""
        return SlotMember(self.member_id, self.static, self.pid, self.started) if self.member_id else None

    @property
    def member_not_kept(self) -> SlotMember | None:
        """The same, if only the heartbeat has it."""
        return None if self.kept else self.member

    def is_alive(self) -> bool:
        """Whether the process that wrote this still runs, and its pid was not reused."""
        return process_started(self.pid) == self.started


class Heartbeat(NullObserver):
    """The observer that writes the file."""

    @classmethod
    def open(
        cls, path: Path, clock: Callable[[], float] = time.monotonic, failures: WriteFailures | None = None
    ) -> Self:
        """Begin to write this file. One that cannot be written is told to `failures`, and ends nobody."""
        return cls(StateFile(path, SIZE, failures or WriteFailures()), clock)

    def __init__(self, file: StateFile, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._file = file
        pid, now = os.getpid(), clock()
        # One dictionary, whose values are replaced and never changed: the client's IO thread calls `rebalanced`.
        beat = asdict(Beat(pid, process_started(pid) or 0, since=now, iterated=now))
        self._beat = {"version": VERSION, **beat, "partitions": {}, "halted": {}, "paused": {}}
        self._halted: set[TopicPartition] = set()
        self._write()

    def enter(self, state: State, until: float | None = None) -> None:
        """Change the state. `STOPPING` is the last one: later changes are ignored. A signal handler may enter that one."""
        if self._beat["state"] not in (state, State.STOPPING):
            self._beat |= {"state": state, "since": self._clock(), "until": until}
            if state is State.STOPPING:
                self._file.overwrite(self._content())
            else:
                self._write()

    def joined(self, member_id: str, static: bool, kept: bool) -> None:
        """Tell this process's member id. Args: kept: whether the slot's member file has it."""
        told = {"member_id": member_id, "static": static, "kept": kept}
        if told.items() <= self._beat.items():
            return
        self._beat |= told
        self._write()

    def left(self) -> None:
        """Tell that this process is no member of the group any more."""
        self._beat |= {"member_id": None, "kept": True}
        self._write()

    def iterated(self) -> None:
        self._beat["iterated"] = self._clock()
        self._write()

    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None:
        if event != "assigned":
            self._beat["partitions"] = {}

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        self._beat["paused"] = {}
        self._beat["partitions"] = by_topic(partitions)
        self._beat["rebalances"] += 1
        self._beat["assigned"] = self._clock()
        self.enter(State.READING)
        self._write()

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        self.enter(State.READING)
        self._beat["records"] += batch.size
        self._beat["dead_letters"] += sum(result.dead_letters.values())

    def committed(self, batch: Batch, result: CommitResult) -> None:
        if result is CommitResult.OK:
            self._beat["committed"] = self._clock()
            self._write()

    def halted(self, partitions: Collection[TopicPartition], reason: str) -> None:
        self._halted.update(partitions)
        self._beat["halted"] = by_topic(self._halted)
        self._write()

    def paused(self, pauses: Mapping[TopicPartition, Pause]) -> None:
        self._beat["paused"] = by_topic(pauses)
        self._write()

    def limited(self, limit: str | None, seconds: float) -> None:
        self._beat["limited"] = limit

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        self.enter(State.SINK_UNAVAILABLE)

    def source_refused(self, refused: bool) -> None:
        # Not READING: the watchdog would kill it for its standstill.
        self.enter(State.WAITING_FOR_KAFKA if refused else State.READING if self._beat["partitions"] else State.JOINING)

    def _write(self) -> None:
        self._file.write(self._content())

    def _content(self) -> bytes:
        return checked(self._beat)


def read_beat(path: Path) -> Beat | None:
    """The last beat in a heartbeat file; None: there is no file, it cannot be parsed, or it is of another version."""
    try:
        return _parse_beat(read_checked(path))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _parse_beat(content: dict[str, Any]) -> Beat:
    if content.pop("version", 1) != VERSION:
        raise ValueError("written by another version")
    lists = {name: from_topics(content[name]) for name in ("partitions", "halted", "paused")}
    return Beat(**{**content, **lists, "state": State(content["state"])})
