"""What `--to` of `workers seek` means: a place by its meaning, an offset, or a file of offsets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from workers.errors import BadUsageError
from workers.settings.files import UnreadableError, read_text, shown
from workers.settings.start import FORMS, Start, parse_start
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.kafka.group_mover import GroupMover
    from workers.kafka.partition_offsets import PartitionOffsets

EXAMPLE = '{"numtest": {"0": 100, "3": 250}}'
OFFSET = re.compile(r"\d{1,19}", re.ASCII)


class Target(NamedTuple):
    """One of the three."""

    start: Start | None = None
    offset: int | None = None
    by_topic: Mapping[str, Mapping[int, int]] | None = None
    """By topic and partition."""

    @classmethod
    def of(cls, given: str) -> Self:
        """What a person wrote.

        Raises:
            BadUsageError: it means nothing, or the file cannot be used.
        """
        if OFFSET.fullmatch(given):
            return cls(offset=int(given))
        if given.endswith(".json"):
            return cls(by_topic=_read(Path(given)))
        try:
            return cls(start=parse_start(given))
        except ValueError as error:
            said = str(error)
        more = ", an offset, or a file that ends in .json" if said.endswith(FORMS) else ""
        raise BadUsageError(f"--to {shown(given)}: {said}{more}")

    def names(self, topic: str) -> bool:
        """Whether it says something about this topic."""
        return self.by_topic is None or topic in self.by_topic

    def destinations(
        self, mover: GroupMover, topic: str, offsets: Mapping[TopicPartition, PartitionOffsets]
    ) -> dict[TopicPartition, int]:
        """By partition; those that a file does not name are left out.

        Raises:
            UnavailableError: no broker answered.
        """
        if self.start:
            return mover.destinations(self.start, offsets)
        if self.by_topic is not None:
            return {
                TopicPartition(topic, number): offset
                for number, offset in self.by_topic.get(topic, {}).items()
                if TopicPartition(topic, number) in offsets
            }
        return dict.fromkeys(offsets, self.offset or 0)

    def require_all_used(self, used: Collection[TopicPartition], *, is_limited: bool) -> None:
        """Args: is_limited: a part of the file was asked for.

        Raises:
            BadUsageError: the file names what is not there.
        """
        named = [
            TopicPartition(topic, number) for topic, numbers in (self.by_topic or {}).items() for number in numbers
        ]
        if not is_limited and (unknown := [str(each) for each in named if each not in used]):
            raise BadUsageError(
                f"the file names partitions that are not there, or not routed: {', '.join(unknown[:8])}"
            )


def _read(path: Path) -> dict[str, dict[int, int]]:
    try:
        content: Any = json.loads(read_text(path))
    except UnreadableError as error:
        raise BadUsageError(f"--to {error}") from error
    except ValueError as error:
        raise BadUsageError(f"--to {shown(path)}: is no JSON: {error}") from error
    found: dict[str, dict[int, int]] = {}
    is_right = isinstance(content, dict) and bool(content) and all(isinstance(each, dict) for each in content.values())
    for topic, numbers in content.items() if is_right else ():
        for number, offset in numbers.items():
            if not OFFSET.fullmatch(number) or type(offset) is not int or not 0 <= offset < 2**63:
                is_right = False
                break
            found.setdefault(topic, {})[int(number)] = offset
    if not is_right or not found:
        raise BadUsageError(f"--to {shown(path)}: must have offsets by topic and partition, like {EXAMPLE}")
    return found
