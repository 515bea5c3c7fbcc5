"""Resumptions: when the records that waited while a worker was dead are stored again, partition by partition.

From the end of its process, by the kernel, until the first record of each of its partitions was acknowledged by the sink,
by the progress files. A partition in which nothing waits resumes nothing, and is not told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from workers.state.progress import WorkerProgress
    from workers.types import TopicPartition

WRITTEN_SECONDS = 0.6
"""Until what is stored stands in a progress file: written five times a second, by a process that may be starved."""
GIVE_UP_SECONDS = 600.0
"""The sink is unavailable, or nobody is left; there are alerts for both."""
ASK_AGAIN_SECONDS = 5.0
"""Between two questions for the lag, while Kafka does not answer."""


class Resumption(NamedTuple):
    """One that is complete. Times are seconds of `time.monotonic`."""

    process: str
    pid: int
    died: float
    completed: float
    workers: dict[str, list[TopicPartition]]
    """By worker: what it stored again first."""


def stored_since(
    died: float, pid: int, partitions: Collection[TopicPartition], progress: Mapping[str, WorkerProgress]
) -> dict[TopicPartition, tuple[float, str]]:
    """By partition: when its first record after a death was stored, and by whom. Only those of which that is known.

    Args:
        pid: of the dead process, whose own file does not count.
        partitions: those to look at.
        progress: by worker.
    """
    found: dict[TopicPartition, tuple[float, str]] = {}
    for name, each in progress.items():
        for partition in partitions if each.pid != pid else ():
            stored = each.partitions.get(partition)
            if stored and stored.first > died:
                found[partition] = min(found.get(partition, (stored.first, name)), (stored.first, name))
    return found


@dataclass
class _Pending:
    process: str
    pid: int
    died: float
    partitions: frozenset[TopicPartition]
    stored: dict[TopicPartition, tuple[float, str]] = field(default_factory=dict)
    """It may move on before the others are stored again, so what was seen once is kept."""
    taken_over: float | None = None
    """When all of them had their owners."""
    waiting: frozenset[TopicPartition] | None = None
    """Those in which records waited; None: not known yet."""


class Resumptions:
    """Those that are going on. Pure: it is told what is known."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def __len__(self) -> int:
        return len(self._pending)

    def died(self, process: str, pid: int, partitions: Collection[TopicPartition], at: float) -> None:
        """A process ended that owned these partitions."""
        self._pending.append(_Pending(process, pid, at, frozenset(partitions)))

    def taken_over(self, pid: int, at: float) -> None:
        """Each of its partitions has its owner."""
        for each in self._pending:
            if each.pid == pid:
                each.taken_over = at

    def keep(self, pids: Collection[int]) -> None:
        """Forget those that are not taken over and never will be. Args: pids: the takeovers that are going on still."""
        self._pending = [each for each in self._pending if each.taken_over is not None or each.pid in pids]

    @property
    def lag_wanted_since(self) -> float | None:
        """From when on a question for the lag tells what waits; None: nobody wants to know."""
        times = [each.taken_over for each in self._pending if each.taken_over is not None and each.waiting is None]
        return max(times, default=None)

    def observe(
        self,
        progress: Mapping[str, WorkerProgress],
        lag: tuple[float, Mapping[TopicPartition, int]] | None,
        now: float,
    ) -> list[Resumption]:
        """Those that are complete.

        Args:
            progress: by worker.
            lag: when it was asked for, and by partition how many records were not committed then; None: not known.
        """
        complete = []
        for each in list(self._pending):
            for partition, first in stored_since(each.died, each.pid, each.partitions, progress).items():
                each.stored.setdefault(partition, first)
            if each.taken_over is not None and each.waiting is None and lag is not None:
                self._judge(each, *lag, now)
            if each.waiting is not None and each.waiting <= each.stored.keys():
                self._pending.remove(each)
                if each.waiting:
                    complete.append(_resumption(each))
            elif now - each.died > GIVE_UP_SECONDS:
                self._pending.remove(each)
        return complete

    def _judge(self, each: _Pending, asked: float, lag: Mapping[TopicPartition, int], now: float) -> None:
        """Not before what was stored until then can be seen: without a lag, it would look as if nothing had waited."""
        if each.taken_over is not None and asked >= each.taken_over and now >= asked + WRITTEN_SECONDS:
            each.waiting = frozenset(each.stored) | {part for part in each.partitions if lag.get(part)}


def _resumption(done: _Pending) -> Resumption:
    workers: dict[str, list[TopicPartition]] = {}
    for partition, (_, name) in sorted(done.stored.items()):
        workers.setdefault(name, []).append(partition)
    return Resumption(done.process, done.pid, done.died, max(done.stored.values())[0], workers)


class LagQuestion:
    """One thread asks for the lag, and another one, which has the connection to Kafka, answers."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Args: wake: makes the other thread call `serve` soon."""
        self._wake = wake
        self._wanted = False
        self._asked_at = 0.0
        self._answer: tuple[float, Mapping[TopicPartition, int]] | None = None

    def asked_since(self, then: float) -> tuple[float, Mapping[TopicPartition, int]] | None:
        """The answer to a question that was asked no earlier, with its time; None: there is none yet, and it is asked."""
        if self._answer and self._answer[0] >= then:
            return self._answer
        now = time.monotonic()
        if not self._wanted or now - self._asked_at > ASK_AGAIN_SECONDS:
            self._wanted, self._asked_at = True, now
            self._wake()
        return None

    def serve(self, ask: Callable[[], Mapping[TopicPartition, int] | None]) -> None:
        """Answer, if there is a question. Called on the other thread. Args: ask: None: Kafka does not answer."""
        if self._wanted:
            asked = time.monotonic()
            lag = ask()
            self._wanted = lag is None
            self._answer = (asked, lag) if lag is not None else self._answer
