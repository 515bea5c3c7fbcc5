"""A worker's place in the group: it is taken over from the slot's last process, and kept in the slot for the next one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from workers.errors import FencedError, UnavailableError
from workers.kafka import topics
from workers.kafka.admin import Admin
from workers.kafka.fencing import require_own_place
from workers.log_fields import Action

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from workers.kafka.topics import Topic
    from workers.settings import Settings
    from workers.state.remembered_topics import RememberedTopics
    from workers.worker.slot_files import SlotFiles

log = structlog.get_logger()


class Membership:
    """Of the process that has this slot. Does no I/O before its methods are called."""

    def __init__(self, settings: Settings, files: SlotFiles, topics: RememberedTopics | None = None) -> None:
        """Args:
        files: opened before any method is called. Without them nothing is taken over.
        topics: told which topics are there before this worker joins.
        """
        self._topics = topics
        self._settings = settings
        self._files = files
        self._predecessor_evicted = False

    def prepare(self) -> None:
        """Before this worker joins: the topic is there, and this slot's dead member is out of the group.

        Of several topics none needs to be there: each is read from its beginning once it is.

        Raises:
            UnavailableError: there is no such topic, or no broker answered.
        """
        routes = self._settings.route_table
        with Admin(self._settings) as admin:
            if self._topics:
                self._topics.look(lambda name: _id_of(admin.topic(name)), admin.topic_names)
            missing = [topic for topic in routes.topics if admin.topic(topic) is None]
            if missing and not routes.has_several_topics:
                raise UnavailableError(topics.missing(self._settings.for_topic(missing[0])))
            if missing:
                log.warning(
                    "there are no such topics yet; each is read from its beginning within a minute after it is made",
                    action=Action.READ,
                    topics=",".join(missing),
                )
            self.evict_predecessor(admin)

    def evict_predecessor(self, admin: Admin) -> None:
        """Remove this slot's dead member, once. A static one stays for its successor, if that is static too."""
        if self._predecessor_evicted:
            return
        dead = self._files.dead_members()
        for member_id in dead:
            evicted = admin.evict(self._settings.group, member_id)
            log.info("took over from the predecessor", action=Action.EVICT, member=member_id, was_still_member=evicted)
        self._predecessor_evicted = bool(dead)

    def joined(self, member_id: str) -> None:
        """The broker has given this process its member id."""
        self._files.remember_member(member_id, self._settings.static_membership)

    def left(self) -> None:
        """The loop has ended, and left the group: a dynamic member is gone, a static one stays for its successor."""
        if not self._settings.static_membership:
            self._files.forget_member()

    @property
    def was_fenced(self) -> bool:
        """Whether another process took the static id of this slot's last process."""
        return self._files.member is not None and self._files.member.was_fenced()

    def take_back(self) -> None:
        """After `was_fenced`: return once the other process has left. Else the two would fence each other for ever.

        Raises:
            UnavailableError: the other process is still in the group, or no broker answered.
        """
        if not (member := self._files.member):
            return
        if self._settings.static_membership:
            with Admin(self._settings) as admin:
                require_own_place(admin, self._settings, self._files.predecessor())
        member.forget_fenced()

    @contextmanager
    def remember_if_fenced(self) -> Iterator[None]:
        """Around the loop: a fenced member ends this process, and its successor must know."""
        try:
            yield
        except FencedError:
            if self._files.member:
                self._files.member.remember_fenced()
            raise


def _id_of(topic: Topic | None) -> UUID | None:
    return topic.identity.uuid if topic else None
