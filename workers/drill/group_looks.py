"""Kafka's word on the group during a drill, asked for on a thread of its own, so that it holds up nobody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from workers.connection import KeptConnection
from workers.fleet.status.group import STABLE
from workers.fleet.status.poller import Down, Poller
from workers.kafka.admin import Admin
from workers.kafka.fleet_topics import TopicFinder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.settings import Settings
    from workers.types import TopicPartition

ASK_SECONDS = 0.3
"""From an answer to the next question."""
FIRST_SECONDS = 10.0
"""For the first answer, with the connection."""


class GroupLook(NamedTuple):
    """One answer."""

    asked: float
    """When, in seconds of `time.monotonic`."""
    members: frozenset[str]
    """The ids of the members."""
    owners: Mapping[TopicPartition, tuple[str, str]]
    """By partition: the member id of its owner, and its name with its host; empty while the group rebalances."""
    lag: Mapping[TopicPartition, int] | None
    """By partition: how many records are not committed; None: that was not asked for."""

    @property
    def asked_lag(self) -> tuple[float, Mapping[TopicPartition, int]] | None:
        """The lag, with the time of the question."""
        return None if self.lag is None else (self.asked, self.lag)


class GroupLooks:
    """Asks from `start` to `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = TopicFinder(settings)
        self.wants_lag = False
        """Whether the lag is asked for too, from the next question on."""
        connection = KeptConnection(lambda: Admin(settings).connect())
        self._poller = Poller(lambda: connection.ask(self._look), ASK_SECONDS, connection.close)

    def start(self) -> None:
        """Begin, and wait for the first answer, but not for ever."""
        self._poller.start()
        self._poller.answered.wait(FIRST_SECONDS)

    def stop(self) -> None:
        """Ask no more. Idempotent."""
        self._poller.stop()

    def since(self, then: float) -> GroupLook | None:
        """The last answer, if it was asked for after this."""
        answer = self._poller.answer(time.monotonic())
        return None if isinstance(answer, Down) or answer.asked <= then else answer

    def _look(self, admin: Admin) -> GroupLook:
        asked = time.monotonic()
        topics = self._topics.find(admin)
        group = self._topics.group(admin, topics)
        owners = {
            partition: (member_id, f"{member.client_id} at {member.host}")
            for member_id, member in (group.members.items() if group.state == STABLE else ())
            for partition in member.partitions
        }
        look = GroupLook(asked, frozenset(group.members), owners, None)
        if not self.wants_lag or not topics.topics:
            return look
        offsets = admin.offsets_of_topics(topics.topics, self._settings.group)
        return look._replace(lag={partition: each.lag for partition, each in offsets.items()})
