"""The topics of a fleet as Kafka has them, for those who look at it from outside: one that is missing hides no other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import structlog

from workers.kafka.client_errors import LOOK, refusal, unavailable
from workers.kafka.kafka_look import KafkaLook
from workers.kafka.routed_topics import RoutedTopics, routed_topics

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from workers.identity import TopicIdentity
    from workers.kafka.admin import Admin
    from workers.kafka.group_description import GroupDescription
    from workers.kafka.topics import Topic
    from workers.settings import Settings
    from workers.types import TopicPartition

PATTERN_SECONDS = 10.0
"""Between two questions for the names of all topics, of which there may be thousands. The workers ask once a minute."""

log = structlog.get_logger()


class FleetTopics(NamedTuple):
    """The topics of the routes at one moment."""

    topics: Sequence[Topic]
    """Those that exist, and that Kafka describes."""
    missing: Collection[str] = ()
    unroutable: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}
    """The three: see `KafkaLook`."""

    @property
    def identities(self) -> list[TopicIdentity]:
        return [topic.identity for topic in self.topics]

    @property
    def partitions(self) -> set[TopicPartition]:
        return {partition for topic in self.topics for partition in topic.partitions}

    def look(self, group: GroupDescription) -> KafkaLook:
        """What is known before the offsets are."""
        return KafkaLook(
            group, None, missing=self.missing, unroutable=self.unroutable, refused=self.refused, at=time.monotonic()
        )


class TopicFinder:
    """Finds the topics of the routes. For one thread.

    Of the one topic of WORKERS_TOPIC an error is an error of the question. Of several it costs that topic only, and is logged
    once, where there is a log.
    """

    def __init__(self, settings: Settings) -> None:
        """Does no I/O."""
        self._settings = settings
        self._routed: RoutedTopics | None = None
        self._routed_at = 0.0
        self._refused: Mapping[str, str] = {}

    def find(self, admin: Admin) -> FleetTopics:
        """One request, however many topics there are; now and then a second, where routes have patterns.

        Raises:
            UnavailableError: no broker answered, or this client may describe none of them.
        """
        settings = self._settings
        if not settings.route_table.has_several_topics:
            (name,) = settings.route_table.topics
            topic = admin.topic(name)
            return FleetTopics([], (name,)) if topic is None else FleetTopics([topic])
        routed = self._routed_topics(admin)
        found, errors = admin.topics(routed.topics.keys()) if routed.topics else ({}, {})
        if errors and not found:
            raise unavailable(settings, next(iter(errors.values())))
        refused = {name: refusal(routed.topics[name], error, right=LOOK) for name, error in sorted(errors.items())}
        self._log_refused(refused)
        named = {*settings.route_table.topics} & routed.topics.keys()
        topics = [found[name] for name in sorted(found)]
        return FleetTopics(topics, sorted(named - found.keys() - refused.keys()), routed.unroutable, refused)

    def group(self, admin: Admin, topics: FleetTopics) -> GroupDescription:
        """The members of the group, with what they are assigned of these topics, also of those that no route can have."""
        settings = self._settings
        if not settings.route_table.has_several_topics:
            return admin.group(settings.group, *settings.route_table.topics)
        found = [topic.identity.name for topic in topics.topics]
        return admin.group(settings.group, *found, *topics.missing, *topics.unroutable, *topics.refused)

    def _routed_topics(self, admin: Admin) -> RoutedTopics:
        is_old = self._settings.route_table.has_patterns and time.monotonic() - self._routed_at > PATTERN_SECONDS
        if self._routed is None or is_old:
            self._routed, self._routed_at = routed_topics(self._settings, admin), time.monotonic()
        return self._routed

    def _log_refused(self, refused: Mapping[str, str]) -> None:
        # Commands have no log: what is logged there lands in their report.
        if structlog.is_configured():
            for topic in sorted(refused.keys() - self._refused.keys()):
                log.warning(
                    "Kafka does not describe a topic; nothing is known of it", topic=topic, error=refused[topic]
                )
            for topic in sorted(self._refused.keys() - refused.keys()):
                log.info("Kafka describes a topic again", topic=topic)
        self._refused = refused
