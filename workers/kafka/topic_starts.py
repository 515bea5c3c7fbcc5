"""Where the group begins the topics that have a `start`: one member's part in it, with Kafka. The rules: `workers.kafka.topic_start`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from kafka.errors import KafkaError

from workers.kafka.client_errors import describe
from workers.kafka.commit_mark import Commit, read_commit
from workers.kafka.leader_logs import LeaderLogs
from workers.kafka.log_history import LogHistory
from workers.kafka.partitions import to_client
from workers.kafka.start_offsets import StartOffsets
from workers.kafka.topic_memory import NoMemory
from workers.kafka.topic_start import TopicStart
from workers.log_fields import Action, of_partitions
from workers.settings.route import UnroutableError
from workers.settings.start import EARLIEST
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from uuid import UUID

    from kafka import KafkaConsumer

    from workers.identity import TopicIdentity
    from workers.kafka.topic_memory import TopicMemory
    from workers.settings.route import RouteTable

LOOK_SECONDS = 0.5
"""Between two looks at the commits of a topic that is not begun."""

OFFER_SECONDS = 5.0
"""Between two tries to commit the beginnings of a topic. One that Kafka refuses takes the batch with it in which it is offered."""

log = structlog.get_logger()


def start_of(routes: RouteTable) -> Callable[[str], str]:
    """The `start` of a topic, by its route."""

    def start(topic: str) -> str:
        try:
            route = routes.route_of(topic)
        except UnroutableError:
            # It is halted.
            return EARLIEST
        return route.start if route else EARLIEST

    return start


class TopicStarts:
    """Of one consumer. For the loop's thread only. A topic with `earliest` costs one comparison of texts in a new assignment."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        timeout_ms: int,
        start: Callable[[str], str] = lambda _topic: EARLIEST,
        memory: TopicMemory | None = None,
    ) -> None:
        """Args: start: of a topic, as in the settings."""
        self._consumer, self._timeout_ms, self._start = consumer, timeout_ms, start
        self._memory: TopicMemory = memory or NoMemory()
        self._made_again: set[UUID] = set()
        """Topics that took the place of others while this process ran."""
        self._topics: dict[UUID, TopicStart] = {}
        self._settings: dict[UUID, str] = {}
        """What is in force for a topic: its `start`, or `earliest`, if it came later."""
        self._looked: dict[str, float] = {}
        """By topic: when its commits were looked at last."""
        self._offered: dict[str, float] = {}
        """By topic: when its beginnings were offered last."""
        self._failure = ""
        self._is_away = False
        """Whether Kafka did not answer at the last look."""
        self.held: frozenset[TopicPartition] = frozenset()
        """Assigned, and not read before a commit of their topic is seen."""

    def forget(self) -> None:
        """The assignment is a new one."""
        for each in self._topics.values():
            each.forget()
        self._looked.clear()
        self._offered.clear()

    def made_again(self, topic_id: UUID) -> None:
        """A topic took the place of another one of its name."""
        self._made_again.add(topic_id)

    def hold(self, new: Collection[TopicPartition], topics: Mapping[str, TopicIdentity]) -> frozenset[TopicPartition]:
        """Which of these partitions must not be read yet. Asks the broker, from time to time.

        Args: new: assigned, and not begun in this assignment.
        """
        held = {p for p in new if self._start(p.topic) != EARLIEST and not self._state(topics[p.topic]).is_begun}
        for topic in self._due({partition.topic for partition in held}):
            if self._look(topics[topic]):
                held -= {partition for partition in held if partition.topic == topic}
        if released := self.held - held:
            self._consumer.resume(*to_client(self._consumer.assignment() & released))
        self.held = frozenset(held)
        if held:
            # The client does not keep a pause over a revocation, and `hold` of the source ends it.
            self._consumer.pause(*to_client(held))
        return self.held

    def take(self, topics: Mapping[str, TopicIdentity]) -> dict[TopicPartition, int]:
        """The offsets that are to be committed, of all partitions of a topic, also of those that others have."""
        due: dict[TopicPartition, int] = {}
        # A topic that was deleted a moment ago is not there any more.
        now = time.monotonic()
        for name in {partition.topic for partition in self.held} & topics.keys():
            if now - self._offered.get(name, -OFFER_SECONDS) < OFFER_SECONDS:
                continue
            if taken := self._state(topics[name]).take(self._partitions(name), now):
                self._offered[name] = now
                due |= taken
        return due

    def ended(self, partition: TopicPartition, offset: int, topic_id: UUID | None) -> None:
        """A commit of this offset is tried now, or was given up: the next look says what became of it."""
        state = self._topics.get(topic_id) if topic_id else None
        if state and not state.is_begun and state.ended(partition, offset):
            self._looked.pop(partition.topic, None)

    def history(self, partition: TopicPartition, topic_id: UUID | None) -> LogHistory:
        """What is to be committed with an offset that `take` returned."""
        state = self._topics.get(topic_id) if topic_id else None
        return state.history(partition) if state else LogHistory()

    def _due(self, topics: Collection[str]) -> Iterator[str]:
        """Those to look at now, the longest waiting first, until Kafka does not answer or the time of one question is over:
        an iteration of the loop has a limit, however many topics there are.
        """
        now = time.monotonic()
        until = now + self._timeout_ms / 1000
        for topic in sorted(topics, key=lambda name: (self._looked.get(name, 0.0), name)):
            if now - self._looked.get(topic, -LOOK_SECONDS) < LOOK_SECONDS or time.monotonic() >= until:
                return
            self._looked[topic] = time.monotonic()
            yield topic
            if self._is_away:
                return

    def _state(self, topic: TopicIdentity) -> TopicStart:
        return self._topics.setdefault(topic.uuid, TopicStart())

    def _partitions(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in sorted(self._consumer.partitions_for_topic(topic) or ())]

    def _look(self, topic: TopicIdentity) -> bool:
        """Whether the group has begun the topic. Decides where it begins, if it has not, and this member is to decide."""
        partitions = self._partitions(topic.name)
        logs = LeaderLogs(self._consumer, partitions, self._timeout_ms)
        state = self._state(topic)
        self._is_away = False
        try:
            found = {
                TopicPartition(*partition): read_commit(each.offset, each.metadata, each.leader_epoch, topic.uuid)
                for partition, each in logs.commits(partitions).items()
                if each is not None and each.offset >= 0
            }
            if state.see(None if each.deleted_topic else each for each in found.values()):
                self._tell_begun(topic, found)
                return True
            if topic.uuid not in self._settings:
                made_again = topic.uuid in self._made_again or any(each.deleted_topic for each in found.values())
                came_later = made_again or self._memory.came_later(topic)
                self._settings[topic.uuid] = EARLIEST if came_later else self._start(topic.name)
            # The lowest partition has one owner in a generation, whether it has a leader or not.
            if partitions and partitions[0] in self._consumer.assignment():
                generation = self._consumer.group_metadata().generation_id
                ask = StartOffsets(self._consumer, logs, self._timeout_ms, self._settings[topic.uuid])
                state.decide(generation, partitions, ask, time.monotonic())
        except KafkaError as error:
            self._is_away = True
            self._log_failure(topic, partitions, describe(error))
            return False
        without = [partition for partition in partitions if not logs.have(partition)]
        self._log_failure(topic, without, "they have no leader" if without else "")
        return False

    def _tell_begun(self, topic: TopicIdentity, commits: Mapping[TopicPartition, Commit]) -> None:
        """Once for each topic: where it was begun, or that its `start` means nothing any more."""
        self._memory.began(topic)
        wanted = self._start(topic.name)
        starts = {
            partition: each.history.left_out for partition, each in commits.items() if each.history.left_out.setting
        }
        begun = {each.setting for each in starts.values()}
        if topic.uuid in self._settings and wanted in begun:
            log.info(
                "the group begins the topic at its start; what was there before is not read",
                action=Action.READ,
                topic=topic.name,
                start=wanted,
                offsets={partition.partition: starts[partition].start for partition in sorted(starts)},
            )
        elif not begun & {wanted, EARLIEST}:
            log.warning(
                "start has no effect: the group has begun this topic before; `workers seek` moves a group",
                action=Action.READ,
                topic=topic.name,
                start=wanted,
                begun_with=", ".join(sorted(begun)) or "commits",
            )

    def _log_failure(self, topic: TopicIdentity, partitions: Collection[TopicPartition], error: str) -> None:
        """Once, and not at every look. Args: error: "" if nothing failed."""
        if error and error != self._failure:
            log.warning(
                "cannot find out yet where the topic begins; asking again, and reading nothing of it until then",
                action=Action.READ,
                **of_partitions(partitions),
                error=error,
            )
        self._failure = error
