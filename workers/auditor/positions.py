"""How far the auditor has come, for its next process: a file of the group beside the one that others read."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.auditor.findings import Findings, Unaccounted
from workers.auditor.full_pass import FullPass
from workers.identity import OffsetRange
from workers.state.file_names import file_name, make_folder
from workers.state.replaced_file import replace_file
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from workers.identity import TopicIdentity
    from workers.state.write_failures import WriteFailures

VERSION = 2


@dataclass
class Positions:
    """Of one incarnation of a topic. Times are Unix times."""

    topic: TopicIdentity
    verified: dict[TopicPartition, int] = field(default_factory=dict)
    """By partition: every record before this offset is verified, but for what the first pass has not read yet: see `since`."""
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    """By partition, the offset that the group was to read next at the last look: a lower one now, and it was set back."""
    reused: dict[TopicPartition, Sequence[OffsetRange]] = field(default_factory=dict)
    """By partition, the offsets that the log had used twice at the last look: a new one now, and the log was truncated."""
    until: float | None = None
    """See `Audit.until`; while the first pass goes on, `Audit.recent`."""
    set_back: float | None = None
    """See `Audit.set_back`."""
    since: float | None = None
    """See `Audit.since`."""
    passed: float | None = None
    """See `Audit.passed`."""
    full_pass: FullPass | None = None
    """The pass that goes on; None: none."""
    findings: Findings = field(default_factory=Findings)
    removed: int = 0
    """See `Audit.removed`."""
    removed_since: float | None = None
    """See `Audit.removed_since`."""

    def count_removed(self, offsets: int, now: float) -> None:
        """Kafka has removed so many offsets before they were accounted for."""
        if offsets:
            self.removed += offsets
            self.removed_since = self.removed_since or now


class PositionsFile:
    """Never raises for what the disk does: without the file the next process begins as if it were the first."""

    def __init__(self, folder: Path, group: str, failures: WriteFailures, topic: str | None = None) -> None:
        """Does no I/O.

        Args:
            folder: WORKERS_STATE_DIR.
            topic: the one of several that it is of; None: there is one only.
        """
        of_group = folder / f"{file_name(group)}.audit-positions"
        self._path = of_group if topic is None else folder / f"{file_name(f'{group}/{topic}')}.audit-topic"
        self._paths = dict.fromkeys((self._path, of_group))
        """The second one is from when this was the only topic."""
        self._failures = failures
        self._written = b""

    def write(self, positions: Positions) -> None:
        """Replace the file, if anything has changed."""
        content = json.dumps(_as_dict(positions)).encode()
        if content == self._written:
            return
        try:
            make_folder(self._path.parent)
            replace_file(self._path, content)
        except OSError as error:
            self._failures.failed(self._path, error, "the next auditor would verify again what this one has verified")
        else:
            self._written = content
            self._failures.succeeded(self._path)

    def read(self, topic: TopicIdentity) -> Positions | None:
        """What an earlier process has left; None: nothing for this incarnation of the topic, or nothing that can be parsed."""
        found = (_read(path, topic) for path in self._paths)
        return next((each for each in found if each), None)


def _read(path: Path, topic: TopicIdentity) -> Positions | None:
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != VERSION or content["topic_id"] != str(topic.uuid):
            return None
        return _from_dict(topic, content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _as_dict(positions: Positions) -> dict[str, Any]:
    def by_number(offsets: Mapping[TopicPartition, Any]) -> dict[int, Any]:
        return {partition.partition: offset for partition, offset in sorted(offsets.items())}

    full_pass = positions.full_pass
    return {
        "version": VERSION,
        "topic": positions.topic.name,
        "topic_id": str(positions.topic.uuid),
        "verified": by_number(positions.verified),
        "committed": by_number(positions.committed),
        "reused": by_number({partition: reused for partition, reused in positions.reused.items() if reused}),
        "until": positions.until,
        "set_back": positions.set_back,
        "since": positions.since,
        "passed": positions.passed,
        "full_pass": full_pass
        and {
            "begun": full_pass.begun,
            "ends": by_number(full_pass.ends),
            "done": by_number(full_pass.done),
        },
        "findings": [
            [partition.partition, offset, found.outcome, found.timestamp, found.told]
            for (partition, offset), found in positions.findings.items()
        ],
        "removed": positions.removed,
        "removed_since": positions.removed_since,
    }


def _from_dict(topic: TopicIdentity, content: dict[str, Any]) -> Positions:
    def by_partition(offsets: dict[str, int]) -> dict[TopicPartition, int]:
        return {TopicPartition(topic.name, int(partition)): int(offset) for partition, offset in offsets.items()}

    now = time.monotonic()
    given = content["full_pass"]
    return Positions(
        topic,
        verified=by_partition(content["verified"]),
        committed=by_partition(content["committed"]),
        reused={
            TopicPartition(topic.name, int(partition)): [OffsetRange(first, end) for first, end in reused]
            for partition, reused in content["reused"].items()
        },
        until=content["until"],
        set_back=content["set_back"],
        since=content["since"],
        passed=content["passed"],
        full_pass=given and FullPass(given["begun"], by_partition(given["ends"]), by_partition(given["done"])),
        # A suspicion gets its time to settle once more: the clock of the last process is not this one's.
        findings=Findings(
            {
                (TopicPartition(topic.name, partition), offset): Unaccounted(outcome, now, told, timestamp)
                for partition, offset, outcome, timestamp, told in content["findings"]
            }
        ),
        removed=content["removed"],
        removed_since=content["removed_since"],
    )
