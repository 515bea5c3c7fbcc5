"""How a group begins a topic that it has never committed, with a `start` other than `earliest`. Pure; a member has one for
each such topic.

The rules, which together keep records from being lost, or left out twice:

1. The group has begun a topic as soon as any partition of it has a commit of this incarnation of the topic. From then on
   `start` means nothing: a partition without a commit was added later, and begins at its log start.
2. Before that nobody reads any partition of it. All members look, now and then, whether there is a commit.
3. In one generation of the group exactly one member owns the topic's lowest partition. Only that member decides where all
   partitions begin, and commits all of them in one request, before any record is read. The broker refuses the request in a
   later generation.
4. What it has decided it keeps for this generation: a commit that was not answered may still arrive, others may read behind
   it, and a later, larger offset committed over theirs would lose what they had not stored.
5. What it has decided is committed through the loop, as every offset, and it too reads only after it has seen the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.kafka.log_history import LogHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from workers.kafka.beginning import Beginning
    from workers.kafka.commit_mark import Commit
    from workers.types import TopicPartition

LEADER_PATIENCE_SECONDS = 20.0
"""How long the partitions that have an answer wait for those that have none, for want of a leader. Shorter than
WORKERS_PROGRESS_TIMEOUT. Those begin at their log start then, as if they had been added later: nothing is lost."""


class TopicStart:
    """What one member knows of one incarnation of a topic."""

    def __init__(self) -> None:
        self.is_begun = False
        """Whether a commit was seen: rule 1."""
        self._generation: int | None = None
        """In which the beginnings were decided."""
        self._decided: dict[TopicPartition, Beginning] = {}
        self._since = 0.0
        self._decides = False
        """Whether it is this member that decides, in this assignment. What it decided in another one it must not offer."""
        self._offered = False
        """Whether they are on their way through the loop."""

    def see(self, commits: Iterable[Commit | None]) -> bool:
        """Look at the commits of all partitions of the topic; whether the group has begun it.

        Args: commits: None: nothing is committed that counts for this incarnation.
        """
        self.is_begun = self.is_begun or any(commit is not None for commit in commits)
        return self.is_begun

    def decide(
        self,
        generation: int,
        partitions: Collection[TopicPartition],
        ask: Callable[[Collection[TopicPartition]], Mapping[TopicPartition, Beginning]],
        now: float,
    ) -> None:
        """Decide where these partitions begin. Only for the owner of the lowest: rule 3.

        Args:
            generation: of the group.
            partitions: all that the topic has now.
            ask: where they begin; those for which Kafka does not answer are left out, and asked for again.
            now: `time.monotonic`.
        """
        self._decides = True
        if generation != self._generation:
            self._generation, self._decided, self._offered = generation, {}, False
        if missing := sorted(set(partitions) - self._decided.keys()):
            # Without any answer nothing is waited for but the first one.
            self._since = self._since if self._decided else now
            self._decided.update(ask(missing))

    def take(self, partitions: Collection[TopicPartition], now: float) -> dict[TopicPartition, int]:
        """The offsets to commit, all in one request; nothing while they are on their way, or an answer is awaited."""
        is_whole = not set(partitions) - self._decided.keys()
        if (
            self.is_begun
            or self._offered
            or not self._decides
            or not (is_whole or now - self._since >= LEADER_PATIENCE_SECONDS)
        ):
            return {}
        self._offered = bool(self._decided)
        return {partition: each.offset for partition, each in self._decided.items()}

    def ended(self, partition: TopicPartition, offset: int) -> bool:
        """The loop has tried to commit, or to rewind to, this offset: if it is one of these, a look will say what became of it."""
        decided = self._decided.get(partition)
        is_one = decided is not None and decided.offset == offset
        self._offered = self._offered and not is_one
        return is_one

    def history(self, partition: TopicPartition) -> LogHistory:
        """What is to be committed with the offset of a partition."""
        decided = self._decided.get(partition)
        return decided.history if decided else LogHistory()

    def forget(self) -> None:
        """The assignment is a new one: what was on its way is not committed. What was decided stays: rule 4."""
        self._offered = self._decides = False
