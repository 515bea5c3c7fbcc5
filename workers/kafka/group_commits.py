"""What the commits of a group mean for the logs that are there now: for those who look at the group from outside. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.kafka.beginning import Leader, begin
from workers.kafka.commit_mark import read_commit
from workers.kafka.left_out import LeftOut
from workers.kafka.log_history import EpochEnd, Question, Validation, validate
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from workers.identity import OffsetRange
    from workers.types import Truncation

EpochEnds = Callable[[Mapping[TopicPartition, int]], Mapping[Any, tuple[int, int]]]
"""By partition, a leader epoch to where the leader's records of it end: see `compat_logs.epoch_ends`."""


class Committed(NamedTuple):
    """The commit in one partition."""

    offset: int | None
    truncation: Truncation | None = None
    reused: Sequence[OffsetRange] = ()
    left_out: LeftOut = LeftOut()


NOTHING_COMMITTED = Committed(None)


def group_commits(
    commits: Mapping[Any, Any],
    topic_ids: Mapping[str, UUID],
    leaders: Mapping[TopicPartition, tuple[int, int]],
    starts: Mapping[Any, int],
    margin: int,
    epoch_ends: EpochEnds,
) -> dict[TopicPartition, Committed]:
    """By partition, the commits that count for these topics, validated as a worker would do it.

    Args:
        commits: by partition, what the broker returned.
        topic_ids: by topic.
        leaders: the node id and the epoch of each leader.
        starts: the log starts.
        margin: see `beginning.begin`.
    """
    read = {
        TopicPartition(*partition): read_commit(each.offset, each.metadata, each.leader_epoch, topic_ids[partition[0]])
        for partition, each in commits.items()
        if each.offset >= 0
    }
    read = {partition: commit for partition, commit in read.items() if not commit.deleted_topic}
    questions = {p: Question(each.history, each.offset, leaders.get(p, (-1, -1))[1]) for p, each in read.items()}
    validations = validate(
        questions,
        lambda asked: {TopicPartition(*p): EpochEnd(*answer) for p, answer in epoch_ends(asked).items()},
    )
    found = {}
    for partition, commit in read.items():
        leader = Leader(starts[partition], None, questions[partition].current_epoch)
        now = begin(commit, leader, validations.get(partition, Validation(None)), None, margin)
        found[partition] = Committed(commit.offset, now.truncation, now.history.reused, now.history.left_out)
    return found
