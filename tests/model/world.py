"""Everything around the loop, in memory: a broker, a database, and workers that are moved step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from tests.model.stepper import Stepper
from tests.support.batches import reader
from tests.support.fake_broker import Answer, FakeBroker
from tests.support.fakes import CHOKES, FakeDatabase, FakeSink, FakeSource, FakeWriter, Pause
from tests.support.oracle import BrokenPromiseError, Oracle, Seen, Sent
from workers.errors import SinkUnavailableError
from workers.kafka.write_observer import WriteObserver
from workers.pauses import NO_PAUSES, Pauses
from workers.pauses import Pause as Order
from workers.pipeline.backoff import Backoff, BatchSize
from workers.pipeline.loop import Loop, Reader
from workers.pipeline.observer import NullObserver, Observers
from workers.pipeline.reject_limit import RejectLimit
from workers.settings.start import EARLIEST
from workers.sinks.refusals import UndecidedError
from workers.types import Batch, CommitResult, TopicPartition, Truncation, WriteResult

PARTITIONS = 3
MOST_PARTITIONS = PARTITIONS + 2
MOST = 4
MOST_WORKERS = 3
POINTS = ("poll", "write", "half", "dead letters", "written", "commit", "committed", "hold")
"""Where a worker can be stopped or killed, in the order of a turn."""
FAILURES = (Answer.LOST, Answer.NEVER_ARRIVES, Answer.FAILS)
TURNS_TO_DRAIN = 150
LEAST_FOR_THE_LIMIT = 2 * MOST


@dataclass
class Variant:
    """What is under test: the real loop over an honest source and store, or a mutant of one of them."""

    loop: type[Loop] = Loop
    source: type[FakeSource] = FakeSource
    sink: Callable[[FakeDatabase, Pause], FakeSink] = FakeSink
    reader: Callable[..., Reader] = reader


class Witness(NullObserver):
    """Counts that a fault did bite: a run in which nothing happened proves nothing."""

    def __init__(self, sightings: Counter[str]) -> None:
        self._sightings = sightings
        self._resting: set[TopicPartition] = set()
        """Paused partitions of which nothing is in flight."""

    def rebalanced(self, event: str, partitions: object) -> None:
        self._sightings[f"partitions {event}"] += bool(partitions)

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        self._resting &= set(partitions)

    def paused(self, pauses: Mapping[TopicPartition, Order]) -> None:
        """From now on nothing of them may be written, until they are not paused any more."""
        self._resting = {*pauses}
        self._sightings["partitions paused"] += len(pauses)

    def records_lost(self, partition: TopicPartition, first: int, count: int) -> None:
        self._sightings["records lost to retention"] += count

    def log_truncated(self, partition: TopicPartition, truncation: Truncation) -> None:
        self._sightings["logs truncated"] += 1

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        self._sightings["records redelivered"] += sum(result.duplicates.values())
        self._sightings["records stored"] += sum(result.stored.values())
        self._sightings["stored beside replaced records"] += sum(
            p.replaced is not None for p in batch.partitions.values()
        )
        self._sightings["dead letters"] += sum(result.dead_letters.values())
        if resting := {p for p, part in batch.partitions.items() if part.size} & self._resting:
            raise BrokenPromiseError(f"a paused partition was written: {sorted(resting)}")
        told = [*result.stored.values(), *result.duplicates.values(), *result.dead_letters.values()]
        ignored = sum(part.ignored for part in batch.partitions.values())
        self._sightings["tombstones ignored"] += ignored
        if sum(told) + ignored != batch.size:
            raise BrokenPromiseError(
                f"a batch of {batch.size} records was counted as {sum(told)} and {ignored} ignored"
            )

    def committed(self, batch: Batch, result: CommitResult) -> None:
        self._sightings[f"commits {result}"] += 1

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        self._sightings["writes retried"] += 1
        self._sightings["records refused for no known cause"] += isinstance(error, UndecidedError)


class FakeWorker:
    """One process: the real loop over the fakes. Killed, it stays a member of the group until somebody evicts it."""

    def __init__(self, world: World) -> None:
        self.asked_to_stop = False
        self._stepper = Stepper(self._live, world.check)
        stopping = lambda: self.asked_to_stop  # noqa: E731
        pause = self._stepper.pause
        witness = Witness(world.sightings)
        self.source = world.variant.source(
            world.broker, witness, pause, stopping, lambda: world.pauses, start=world.start_at
        )
        sink = world.variant.sink(world.database, pause)
        self._loop = world.variant.loop(
            self.source,
            world.variant.reader(ignore_tombstones=world.ignores_tombstones),
            FakeWriter(sink, lambda: world.writes_late),
            Observers(WriteObserver(self.source), witness),
            stopping,
            batch_size=BatchSize(MOST),
            reject_limit=RejectLimit(world.reject_share, LEAST_FOR_THE_LIMIT),
            backoff=Backoff(jitter=lambda: 1.0),
        )

    def _live(self) -> None:
        self._loop.run()

    @property
    def at(self) -> str | None:
        return self._stepper.at

    def advance(self, *points: str) -> None:
        """Up to the next of these steps, or to the end of its life."""
        self._stepper.advance(*points)

    def kill(self) -> None:
        self._stepper.kill()


@dataclass
class World:
    """The actions that a schedule is made of, and the checks between them."""

    variant: Variant = field(default_factory=Variant)
    sightings: Counter[str] = field(default_factory=Counter)
    broker: FakeBroker = field(default_factory=lambda: FakeBroker(PARTITIONS))
    database: FakeDatabase = field(default_factory=FakeDatabase)
    workers: list[FakeWorker] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    """Member ids of killed workers that the group still counts."""
    writes_late: bool = False
    """Whether a batch is still to be written when the next one has been polled."""
    _has_begun: bool = False
    reject_share: float = 1.0
    """What workers are started with; 1: no limit, as a schedule of random poison needs it."""

    pauses: Pauses = NO_PAUSES
    """What people have paused: in a file, so no kill changes it."""
    ignores_tombstones: bool = False
    """WORKERS_ON_TOMBSTONE=ignore: what workers are started with, and so to be set before the first tombstone."""

    start_at: str = EARLIEST
    """`start`, with which workers are started."""

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.broker.topic.prefix)

    def produce(self, partition: int, count: int, poison: bool) -> None:
        for _ in range(count):
            number = len(self.oracle.sent)
            value = b"poison %d" % number if poison else b'{"number": %d}' % number
            record = self.broker.append(partition, value)
            self.oracle.acknowledged(Sent(partition, record.offset, value, poison, leader_epoch=record.leader_epoch))

    def produce_choking(self, partition: int) -> None:
        """A record whose document the database refuses, and does not say why."""
        value = b'{"number": %d, "%s": true}' % (len(self.oracle.sent), CHOKES.encode())
        record = self.broker.append(partition, value)
        self.oracle.acknowledged(Sent(partition, record.offset, value, poison=True, leader_epoch=record.leader_epoch))

    def refuse(self, documents: int) -> None:
        """The database is busy: it refuses so many of the next documents, as it refuses what it chokes on."""
        self.database.refusals = documents

    def delete(self, partition: int, count: int) -> None:
        """Tombstones: dead letters, or ignored."""
        for _ in range(count):
            record = self.broker.append(partition, None)
            ignored = self.ignores_tombstones
            self.oracle.acknowledged(
                Sent(partition, record.offset, None, not ignored, ignored, leader_epoch=record.leader_epoch)
            )

    def expire(self, partition: int, records: int) -> None:
        log = self.broker.partitions[partition]
        self.broker.expire(partition, log.beginning + records)
        self.oracle.expired[partition] = log.beginning

    def truncate(self, partition: int, records: int) -> None:
        """The log loses its last records; its new leader takes others for the same offsets.

        Not before the first commit: without one nobody can tell a log that was truncated from a group that was set back.
        """
        if partition not in self.broker.committed:
            return
        log = self.broker.partitions[partition]
        at = max(log.beginning, log.end - records)
        self.broker.truncate(partition, at)
        self.oracle.truncated(partition, at)

    def start(self) -> FakeWorker:
        self.workers.append(FakeWorker(self))
        return self.workers[-1]

    def turns(self, rounds: int) -> None:
        """Everybody turns; after three rounds a rebalance under way is over."""
        for _ in range(rounds):
            for worker in self.workers:
                worker.advance("poll")

    def advance(self, worker: FakeWorker, point: str) -> None:
        """One worker goes on alone, and stands still before this step, with whatever it has in hand."""
        worker.advance(point, "poll")

    def kill(self, worker: FakeWorker) -> None:
        self.sightings[f"killed at {worker.at}"] += 1
        worker.kill()
        self.workers.remove(worker)
        self.ghosts.append(worker.source.member)

    def evict(self, worker: FakeWorker) -> None:
        """The group gives a worker up that still runs, whatever it has in hand."""
        self.sightings[f"evicted at {worker.at}"] += 1
        self.broker.remove(worker.source.member)

    def join(self) -> None:
        """A process starts; where one was killed it first evicts that one from the group."""
        if self.ghosts:
            self.evict_ghost()
        self.start()

    def evict_ghost(self) -> None:
        self.broker.remove(self.ghosts.pop(0))

    def stop(self, worker: FakeWorker) -> None:
        """SIGTERM: it finishes its batch, commits, leaves the group, and ends."""
        worker.asked_to_stop = True
        worker.advance()
        self.workers.remove(worker)
        if worker.source.member in self.broker.members:
            raise BrokenPromiseError("a worker that stopped is still a member of the group")

    def break_the_database(self, after: int | None) -> None:
        """It goes away after so many writes; None: it is back."""
        self.database.up, self.database.breaks_after = True, after

    def add_partition(self) -> None:
        """The topic grows. What is new begins with its first record, whatever `start` says."""
        self.sightings["partitions added"] += 1
        self.broker.add_partition()

    def pause(self, partition: int | None) -> None:
        """`workers pause`. Args: partition: None: everything."""
        topic = None if partition is None else self.broker.topic.name
        self.pauses = Pauses((*self.pauses.all, Order("a test", "ann@db1", 0.0, topic, partition)))

    def resume(self) -> None:
        """`workers resume`, of everything."""
        self.sightings["pauses ended"] += len(self.pauses.all)
        self.pauses = Pauses()

    def seen(self) -> Seen:
        self._learn_where_the_group_began()
        return Seen(self.broker.stored_to(), self.database.documents, self.database.dead_letters)

    def _learn_where_the_group_began(self) -> None:
        """The first commit of the topic says it, once and for all."""
        if self.start_at != EARLIEST and self.broker.begun_at and not self._has_begun:
            self._has_begun = True
            self.oracle.begun = dict(self.broker.begun_at)
            self.sightings["records before the start"] += sum(self.broker.begun_at.values())

    def check(self) -> None:
        """Called before every step of every worker."""
        self.sightings["times checked"] += 1
        self.oracle.always(self.seen(), self.broker.went_back)

    def heal_and_drain(self) -> None:
        """Nothing fails any more: then everything must be stored and committed, in a bounded number of turns."""
        self.break_the_database(None)
        self.refuse(0)
        self.resume()
        self.broker.next_answer = Answer.LANDS
        while self.ghosts:
            self.evict_ghost()
        if not self.workers:
            self.start()
        for _ in range(TURNS_TO_DRAIN):
            for worker in self.workers:
                worker.advance("poll")
            if not self.broker.pending:
                break
        self.oracle.end(self.seen(), self.broker.went_back)
        for worker in list(self.workers):
            self.stop(worker)

    def end(self) -> None:
        """Leave no thread behind, however the schedule went."""
        for worker in self.workers:
            worker.kill()
