"""The metadata of our commits: the only place that writes or reads them.

Any program can commit for a group, with any metadata: Kafka's tools, another framework from which a group was taken over,
an earlier version of this one. Only metadata in exactly this form is ours, and may overrule the offset beside it. Anything
else is an ordinary commit: its offset counts. For example:

    kafka-mongo-workers/1 topic=08b40071-... epochs=4@0,7@250 reused=60-10100 watched=250-10250 delivered-before=7@900

Where the group leaves out offsets on purpose (`workers.kafka.left_out`), it goes on with

    start=1000@latest skipped=2000-2500/1764257659/ada@host/a%20test%20run

and is of version 2. Workers of earlier versions use the topic and the offset of such a commit, and do not carry the rest on.

Brokers refuse metadata of more than `offset.metadata.max.bytes` (4096 by default); this has at most about 1,000, and 2,200
more for eight notes about skipped records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from uuid import UUID

from workers.identity import OffsetRange
from workers.kafka.left_out import SKIP, LeftOut, parse_skip
from workers.kafka.log_history import NOTHING_BEFORE, LogHistory

VERSION = 1
"""Of the form."""
LEAVES_OUT = 2
"""Of the form, where offsets are left out. Both are known here: earlier versions of this program know the first only."""
DELETED_TOPIC = "the committed offset belongs to a deleted topic of this name; reading from the log start"
LATER_VERSION = "the commit is of a later version of this program: only its offset is used"
_MARK = re.compile(
    r"kafka-mongo-workers/(?P<version>[1-9]\d{0,3}) topic=(?P<topic>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?P<rest>(?: .*)?)",
    re.ASCII,
)
_NUMBER = r"\d{1,19}"
_REST = re.compile(
    rf"(?: epochs=(?P<epochs>{_NUMBER}@{_NUMBER}(?:,{_NUMBER}@{_NUMBER})*))?"
    rf"(?: reused=(?P<reused>{_NUMBER}-{_NUMBER}(?:,{_NUMBER}-{_NUMBER})*))?"
    rf"(?: watched=(?P<watched>{_NUMBER}-{_NUMBER}(?:,{_NUMBER}-{_NUMBER})*))?"
    rf"(?: delivered-before=(?P<before>{_NUMBER}@{_NUMBER}))?"
    rf"(?P<left_out>(?: start=(?P<start>{_NUMBER})@(?P<setting>[\w:.+-]{{1,40}}))?(?: skipped=(?P<skips>{SKIP}(?:,{SKIP})*))?)",
    re.ASCII,
)


@dataclass(frozen=True)
class CommitMark:
    """What our own commit says besides its offset."""

    topic_id: UUID
    history: LogHistory = field(default_factory=LogHistory)
    version: int = VERSION
    """1 for a form that is known here. Of a later one only the topic id is read, which every version has at the same place."""

    def __str__(self) -> str:
        history, left_out = self.history, self.history.left_out
        version = LEAVES_OUT if left_out else self.version
        parts = [f"kafka-mongo-workers/{version} topic={self.topic_id}"]
        if history.epochs:
            parts.append("epochs=" + ",".join(f"{epoch}@{first}" for epoch, first in history.epochs))
        for name, ranges in (("reused", history.reused), ("watched", history.watched)):
            if ranges:
                parts.append(f"{name}=" + ",".join(f"{each.first}-{each.end}" for each in ranges))
        if history.delivered_before[1]:
            parts.append("delivered-before={}@{}".format(*history.delivered_before))
        if left_out.start is not None:
            parts.append(f"start={left_out.start}@{left_out.setting}")
        if left_out.skips:
            parts.append("skipped=" + ",".join(map(str, left_out.skips)))
        return " ".join(parts)


def parse(metadata: str | None) -> CommitMark | None:
    """Our mark; None: the metadata of an ordinary commit. Never raises."""
    if not (found := _MARK.fullmatch(metadata or "")):
        return None
    topic_id, version = UUID(found["topic"]), int(found["version"])
    if version not in (VERSION, LEAVES_OUT):
        return CommitMark(topic_id, version=version)
    if not (rest := _REST.fullmatch(found["rest"])) or bool(rest["left_out"]) != (version == LEAVES_OUT):
        return None
    epochs = [(int(epoch), int(first)) for epoch, first in _pairs(rest["epochs"], "@")]
    reused, watched = (
        [OffsetRange(int(first), int(end)) for first, end in _pairs(rest[name], "-")] for name in ("reused", "watched")
    )
    before = [(int(epoch), int(offset)) for epoch, offset in _pairs(rest["before"], "@")]
    skips = tuple(map(parse_skip, rest["skips"].split(","))) if rest["skips"] else ()
    left_out = LeftOut(int(rest["start"]) if rest["start"] else None, rest["setting"] or "", skips)
    history = LogHistory(epochs, reused, before[0] if before else NOTHING_BEFORE, watched, left_out)
    return CommitMark(topic_id, history)


def _pairs(text: str | None, separator: str) -> list[list[str]]:
    return [each.split(separator) for each in text.split(",")] if text else []


@dataclass(frozen=True)
class Commit:
    """A group's commit in one partition, as it counts for the topic that is there now."""

    offset: int
    history: LogHistory
    deleted_topic: bool = False
    """Our mark says that it is of a deleted topic of this name: the offset does not count."""
    marked: bool = True
    """Whether it is ours, so that nothing behind the offset was delivered before."""
    warning: str = ""
    """For the log: one line."""


def read_commit(offset: int, metadata: str | None, leader_epoch: int | None, topic_id: UUID) -> Commit:
    """What a commit means: the parts of what a broker returns for it, and the id of the topic now.

    An ordinary commit has no history but its leader epoch, and its records may have been delivered before: a person may
    have set it back.
    """
    mark = parse(metadata)
    if mark and mark.topic_id != topic_id:
        return Commit(offset, LogHistory(), deleted_topic=True, warning=DELETED_TOPIC)
    if mark and mark.version == VERSION:
        return Commit(offset, mark.history)
    epochs = [(leader_epoch, offset - 1)] if leader_epoch is not None and leader_epoch >= 0 and offset > 0 else []
    return Commit(offset, LogHistory(epochs), marked=False, warning=LATER_VERSION if mark else "")
