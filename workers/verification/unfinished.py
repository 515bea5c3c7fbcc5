"""A verification of a whole topic that was not finished: what is done of it, in a file, and whether it may be gone on with."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from workers.errors import BadUsageError
from workers.state.checked_file import checked, read_checked
from workers.state.file_names import file_name, make_folder
from workers.state.replaced_file import replace_file
from workers.types import TopicPartition
from workers.verification.part_check import PartResult
from workers.verification.report import FAILURES, PartitionReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from workers.kafka.admin import Admin
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.settings import Settings

VERSION = 1
"""Also of how a topic is divided into parts: the numbers of those that are done must mean the same."""
SAVE_SECONDS = 1.0
"""Between two writes of the file, at least: it is written whole."""


@dataclass
class Unfinished:
    """One run of `verify` over a whole topic, and the results of those of its parts that are done."""

    about: dict[str, Any]
    """What it is about: topic, group and sink. A run about anything else is another one."""
    ends: dict[TopicPartition, tuple[int, int, int]]
    """Of each partition, at its beginning: the log start, the end, and the epoch of the leader."""
    by_index: bool
    most: int
    """Offsets in a part."""
    started: float = field(default_factory=time.time)
    done: dict[int, PartResult] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        settings: Settings,
        topic: Topic,
        offsets: Mapping[TopicPartition, PartitionOffsets],
        most: int,
        *,
        by_index: bool,
    ) -> Self:
        """A run in which nothing is done yet."""
        ends = {partition: (each.start, each.end, each.leader_epoch) for partition, each in offsets.items()}
        return cls(_about(settings, topic), ends, by_index, most)

    @property
    def offsets(self) -> int:
        """How many it is about."""
        return sum(end - start for start, end, _ in self.ends.values())

    def total(self, outcome: str) -> int:
        """Of the parts that are done."""
        return sum(each.counts[outcome] for result in self.done.values() for each in result.reports.values())

    def describe(self) -> str:
        """What is done, in one line."""
        return describe([self])

    def go_on(
        self, settings: Settings, admin: Admin, topic: Topic, now: Mapping[TopicPartition, PartitionOffsets]
    ) -> dict[TopicPartition, PartitionOffsets]:
        """The offsets with which the rest is to be verified: the log as at the beginning, the commits as they are now.

        Raises:
            BadUsageError: what is done says nothing about what is there now.
            UnavailableError: Kafka did not answer.
        """
        about = _about(settings, topic)
        for what, value in about.items():
            if self.about.get(what) != value:
                raise BadUsageError(
                    f"cannot resume: the unfinished run was of another {what}; verify from the beginning"
                )
        if gone := sorted(self.ends.keys() - now.keys()):
            raise BadUsageError(f"cannot resume: there is no {gone[0]} any more; verify from the beginning")
        changed = {p: epoch for p, (_, _, epoch) in self.ends.items() if epoch >= 0 and now[p].leader_epoch != epoch}
        kept = admin.epoch_ends(topic, changed) if changed else {}
        for partition, (_, end, epoch) in self.ends.items():
            known = kept.get(partition, (epoch, end)) if partition in changed else (epoch, end)
            if now[partition].end < end or known[1] < end:
                raise BadUsageError(
                    f"cannot resume: the log of {partition} was truncated since; verify from the beginning"
                )
        return {p: now[p]._replace(start=start, end=end) for p, (start, end, _) in self.ends.items()}


def describe(runs: Sequence[Unfinished]) -> str:
    """What is done of runs over different topics, in one line."""
    totals = {outcome: sum(run.total(outcome) for run in runs) for outcome in ("kafka", *FAILURES)}
    failures = [f"{totals[each]:,} {each}" for each in FAILURES if totals[each]]
    verdict = f"not all accounted for: {', '.join(failures)}" if failures else "all of them accounted for"
    offsets = sum(run.offsets for run in runs)
    return f"{totals['kafka']:,} records were verified, of a log of {offsets:,} offsets, {verdict}"


class UnfinishedFile:
    """The file of a group. One that cannot be written costs nothing but the chance to resume."""

    def __init__(self, folder: Path, group: str) -> None:
        """Args: folder: WORKERS_STATE_DIR."""
        self.path = folder / f"{file_name(group)}.verify"
        self.begun: Unfinished | None = None
        """The run of this process, if something of it is done."""
        self._problem: OSError | None = None
        """Why it could not be written the last time."""
        self._saved_at = -SAVE_SECONDS

    def read(self) -> Unfinished:
        """The run that was not finished.

        Raises:
            BadUsageError: there is none.
        """
        return from_json(self._read(VERSION))

    def _read(self, version: int) -> dict[str, Any]:
        content = read_checked(self.path)
        if not isinstance(content, dict) or content.get("version") != version:
            why = "is of another version, or of other topics" if content else "does not exist, or is damaged"
            raise BadUsageError(f"nothing to resume: {self.path} {why}; verify from the beginning")
        return content

    def write(self, run: Unfinished, *, at_once: bool = False) -> None:
        """Keep what is done, some times a second at most."""
        if run.done and (at_once or self._is_due):
            self.begun = run
            self._save(to_json(run))

    @property
    def _is_due(self) -> bool:
        return time.monotonic() - self._saved_at >= SAVE_SECONDS

    def _save(self, content: dict[str, Any]) -> None:
        try:
            make_folder(self.path.parent)
            replace_file(self.path, checked(content))
            self._problem = None
        except OSError as error:
            self._problem = error
        self._saved_at = time.monotonic()

    def describe(self) -> str:
        """What was verified by a run that ended before it was finished, and how to go on."""
        return "nothing was verified" if self.begun is None else self._with_advice(self.begun.describe())

    def _with_advice(self, done: str) -> str:
        if self._problem:
            return f"{done}; it cannot be resumed: {self._problem}"
        return f"{done}; `workers verify --resume` goes on behind them"

    def remove(self) -> None:
        """The run is finished, or another one begins."""
        self.begun = None
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _about(settings: Settings, topic: Topic) -> dict[str, Any]:
    uri = hashlib.sha256(settings.mongodb_uri.get_secret_value().encode()).hexdigest()[:16]
    return {
        "topic": [topic.identity.name, str(topic.identity.uuid)],
        "group": settings.group,
        "database": [uri, settings.database],
        "collection": settings.collection,
    }


def to_json(run: Unfinished) -> dict[str, Any]:
    """For the file."""
    return {
        "version": VERSION,
        "about": run.about,
        "ends": [[*partition, *each] for partition, each in run.ends.items()],
        "by_index": run.by_index,
        "most": run.most,
        "started": run.started,
        "done": {
            str(number): {
                "reports": [[*p, dict(each.counts), each.offsets] for p, each in result.reports.items() if each.counts],
                "before": [[*p, count] for p, count in result.before.items()],
                "foreign": result.foreign,
            }
            for number, result in run.done.items()
        },
    }


def from_json(content: Mapping[str, Any]) -> Unfinished:
    """The inverse of `to_json`."""
    done = {}
    for number, result in content["done"].items():
        reports = {
            TopicPartition(topic, partition): PartitionReport(
                TopicPartition(topic, partition), Counter(counts), offsets
            )
            for topic, partition, counts, offsets in result["reports"]
        }
        before = Counter({TopicPartition(topic, partition): count for topic, partition, count in result["before"]})
        done[int(number)] = PartResult(reports, before, result["foreign"])
    ends = {
        TopicPartition(topic, partition): (start, end, epoch) for topic, partition, start, end, epoch in content["ends"]
    }
    return Unfinished(content["about"], ends, content["by_index"], content["most"], content["started"], done)
