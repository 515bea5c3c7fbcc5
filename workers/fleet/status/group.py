"""The status of the consumer group, as the broker reports it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workers.types import TopicPartition, by_topic

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from workers.kafka.group_description import GroupDescription
    from workers.kafka.kafka_look import KafkaLook
    from workers.kafka.open_transactions import OpenTransaction

STABLE = "Stable"
CORRECT = "correct WORKERS_ROUTES, and restart the workers"
OTHER_ROUTES = "other routes than this folder: give all the same WORKERS_ROUTES, and restart them"
FEW_TOPICS = 3
"""So many are named in a sentence or a cell; of more, how many they are."""
SETTLED = (STABLE, "Empty", "Dead")
"""States in which no rebalance is going on. Dead: there is no such group."""


@dataclass(frozen=True)
class GroupMember:
    """One member, as the broker reports it."""

    member_id: str
    client_id: str
    host: str
    partitions: list[TopicPartition]
    static_id: str | None = None
    """Its `group.instance.id`; None: a dynamic member."""


@dataclass(frozen=True)
class GroupStatus:
    """The consumer group, as the broker reports it."""

    name: str
    topic: str
    """Of several, as words: see `RouteTable.names`."""
    state: str
    members: list[GroupMember]
    partitions: int | None
    """Of all topics; None: none of them exists."""
    unowned: list[TopicPartition]
    """Partitions that no live member is assigned; empty while the group rebalances."""
    lag: int | None
    """Records that can be read and are not committed yet, over the partitions that are not `unanswered`."""
    unanswered: list[TopicPartition] = field(default_factory=list)
    """Partitions for which Kafka does not answer: nothing is known of them, and nothing of them can be read."""
    open_transactions: Mapping[TopicPartition, OpenTransaction] = field(default_factory=dict)
    """By partition in which there is one: what is behind it cannot be read yet."""
    create_topic: str | None = None
    """Kafka's own command that makes the topic; None: it is there, or there are several."""
    missing: list[str] = field(default_factory=list)
    unroutable: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """The three: see `KafkaLook`."""
    has_several_topics: bool = False
    """Whether there are, or may be: then each partition is named with its topic."""
    other_routes: list[str] = field(default_factory=list)
    """Members with other routes than those of this folder, with their hosts."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(replace(self, open_transactions={})) | {
            "members": [asdict(member) | {"partitions": by_topic(member.partitions)} for member in self.members],
            "unowned": by_topic(self.unowned),
            "unanswered": by_topic(self.unanswered),
            "lag_partial": bool(self.unanswered),
            "unstable": sum(each.offsets for each in self.open_transactions.values()),
            "open_transactions": [
                partition._asdict() | each.as_dict() for partition, each in sorted(self.open_transactions.items())
            ],
        }

    @property
    def settled(self) -> bool:
        """Whether no rebalance is going on."""
        return self.state in SETTLED

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong with it, in sentences."""
        if self.partitions is None and not self.has_several_topics:
            return [f"there is no topic {self.topic} yet; `workers doctor` says how to make it"]
        missing = [f"{no_topics(self.missing)} yet; `workers doctor` says how to make it"] if self.missing else []
        standing = [
            *(f"the topic {topic} is halted: {why}; {CORRECT}" for topic, why in sorted(self.unroutable.items())),
            *(f"nothing is known of the topic {topic}: {why}" for topic, why in sorted(self.refused.items())),
        ]
        if self.other_routes:
            standing.append(
                f"{_few(self.other_routes)} {'has' if len(self.other_routes) == 1 else 'have'} {OTHER_ROUTES}"
            )
        standing += [
            f"{describe_partitions([partition])}: {each.describe()}"
            for partition, each in sorted(self.open_transactions.items())
            if each.hanging
        ]
        if self.unanswered:
            standing.insert(
                len(self.unroutable) + len(self.refused),
                f"Kafka does not answer for {describe_partitions(self.unanswered)}: is every broker up?",
            )
        if not self.settled:
            return [f"the group {self.name} is rebalancing", *standing, *missing]
        owners = Counter(partition for member in self.members for partition in member.partitions)
        shared = sorted(partition for partition, count in owners.items() if count > 1)
        problems = [f"{describe_partitions(shared)} assigned to more than one member"] if shared else []
        if self.unowned:
            problems.append(f"{describe_partitions(self.unowned)} not assigned to any live member")
        return problems + standing + missing


def build_group_status(
    name: str,
    topic: str,
    group: GroupDescription,
    lags: Mapping[TopicPartition, int] | None,
    dead: Collection[str | None],
    unanswered: Collection[TopicPartition] = (),
    open_transactions: Mapping[TopicPartition, OpenTransaction] | None = None,
    create_topic: str = "",
    *,
    look: KafkaLook | None = None,
    has_several_topics: bool = False,
    fingerprint: str | None = None,
) -> GroupStatus:
    """The status of the group from the broker's answers.

    Args:
        lags: by partition of the topic; None: there is no such topic.
        dead: ids of members whose process has ended, which the broker may not have noticed yet.
        unanswered: partitions of the topic that are not in `lags`, since Kafka did not answer for them.
        open_transactions: by partition in which there is one.
        create_topic: the command that makes the topic, where there is none.
        look: what is missing, unroutable and refused; None: nothing.
        has_several_topics: whether there are, or may be.
        fingerprint: of the routes that all members should have; None: not compared.
    """
    members = [GroupMember(member_id, *member[:4]) for member_id, member in group.members.items()]
    owned = {partition for each in members if each.member_id not in dead for partition in each.partitions}
    partitions = {*(lags or ()), *unanswered}
    return GroupStatus(
        name=name,
        topic=topic,
        state=group.state,
        members=sorted(members, key=lambda each: (each.client_id, each.member_id)),
        partitions=None if lags is None else len(partitions),
        unowned=sorted(partitions - owned) if group.state in SETTLED else [],
        lag=None if lags is None else sum(lags.values()),
        unanswered=sorted(unanswered),
        open_transactions=open_transactions or {},
        create_topic=create_topic if lags is None and not has_several_topics else None,
        missing=sorted(look.missing) if look else [],
        unroutable=look.unroutable if look else {},
        refused=look.refused if look else {},
        has_several_topics=has_several_topics,
        other_routes=group.with_other_routes(fingerprint) if fingerprint else [],
    )


def no_topics(names: Sequence[str]) -> str:
    """`there is no topic orders`, `there are no topics orders, refunds`; of many, the first and how many more."""
    return f"there is no topic {names[0]}" if len(names) == 1 else f"there are no topics {_few(names)}"


def _few(names: Sequence[str]) -> str:
    more = len(names) - FEW_TOPICS
    return ", ".join(names[:FEW_TOPICS]) + (f" and {more} more" if more > 0 else "")


def describe_partitions(partitions: Sequence[TopicPartition]) -> str:
    """For a sentence: `partition 3 of numtest`, or `partitions 0-2,5 of numtest`; of many topics: `40 partitions of 20 topics`."""
    topics = by_topic(partitions)
    if len(topics) > FEW_TOPICS:
        return f"{len(partitions)} partitions of {len(topics)} topics"
    noun = "partition" if len(partitions) == 1 else "partitions"
    return " and ".join(f"{noun} {compact_numbers(numbers)} of {topic}" for topic, numbers in topics.items())


def compact_partitions(partitions: Iterable[TopicPartition], *, named: bool = False) -> str:
    """For a table: `0-2,5`; of several topics: `orders:0-2 refunds:5`; of many: `40 of 20 topics`.

    Args: named: whether the topic is named also where all are of one: the fleet has several.
    """
    topics = by_topic(partitions)
    if len(topics) > FEW_TOPICS:
        return f"{sum(map(len, topics.values()))} of {len(topics)} topics"
    if named or len(topics) > 1:
        return " ".join(f"{topic}:{compact_numbers(numbers)}" for topic, numbers in topics.items())
    return "".join(map(compact_numbers, topics.values()))


def compact_numbers(numbers: Sequence[int]) -> str:
    """Of ascending numbers: `0-2,5`."""
    found: list[list[int]] = []
    for each in numbers:
        if found and found[-1][1] == each - 1:
            found[-1][1] = each
        else:
            found.append([each, each])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)
