"""Evictions: dead workers are removed from the consumer group, so that others take over before the session timeout."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog

from workers.log_fields import Action
from workers.naming import is_worker
from workers.state.event_log import Event
from workers.state.file_names import file_name
from workers.state.heartbeat import read_beat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.kafka.group_client import GroupClient
    from workers.settings import Settings
    from workers.state.slot import Slot

log = structlog.get_logger()


class Evictions:
    """Of the workers whose slots are in one folder. On one thread."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        slot: Callable[[str], Slot],
        group: GroupClient,
        record_event: Callable[..., None],
    ) -> None:
        """Args:

        slot: of the worker of this name.
        record_event: called as `EventLog.append`.
        """
        self._start = f"{file_name(settings.group)}-"
        """With which the names of the slots' files begin."""
        self._static = settings.static_membership
        self._folder = folder
        self._slot = slot
        self._group = group
        self._record_event = record_event
        self._evicted: set[tuple[str, str]] = set()
        """Worker and member, where the file with the member id could not be removed, or only a heartbeat has it."""

    def evict(self, name: str) -> bool:
        """Remove a worker's member from the group, if it is dead, so that the others take over before its restart.

        Returns:
            Whether Kafka answered.
        """
        for member in self._dead_members(name):
            if (name, member) in self._evicted:
                continue
            if (was_member := self._group.evict(member)) is None:
                return False
            log.info(
                "evicted a dead worker", action=Action.EVICT, process=name, member=member, was_still_member=was_member
            )
            if was_member:
                # Before the id is forgotten: killed in between, the next watchdog finds that it is no member any more.
                self._record_event(Event.EVICTED, name, member=member)
            self._forget(name, member)
        return True

    def evict_dead(self, running: set[str]) -> None:
        """Remove dead members from the group, also those of slots that the configuration no longer has."""
        try:
            paths = [each for each in self._folder.iterdir() if each.suffix in (".member", ".heartbeat")]
        except OSError:
            # The folder cannot be read now: nobody is known to be dead.
            paths = []
        names = {path.stem.removeprefix(self._start) for path in paths if path.name.startswith(self._start)}
        for name in sorted(names):
            # A worker that is starting evicts its predecessor itself.
            if not is_worker(name) or name in running or not self._may_have_member(name):
                continue
            if not self.evict(name):
                # Kafka did not answer: asking again for each slot would only delay the next checks.
                return

    def _may_have_member(self, name: str) -> bool:
        """Whether a file of the slot has a member id, or is damaged. Without the lock, which is a file for each slot."""
        slot = self._slot(name)
        if os.path.lexists(slot.file("member")):
            return True
        beat = read_beat(slot.heartbeat_file)
        return beat is not None and beat.member_not_kept is not None

    def _dead_members(self, name: str) -> list[str]:
        """The members to evict of a slot whose lock is free. They stay dead, so the lock is not needed to evict them."""
        slot = self._slot(name)
        with slot.try_lock() as held:
            if not held:
                return []
            if slot.member.predecessor() is None:
                # An empty file, which a full disk may leave: removed, so that it is not read at every check.
                slot.member.forget()
            return slot.dead_members(read_beat(slot.heartbeat_file), self._static)

    def _forget(self, name: str, member: str) -> None:
        """Remove the member id, unless another process has acquired the slot meanwhile. One that is only in a heartbeat
        stays there, as a dead worker's last word.
        """
        slot = self._slot(name)
        with slot.try_lock() as held:
            if held and (slot.member.predecessor() != member or not slot.member.forget()):
                self._evicted.add((name, member))
