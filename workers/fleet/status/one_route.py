"""What of the answers is about the topics of one route: for `workers status --route`. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from workers.fleet.status.topics import label_of
from workers.kafka.kafka_look import KafkaLook
from workers.settings.route import RouteTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.fleet.status.model import Answers
    from workers.fleet.status.slot_facts import SlotFacts
    from workers.types import TopicPartition

V = TypeVar("V")


class OneRoute:
    """One route of a table."""

    def __init__(self, routes: RouteTable, label: str) -> None:
        self._routes, self._label = routes, label
        self._known: dict[str, bool] = {}

    @property
    def table(self) -> RouteTable:
        """A table of this route only."""
        return RouteTable([route for route in self._routes.routes if route.label == self._label])

    def has(self, topic: str) -> bool:
        """Whether it has this topic."""
        if topic not in self._known:
            self._known[topic] = label_of(self._routes, topic) == self._label
        return self._known[topic]

    def of(self, answers: Answers) -> Answers:
        """The answers without all that is about topics of other routes. All workers and members stay."""
        slots = {name: self._slot(facts) for name, facts in answers.slots.items()}
        kafka = self._look(answers.kafka) if isinstance(answers.kafka, KafkaLook) else answers.kafka
        return replace(answers, slots=slots, kafka=kafka)

    def _slot(self, facts: SlotFacts) -> SlotFacts:
        beat = facts.beat
        if beat is None:
            return facts
        return replace(facts, beat=replace(beat, partitions=self._own(beat.partitions), halted=self._own(beat.halted)))

    def _look(self, look: KafkaLook) -> KafkaLook:
        members = {
            member_id: member._replace(partitions=list(self._own(member.partitions)))
            for member_id, member in look.group.members.items()
        }
        offsets = None if look.offsets is None else self._by_partition(look.offsets)
        return look._replace(
            group=look.group._replace(members=members),
            offsets=offsets or None,
            unanswered=self._own(look.unanswered),
            open_transactions=self._by_partition(look.open_transactions),
            missing=[topic for topic in look.missing if self.has(topic)],
            unroutable={},
            refused={topic: why for topic, why in look.refused.items() if self.has(topic)},
        )

    def _own(self, partitions: Iterable[TopicPartition]) -> tuple[TopicPartition, ...]:
        return tuple(partition for partition in partitions if self.has(partition.topic))

    def _by_partition(self, values: Mapping[TopicPartition, V]) -> dict[TopicPartition, V]:
        return {partition: value for partition, value in values.items() if self.has(partition.topic)}
