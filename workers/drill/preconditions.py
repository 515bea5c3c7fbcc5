"""What a drill needs before it breaks anything: a fleet that runs, its topic, and services that let the drill prove it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import BadUsageError, UnavailableError
from workers.kafka.admin import Admin
from workers.kafka.log_reader import read_log
from workers.naming import is_worker
from workers.sinks.registry import open_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.drill.processes import Processes
    from workers.kafka.partition_offsets import PartitionOffsets
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
    """Check that there is a fleet to break, and that what the drill needs is there, its rights in Kafka too.

    That Kafka takes its records shows only when they are sent: see `Load.refusal`.

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
            raise BadUsageError(f"there is no topic {settings.topic}: `workers produce` makes it")
        offsets = admin.partition_offsets(topic, settings.group)
    _require_readable(settings, offsets)
    return Found(
        slots,
        {partition: each.end for partition, each in offsets.items()},
        [] if watched else ["no watchdog runs: a dead worker waits for Kafka's session timeout"],
    )


def _require_readable(settings: Settings, offsets: Mapping[TopicPartition, PartitionOffsets]) -> None:
    """Read the end of one partition: without the right to do that, nothing could be proven after the drill."""
    for partition, each in offsets.items():
        if each.start < each.end:
            any(read_log(settings, {partition: (each.end - 1, each.end)}))
            return
