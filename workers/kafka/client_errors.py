"""Messages for the client's errors: what happened, and what to do next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kafka.errors import (
    AuthorizationError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    TopicAuthorizationFailedError,
    UnknownBrokerIdError,
    UnknownTopicOrPartitionError,
)

from workers.errors import UnavailableError, WorkersError
from workers.kafka.diagnosis import DIAGNOSIS_SECONDS, explain

if TYPE_CHECKING:
    from workers.settings import Settings

LOOK = "DESCRIBE or READ"
"""The right to look at a topic or a group. In Kafka, READ and WRITE include DESCRIBE."""
LONGEST_LINE = 300
SILENT = (KafkaTimeoutError, KafkaConnectionError, NodeNotReadyError)
"""The client's own errors for a broker that does not answer."""
DOING = {
    LOOK: "describe",
    "READ": "read",
    "WRITE": "write to",
    "CREATE": "create",
    "DESCRIBE_CONFIGS": "read the configuration of",
}
"""By right: what cannot be done without it."""


class NotAuthorizedError(UnavailableError):
    """Kafka knows this client, and a right is missing. It may be granted at any time."""


def describe(error: Exception) -> str:
    """One line about an error of the client, or one of ours, without a traceback."""
    if isinstance(error, WorkersError):
        return str(error)
    first_line = (str(error).splitlines() or [""])[0]
    if said := re.search(r"error_message='([^']+)'", first_line):
        # The client repeats request and response, with everything that is in them.
        first_line = said[1]
    first_line = first_line if len(first_line) <= LONGEST_LINE else first_line[:LONGEST_LINE] + "..."
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def unreachable(settings: Settings, error: Exception, seconds: float = DIAGNOSIS_SECONDS) -> str:
    """The message for a question that failed: no broker answered, the topic does not exist, or Kafka refused.

    Args: seconds: for finding out why no broker answered.
    """
    if isinstance(error, SILENT):
        return explain(settings, seconds)
    if isinstance(error, UnknownTopicOrPartitionError):
        return f"there is no topic {settings.route_table.names} at {settings.bootstrap_servers}; `workers doctor` says how to make it"
    if isinstance(error, UnknownBrokerIdError):
        return (
            f"a partition of {settings.route_table.names} has no leader at {settings.bootstrap_servers}: are all brokers with its "
            "replicas down?"
        )
    return f"Kafka at {settings.bootstrap_servers} refused: {describe(error)}"


def unavailable(
    settings: Settings,
    error: Exception,
    *,
    topic: str = LOOK,
    group: str = LOOK,
    doing: str | None = None,
    seconds: float = DIAGNOSIS_SECONDS,
) -> UnavailableError:
    """The error to raise for a question that failed.

    Args:
        topic, group: the right that the question needs.
        doing: what was to be done with the group, if it was not to join or to describe it.
    """
    if isinstance(error, AuthorizationError):
        return NotAuthorizedError(not_authorized(settings, error, topic=topic, group=group, doing=doing))
    return UnavailableError(unreachable(settings, error, seconds))


def refusal(settings: Settings, error: Exception, *, right: str) -> str:
    """One line about an error, for a log. Args: right: what the client needs, of topic and group."""
    if isinstance(error, AuthorizationError):
        return not_authorized(settings, error, topic=right, group=right)
    return describe(error)


def not_authorized(
    settings: Settings, error: Exception, *, topic: str = LOOK, group: str = LOOK, doing: str | None = None
) -> str:
    """The message for a right that is missing: what was to be done, the right, the resource, and who needs it."""
    logged_in = settings.security_protocol.startswith("SASL")
    principal = f"User:{settings.sasl_username}" if logged_in else "User:ANONYMOUS (there is no login)"
    if isinstance(error, TopicAuthorizationFailedError):
        what = f"the topic {settings.route_table.names} (Kafka's right {topic} on the topic"
        setting = "WORKERS_ROUTES" if settings.routes else "WORKERS_TOPIC"
        return f"not authorized to {DOING[topic]} {what}, for {principal}); grant it, or change {setting} or the user"
    if isinstance(error, GroupAuthorizationFailedError):
        doing = doing or ("join" if group == "READ" else "describe")
        what = f"the group {settings.group} (Kafka's right {group} on the group"
        return f"not authorized to {doing} {what}, for {principal}); grant it, or change WORKERS_GROUP or the user"
    what = "the cluster" if isinstance(error, ClusterAuthorizationFailedError) else "this"
    return f"not authorized for {what}: {describe(error)}, for {principal}; grant the right, or change the user"
