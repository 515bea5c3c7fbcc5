"""What the group has not committed yet, and why: for those who wait until it has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Self

from workers.kafka.admin import Admin
from workers.kafka.first_records import FirstRecords
from workers.kafka.open_transactions import OpenTransactions
from workers.kafka.partition_offsets import leader_epochs
from workers.pauses import described
from workers.verification.chosen_topics import chosen_topics
from workers.verification.topic_offsets import offsets_by_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from workers.kafka.open_transactions import OpenTransaction
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.pauses import Pause
    from workers.settings import Settings
    from workers.types import TopicPartition

POLL_SECONDS = 0.2
"""Between two looks."""
FIRST_TELL_SECONDS, TELL_SECONDS = 2.0, 10.0
"""Until the first line about what is waited for, and between two of them."""


class Remaining(NamedTuple):
    """What is left at one moment."""

    pending: int
    """Offsets that can be read and are not committed. Where only transaction markers are left, 0."""
    open_transactions: Mapping[TopicPartition, OpenTransaction]
    """By partition in which one is open."""
    partitions: Collection[TopicPartition] = ()
    """Those in which offsets are pending."""

    @property
    def nothing(self) -> bool:
        """Whether everything that Kafka has acknowledged is committed."""
        return not self.pending and not self.open_transactions

    def describe(self) -> str:
        """One line for people who wait."""
        parts = [f"{self.pending:,} offsets are not committed yet"] if self.pending else []
        parts += [f"{partition}: {each.describe()}" for partition, each in sorted(self.open_transactions.items())]
        return "; ".join(parts)


class RoutesBacklog:
    """The same of all topics of the routes, or of one route. Use it with `with`, or close it."""

    def __init__(self, settings: Settings, route: str | None) -> None:
        self._settings, self._route = settings, route
        self._topics: dict[str, Backlog] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._topics.values():
            each.close()

    def look(self, admin: Admin) -> Remaining | None:
        """See `Backlog.look`. None: there is none of the topics."""
        chosen = chosen_topics(self._settings, admin, self._route).topics
        existing = offsets_by_topic(chosen, admin, self._settings.group)
        if not existing:
            return None
        for name in existing.keys() - self._topics.keys():
            self._topics[name] = Backlog(chosen[name])
        found = [self._topics[name].left(*each) for name, each in existing.items()]
        transactions = {p: each for left in found for p, each in left.open_transactions.items()}
        return Remaining(
            sum(left.pending for left in found), transactions, {each for left in found for each in left.partitions}
        )


class Backlog:
    """Looks at what is left, with the connection of the caller. For one thread. Use it with `with`, or close it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._first_records = FirstRecords(settings)
        self._open_transactions = OpenTransactions(settings)
        self._before: dict[TopicPartition, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that it has opened itself."""
        self._first_records.close()
        self._open_transactions.close()

    def look(self, admin: Admin) -> Remaining | None:
        """What is left now; None: there is no topic.

        Raises:
            UnavailableError: Kafka did not answer.
        """
        topic = admin.topic(self._settings.topic)
        if topic is None:
            return None
        return self.left(topic, admin.partition_offsets(topic, self._settings.group))

    def left(self, topic: Topic, offsets: Mapping[TopicPartition, PartitionOffsets]) -> Remaining:
        """The same, where these are known."""
        ranges = {partition: (each.next_offset, each.end) for partition, each in offsets.items() if each.lag}
        # A commit never reaches behind a transaction marker at the end of a log. Records are looked for only where
        # nothing moved since the last look.
        standing = {partition: each for partition, each in ranges.items() if self._before.get(partition) == each}
        self._before = ranges
        times = self._first_records.times(topic.identity, standing, leader_epochs(offsets))
        markers = {partition for partition, found in times.items() if found is None}
        pending = {partition: end - first for partition, (first, end) in ranges.items() if partition not in markers}
        return Remaining(
            sum(pending.values()),
            self._open_transactions.look(topic.identity, offsets, time.time()),
            pending.keys(),
        )


def wait_until_committed(
    settings: Settings,
    seconds: float,
    tell: Callable[[str], None],
    route: str | None = None,
    paused: Callable[[], Mapping[TopicPartition, Pause]] = dict,
) -> None:
    """Wait until everything that Kafka has acknowledged is committed, at most so many seconds, and tell what for.

    Polls on one connection: a new one is expensive.

    Args:
        route: the name of the only one whose topics are waited for, which exists; None: all.
        paused: the partitions that are paused now, and why. What is left in them only is not waited for.

    Raises:
        UnavailableError: Kafka did not answer.
    """
    started = time.monotonic()
    deadline, tell_at = started + seconds, started + FIRST_TELL_SECONDS
    with Admin(settings) as admin, RoutesBacklog(settings, route) as backlog:
        while (left := backlog.look(admin)) and not left.nothing and (now := time.monotonic()) < deadline:
            resting = paused()
            if {*left.partitions, *left.open_transactions} <= resting.keys():
                tell(
                    f"not waiting for {left.pending:,} offsets: {described(resting.values())}; `workers resume` ends that"
                )
                return
            if now >= tell_at:
                tell(f"waiting: {left.describe()}")
                tell_at = now + TELL_SECONDS
            time.sleep(POLL_SECONDS)
