"""How far the auditor has come, for its next process: a file of the group beside the one that others read."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.auditor.findings import Finding, Findings
from workers.auditor.full_pass import FullPass
from workers.state.file_names import file_name, make_folder
from workers.state.replaced_file import replace_file
from workers.types import TopicPartition

if TYPE_CHECKING:
    from pathlib import Path

    from workers.identity import TopicIdentity
    from workers.state.write_failures import WriteFailures

VERSION = 1


@dataclass
class Positions:
    """Of one incarnation of a topic. Times are Unix times."""

    topic: TopicIdentity
    verified: dict[TopicPartition, int] = field(default_factory=dict)
    """By partition: every record before this offset is verified, but for what the first pass has not read yet: see `since`."""
    until: float | None = None
    """See `Audit.until`; while the first pass goes on, `Audit.recent`."""
    since: float | None = None
    """See `Audit.since`."""
    passed: float | None = None
    """See `Audit.passed`."""
    full_pass: FullPass | None = None
    """The pass that goes on; None: none."""
    findings: Findings = field(default_factory=Findings)


class PositionsFile:
    """Never raises for what the disk does: without the file the next process begins as if it were the first."""

    def __init__(self, folder: Path, group: str, failures: WriteFailures) -> None:
        """Does no I/O. Args: folder: WORKERS_STATE_DIR."""
        self._path = folder / f"{file_name(group)}.audit-positions"
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
        try:
            content = json.loads(self._path.read_bytes())
            if content["version"] != VERSION or content["topic_id"] != str(topic.uuid):
                return None
            return _from_dict(topic, content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def _as_dict(positions: Positions) -> dict[str, Any]:
    full_pass = positions.full_pass
    return {
        "version": VERSION,
        "topic": positions.topic.name,
        "topic_id": str(positions.topic.uuid),
        "verified": {partition.partition: offset for partition, offset in sorted(positions.verified.items())},
        "until": positions.until,
        "since": positions.since,
        "passed": positions.passed,
        "full_pass": full_pass
        and {
            "begun": full_pass.begun,
            "ends": {partition.partition: offset for partition, offset in full_pass.ends.items()},
            "done": {partition.partition: offset for partition, offset in full_pass.done.items()},
        },
        "findings": [
            [partition.partition, offset, found.outcome, found.timestamp]
            for (partition, offset), found in positions.findings.told().items()
        ],
    }


def _from_dict(topic: TopicIdentity, content: dict[str, Any]) -> Positions:
    def by_partition(offsets: dict[str, int]) -> dict[TopicPartition, int]:
        return {TopicPartition(topic.name, int(partition)): int(offset) for partition, offset in offsets.items()}

    now = time.monotonic()
    given = content["full_pass"]
    return Positions(
        topic,
        by_partition(content["verified"]),
        content["until"],
        content["since"],
        content["passed"],
        given and FullPass(given["begun"], by_partition(given["ends"]), by_partition(given["done"])),
        Findings(
            {
                (TopicPartition(topic.name, partition), offset): Finding(outcome, now, told=True, timestamp=timestamp)
                for partition, offset, outcome, timestamp in content["findings"]
            }
        ),
    )
