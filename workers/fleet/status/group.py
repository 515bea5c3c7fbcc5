"""What is the matter with the consumer group, by the broker's word."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from workers.kafka.admin import GroupDescription

STABLE = "Stable"
SETTLED = (STABLE, "Empty", "Dead")
"""States in which nobody is about to be given a partition. Dead: there is no such group."""


@dataclass(frozen=True)
class GroupMember:
    """One member, by the broker's word."""

    member_id: str
    client_id: str
    host: str
    partitions: list[int]


@dataclass(frozen=True)
class GroupStatus:
    """The consumer group, by the broker's word."""

    name: str
    topic: str
    state: str
    members: list[GroupMember]
    partitions: int | None
    """Of the topic; None: there is no such topic."""
    unowned: list[int]
    """Partitions of nobody who lives; empty while the group rebalances."""
    lag: int | None
    """Records that are still to be read, over all partitions."""

    @property
    def settled(self) -> bool:
        """Whether nobody is just about to be given a partition."""
        return self.state in SETTLED

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong with it, in words."""
        if self.partitions is None:
            return [f"there is no topic {self.topic} yet; `workers produce` makes it"]
        if not self.settled:
            return [f"the group {self.name} is rebalancing"]
        owners = Counter(partition for member in self.members for partition in member.partitions)
        doubled = sorted(partition for partition, count in owners.items() if count > 1)
        problems = [f"{partitions(doubled)} of {self.topic} read by more than one member"] if doubled else []
        return problems + ([f"{partitions(self.unowned)} of {self.topic} read by nobody"] if self.unowned else [])


def judge_group(
    name: str, topic: str, group: GroupDescription, lags: Mapping[int, int] | None, dead: Collection[str | None]
) -> GroupStatus:
    """Make one word of what the broker said.

    Args:
        lags: by partition of the topic; None: there is no such topic.
        dead: members whose process is gone, which the broker may not have noticed yet.
    """
    members = [GroupMember(member_id, *member) for member_id, member in group.members.items()]
    owned = {partition for each in members if each.member_id not in dead for partition in each.partitions}
    return GroupStatus(
        name=name,
        topic=topic,
        state=group.state,
        members=sorted(members, key=lambda each: (each.client_id, each.member_id)),
        partitions=None if lags is None else len(lags),
        unowned=sorted({*(lags or ())} - owned) if group.state in SETTLED else [],
        lag=None if lags is None else sum(lags.values()),
    )


def partitions(which: Sequence[int]) -> str:
    """With the noun: partition 3, or partitions 0-2,5."""
    return f"{'partition' if len(which) == 1 else 'partitions'} {ranges(which)}"


def ranges(which: Sequence[int]) -> str:
    """Partitions in few characters: 0-2,5."""
    found: list[list[int]] = []
    for each in sorted(which):
        if found and found[-1][1] == each - 1:
            found[-1][1] = each
        else:
            found.append([each, each])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)
