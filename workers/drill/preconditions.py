"""What a drill needs before it breaks anything: a fleet that runs, its topic, and services that let the drill prove it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import BadUsageError, UnavailableError
from workers.kafka import topics
from workers.kafka.admin import Admin
from workers.kafka.client_errors import NotAuthorizedError
from workers.kafka.log_reader import read_log
from workers.naming import is_worker
from workers.sinks.registry import open_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.drill.processes import Processes
    from workers.settings import Settings
    from workers.types import TopicPartition


class Found(NamedTuple):
    """What a drill begins with."""

    slots: list[str]
    """The names of the workers that run."""
    ends: dict[TopicPartition, int]
    """By partition: the end of the log."""
    remarks: list[str]


def look(settings: Settings, processes: Processes) -> Found:
    """Check that there is a fleet to break, and that what the drill needs is there.

    Whether Kafka takes its records and gives them back shows only when they are sent: `Load.refusal`, `require_readable`.

    Raises:
        BadUsageError: there is no fleet, or no topic.
        UnavailableError: a service does not answer, or refuses this client.
    """
    try:
        processes.note_what_runs()
        fleet = processes.fleet()
    except UnavailableError as error:
        raise BadUsageError(f"no worker runs here, supervisord {error}: `make demo` starts a fleet") from error
    slots = sorted(each.name for each in fleet if is_worker(each.name) and each.pid)
    if not slots:
        raise BadUsageError("supervisord runs here, but no worker runs: `workers status` says why")
    watched = any(each.name == "watchdog" and each.pid for each in fleet)
    with closing(open_reader(settings)) as sink:
        sink.connect()
    with Admin(settings) as admin:
        topic = admin.topic(settings.topic)
        if topic is None:
            raise BadUsageError(topics.missing(settings))
        offsets = admin.partition_offsets(topic, settings.group)
    return Found(
        slots,
        {partition: each.end for partition, each in offsets.items()},
        [] if watched else ["no watchdog runs: a dead worker waits for Kafka's session timeout"],
    )


def require_readable(settings: Settings, next_offsets: Mapping[TopicPartition, int]) -> None:
    """Read one of the drill's records: without the right to do that, nothing could be proven after the drill.

    Args: next_offsets: by partition: one more than the offset of a record of the drill.

    Raises:
        UnavailableError: Kafka does not let this client read the topic.
    """
    for partition, end in list(next_offsets.items())[:1]:
        try:
            any(read_log(settings, {partition: (end - 1, end)}))
        except NotAuthorizedError as error:
            raise UnavailableError(f"nothing was broken, since nothing could be proven: {error}") from error
        except UnavailableError:
            # Whatever that is, it may be over at the end of the drill.
            return
