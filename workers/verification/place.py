"""A place in Kafka as people name it: a topic, one of its partitions, one offset, or the id of a document."""

from __future__ import annotations

import re
from typing import NamedTuple

from workers.errors import BadUsageError
from workers.identity import SECOND
from workers.settings.files import shown

FORMS = "TOPIC, PARTITION/OFFSET, TOPIC/PARTITION, TOPIC/PARTITION/OFFSET, or the _id of a document"
NUMBER = r"[0-9]{1,19}"
TOPIC_NAME = r"[A-Za-z0-9._-]{1,249}"
OF_DOCUMENT = re.compile(rf"({TOPIC_NAME})-([0-9a-f]{{8}})")
"""The first part of a document's id: the topic's name and the beginning of its id."""


class Place(NamedTuple):
    """What somebody has named; None: not named."""

    topic: str | None = None
    """A topic, or the first part of a document's id: only Kafka knows which."""
    partition: int | None = None
    offset: int | None = None
    leader_epoch: int | None = None
    """Only in the id of a document that has a second id: decision 15."""

    @property
    def document_id(self) -> str | None:
        """The text itself, if it may be the id of a document."""
        if self.topic is None or self.offset is None or not OF_DOCUMENT.fullmatch(self.topic):
            return None
        epoch = "" if self.leader_epoch is None else f"{SECOND}{self.leader_epoch}"
        return f"{self.topic}/{self.partition}/{self.offset}{epoch}"


def parse_place(text: str | None) -> Place:
    """The place that this text names; None: nothing in particular.

    A colon is as good as a slash: log lines write `3:42`.

    Raises:
        BadUsageError: it names none.
    """
    if text is None:
        return Place()
    rest, _, epoch = text.partition(SECOND)
    parts = re.split("[/:]", rest)
    numbers = [part for part in parts if re.fullmatch(NUMBER, part)]
    topic: str | None = None
    if len(parts) != 2 or len(numbers) != 2:
        # Of two numbers the first is a partition; anywhere else it is the name of a topic, which may be a number.
        topic, numbers = parts[0], parts[1:]
    wrong = (
        len(numbers) > 2
        or not all(re.fullmatch(NUMBER, number) for number in numbers)
        or (topic is not None and (not re.fullmatch(TOPIC_NAME, topic) or topic in (".", "..")))
        or (SECOND in text and (len(numbers) != 2 or not re.fullmatch(NUMBER, epoch)))
    )
    partition, offset = (*(int(number) for number in numbers), None, None)[:2] if not wrong else (None, None)
    if wrong or (partition or 0) >= 2**31 or (offset or 0) >= 2**63:
        raise BadUsageError(f"{shown(text)!r} is not a place: write {FORMS}")
    return Place(topic, partition, offset, int(epoch) if epoch else None)
