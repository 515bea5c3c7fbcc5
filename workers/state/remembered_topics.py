"""Which topics a slot has met, and which were not there yet: those that come later are read whole, whatever `start` says.

Kafka does not tell when a topic was made. So each worker notes, when it starts, which of the topics that have a `start` are
there; one that it finds missing, or that a pattern matches only later, came later. A file of the slot keeps that for the
next process: a worker that is started between the making of a topic and its first commit must not take it for an old one.
Without a state directory, and on a host that never ran a worker of this group, only this process remembers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.settings.start import EARLIEST
from workers.state.checked_file import checked, read_checked
from workers.state.replaced_file import replace_file
from workers.state.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from uuid import UUID

    from workers.identity import TopicIdentity
    from workers.settings import Settings
    from workers.state.write_failures import WriteFailures

KIND = "topics"
VERSION = 1


class RememberedTopics:
    """Of one worker; see `workers.kafka.topic_memory.TopicMemory`. Does no I/O before `look`."""

    def __init__(self, settings: Settings, failures: WriteFailures) -> None:
        self._settings, self._failures = settings, failures
        folder = settings.state_dir
        self._slot = Slot(folder, settings.group, settings.worker, failures) if folder else None
        self._there: dict[str, str] = {}
        """By name: the id of a topic that was there when a worker first looked. None of `_later` is here."""
        self._later: set[str] = set()
        """Names that had no topic then."""
        self._begun: set[str] = set()
        """Ids of topics that the group has begun."""
        self._patterns: set[str] = set()
        """What they match now and is not in `_there` came later."""
        self._has_read = False

    def look(self, identify: Callable[[str], UUID | None], names: Callable[[], Iterable[str]]) -> None:
        """Note which topics are there. Kafka is asked only about what was not noted before.

        Args:
            identify: the id of the topic of this name; None: there is none.
            names: all topics of Kafka.
        """
        routes = [route for route in self._settings.route_table.routes if route.start != EARLIEST]
        if not routes:
            return
        if not self._has_read:
            self._read()
        changed = False
        for topic in (topic for route in routes for topic in route.topics):
            if topic not in self._there and topic not in self._later:
                self._note(topic, identify(topic))
                changed = True
        for route in routes:
            if route.topic_pattern is not None and route.topic_pattern not in self._patterns:
                self._patterns.add(route.topic_pattern)
                changed = True
                for topic in sorted(filter(route.matches, names())):
                    if topic not in self._there and topic not in self._later:
                        self._note(topic, identify(topic))
        if changed:
            self._write()

    def came_later(self, topic: TopicIdentity) -> bool:
        """See `TopicMemory.came_later`. Also true where the group had begun the topic: its commits are lost then."""
        return self._there.get(topic.name) != str(topic.uuid) or str(topic.uuid) in self._begun

    def began(self, topic: TopicIdentity) -> None:
        """See `TopicMemory.began`."""
        if str(topic.uuid) not in self._begun:
            self._begun.add(str(topic.uuid))
            self._write()

    def _note(self, topic: str, found: UUID | None) -> None:
        if found is None:
            self._later.add(topic)
        else:
            self._there[topic] = str(found)

    def _read(self) -> None:
        """What this slot has noted, and the others of this host."""
        self._has_read = True
        for slot in (self._slot, *self._slot.others()) if self._slot else ():
            content: Any = read_checked(slot.file(KIND))
            if not isinstance(content, dict) or content.get("version") != VERSION:
                continue
            for name, topic_id in content["there"].items():
                self._there.setdefault(name, topic_id)
            self._later.update(content["later"])
            self._begun.update(content["begun"])
            self._patterns.update(content["patterns"])
        self._there = {name: each for name, each in self._there.items() if name not in self._later}

    def _write(self) -> None:
        if self._slot is None:
            return
        path: Path = self._slot.file(KIND)
        content = {
            "version": VERSION,
            "there": self._there,
            "later": sorted(self._later),
            "begun": sorted(self._begun),
            "patterns": sorted(self._patterns),
        }
        try:
            replace_file(path, checked(content))
        except OSError as error:
            self._failures.failed(path, error, "a topic that is made later may be begun at its start setting")
        else:
            self._failures.succeeded(path)
