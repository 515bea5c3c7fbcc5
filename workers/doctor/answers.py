"""What the services answered, before anything is concluded from it. A question that failed says why, and takes no other with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from workers.errors import WorkersError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.doctor.fleet_answers import FleetAnswers
    from workers.doctor.host import Host
    from workers.findings import Finding
    from workers.kafka.group_description import GroupDescription
    from workers.kafka.inspector import BatchHeader, Cluster, Commits, TopicDetails
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.routed_topics import RoutedTopics
    from workers.kafka.servers import KafkaServer
    from workers.settings.load import Loaded
    from workers.types import TopicPartition

T = TypeVar("T")


class Unanswered(NamedTuple):
    """A question that has no answer."""

    why: str
    """For people, with the advice if there is one."""
    was_asked: bool = True
    """False: another question failed before, on whose answer this one depends."""


NOT_YET = Unanswered("not asked: the answers before took too long", was_asked=False)


@dataclass
class KafkaAnswers:
    """Filled one after the other, on the thread that asks; read when that has ended, or is not waited for any more."""

    servers: list[KafkaServer] | Unanswered = NOT_YET
    """The bootstrap servers."""
    cluster: Cluster | Unanswered = NOT_YET
    unreachable: Mapping[str, str] | Unanswered = NOT_YET
    """By host:port, why a broker cannot be reached where it sends its clients."""
    broker_configuration: Mapping[str, str] | Unanswered | None = NOT_YET
    """Of one broker; None: this client may not see it."""
    topic: TopicDetails | Unanswered | None = NOT_YET
    """None: there is no such topic."""
    topic_configuration: Mapping[str, str] | Unanswered | None = NOT_YET
    group: GroupDescription | Unanswered = NOT_YET
    group_rights: frozenset[str] | Unanswered | None = NOT_YET
    """None: the broker does not say."""
    commits: Commits | Unanswered = NOT_YET
    offsets: Mapping[TopicPartition, PartitionOffsets] | Unanswered = NOT_YET
    newest_times: Mapping[TopicPartition, float] | Unanswered = NOT_YET
    oldest_unread: Mapping[TopicPartition, BatchHeader] | Unanswered = NOT_YET
    last_batches: Mapping[TopicPartition, BatchHeader] | Unanswered = NOT_YET
    by_topic: dict[str, KafkaAnswers] = field(default_factory=dict)
    """With several topics, the answers about each of them; the others are about all of them then."""
    routed: RoutedTopics | Unanswered | None = None
    """Which topics the routes have; None: not asked."""
    own_hosts: frozenset[str] = frozenset()
    """Of the hosts of the group's members, those that are this machine."""
    now: float = 0.0
    """Unix time of the answers."""


@dataclass
class DoctorAnswers:
    """Everything that was asked."""

    loaded: Loaded
    kafka: KafkaAnswers = field(default_factory=KafkaAnswers)
    sink_name: str = "the database"
    sink: list[Finding] = field(default_factory=list)
    """What the sink's own doctor found, as far as it has come."""
    sink_ended: bool = False
    """Whether that is all of it."""
    host: Host | Unanswered = NOT_YET
    fleet: FleetAnswers | Unanswered = NOT_YET


def asked(question: Callable[[], T]) -> T | Unanswered:
    """The answer, or why there is none."""
    try:
        return question()
    except WorkersError as error:
        return Unanswered(str(error))
    except Exception as error:  # noqa: BLE001 whatever a client raises, the other questions are asked
        return Unanswered(f"could not be asked: {type(error).__name__}")
