"""One topic: what the broker says of it, and making it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from workers.errors import UnavailableError
from workers.identity import TopicIdentity
from workers.kafka.client_errors import refusal
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.settings import Settings


PARTITIONS = 6
"""Of a topic that is suggested: as many as `workers produce` makes."""


class Topic(NamedTuple):
    """A topic that exists now."""

    identity: TopicIdentity
    partitions: list[TopicPartition]
    leaders: Mapping[TopicPartition, tuple[int, int]] = {}
    """Of each partition the node id and the epoch of its leader; `NO_LEADER`: none."""


def create_command(topic: str, bootstrap_servers: str, security_protocol: str = "PLAINTEXT") -> str:
    """Kafka's own command that makes the topic, for a person to paste."""
    server = bootstrap_servers.split(",", maxsplit=1)[0].strip().rpartition("://")[2]
    secured = "" if security_protocol == "PLAINTEXT" else " --command-config admin.properties"
    return f"kafka-topics.sh --bootstrap-server {server}{secured} --create --topic {topic} --partitions {PARTITIONS}"


def missing(settings: Settings) -> str:
    """The message for a topic that is not there: a person's own topic is made by a person, with its own settings."""
    command = create_command(settings.topic, settings.bootstrap_servers, settings.security_protocol)
    return (
        f"there is no topic {settings.topic} yet: make it with `{command}`; only to try it with numbers, `workers produce` "
        f"makes it"
    )


def describe(client: Any, name: str) -> Any:
    """The client's description of the topic; None: there is none of this name.

    Raises:
        KafkaError: it exists, and has no leader yet, for example, or is not for everybody to see.
    """
    (found,) = client.describe_topics([name])
    error = for_code(found["error_code"])
    if error is UnknownTopicOrPartitionError:
        return None
    if found["error_code"]:
        raise error(name)
    return found


def describe_all(client: Any, names: Collection[str]) -> tuple[dict[str, Topic], dict[str, KafkaError]]:
    """By name, those of these topics that exist, and the error of those that do and are not described: without a leader yet,
    or not for everybody to see. One that does not exist is in neither.
    """
    found, refused = {}, {}
    for each in client.describe_topics(sorted(names)):
        error = for_code(each["error_code"])
        if not each["error_code"]:
            found[each["name"]] = from_description(each)
        elif error is not UnknownTopicOrPartitionError:
            refused[each["name"]] = error(each["name"])
    return found, refused


def from_description(found: Any) -> Topic:
    """The topic of a client's description."""
    leaders = {
        TopicPartition(found["name"], each["partition_index"]): (each["leader_id"], each["leader_epoch"])
        for each in found["partitions"]
    }
    return Topic(TopicIdentity(found["name"], UUID(str(found["topic_id"]))), sorted(leaders), leaders)


def create(settings: Settings, client: Any, name: str, partitions: int) -> bool:
    """Create a topic with the broker's default replication factor; return False if it exists already.

    Raises:
        UnavailableError: the broker refused; the message has its reason.
    """
    try:
        client.create_topics({name: {"num_partitions": partitions, "replication_factor": -1}})
    except TopicAlreadyExistsError:
        return False
    except KafkaError as error:
        why = refusal(settings, error, right="CREATE")
        raise UnavailableError(f"Kafka did not create the topic {name}: {why}") from error
    return True
