"""What a worker says of itself, in a file: others can read it also when it is stopped, hung, or dead."""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from workers.pipeline.observer import NullObserver
from workers.state.mapped_file import mapped_file
from workers.state.proc import process_started
from workers.types import CommitResult, TopicPartition, by_topic, from_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from workers.errors import SinkUnavailableError
    from workers.types import Batch, WriteResult

VERSION = 2
"""Of what is in the file. 1, before there were versions, knew partitions by number only."""
SIZE = 64 * 1024
"""Of the file: room for the numbers of ten thousand partitions."""
TORN_READS = 5


class State(StrEnum):
    """What a worker is doing."""

    STARTING = "starting"
    CRASH_LOOP_BACKOFF = "crash-loop backoff"
    WAITING_FOR_MONGODB = "waiting for MongoDB"
    WAITING_FOR_KAFKA = "waiting for Kafka"
    JOINING = "joining"
    READING = "reading"
    SINK_UNAVAILABLE = "database unavailable"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Beat:
    """One worker's word about itself. Times are seconds of `time.monotonic`, which all processes of a host share."""

    pid: int
    started: int
    """When the kernel started it (`process_started`): with the pid this names one process, a pid alone does not."""
    state: State = State.STARTING
    since: float = 0.0
    """When it came into this state."""
    iterated: float = 0.0
    """When the loop last iterated. It does while it waits, and while there is nothing to read."""
    committed: float | None = None
    """When a commit last succeeded."""
    partitions: tuple[TopicPartition, ...] = ()
    """What it owns."""
    halted: tuple[TopicPartition, ...] = ()
    """What it has paused until it is restarted."""
    records: int = 0
    """Stored, found stored or dead-lettered since it was started."""
    dead_letters: int = 0
    rebalances: int = 0
    """Times that it was given partitions."""
    until: float | None = None
    """When a crash-loop backoff ends."""

    def is_alive(self) -> bool:
        """Whether the process that said this still runs, and is not another one with its pid."""
        return process_started(self.pid) == self.started


class Heartbeat(NullObserver):
    """The observer that keeps the file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._memory = mapped_file(path, SIZE)
        pid, now = os.getpid(), clock()
        # One dictionary whose entries are replaced whole: the client's IO thread is heard here too.
        beat = asdict(Beat(pid, process_started(pid) or 0, since=now, iterated=now))
        self._said = {"version": VERSION, **beat, "partitions": {}, "halted": {}}
        self._halted: set[TopicPartition] = set()
        self._write()

    def enter(self, state: State, until: float | None = None) -> None:
        """It does something else from now on. One that is stopping does so to its end, whatever else it finishes."""
        if self._said["state"] not in (state, State.STOPPING):
            self._said |= {"state": state, "since": self._clock(), "until": until}
            self._write()

    def iterated(self) -> None:
        self._said["iterated"] = self._clock()
        self._write()

    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None:
        if event != "assigned":
            self._said["partitions"] = {}

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        self._said["partitions"] = by_topic(partitions)
        self._said["rebalances"] += 1
        self.enter(State.READING)
        self._write()

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        self.enter(State.READING)
        self._said["records"] += batch.size
        self._said["dead_letters"] += sum(result.dead_letters.values())

    def committed(self, batch: Batch, result: CommitResult) -> None:
        if result is CommitResult.OK:
            self._said["committed"] = self._clock()
            self._write()

    def halted(self, partitions: Collection[TopicPartition], reason: str) -> None:
        self._halted.update(partitions)
        self._said["halted"] = by_topic(self._halted)
        self._write()

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        self.enter(State.SINK_UNAVAILABLE)

    def _write(self) -> None:
        said = json.dumps(self._said).encode()
        self._memory[: len(said) + 19] = b"%08x %08d\n%s\n" % (zlib.crc32(said), len(said), said)


def read_beat(path: Path) -> Beat | None:
    """What a worker last said; None where nobody did, where it cannot be made out, or is of another version."""
    for _ in range(TORN_READS):
        try:
            head, _, rest = path.read_bytes().partition(b"\n")
            checksum, _, length = head.partition(b" ")
            said = rest[: int(length)]
            if zlib.crc32(said) == int(checksum, 16):
                return _beat(json.loads(said))
        except OSError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return None


def _beat(said: dict[str, Any]) -> Beat:
    if said.pop("version", 1) != VERSION:
        raise ValueError("written by another version")
    lists = {name: from_topics(said[name]) for name in ("partitions", "halted")}
    return Beat(**{**said, **lists, "state": State(said["state"])})
