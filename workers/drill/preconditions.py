"""What a drill needs before it breaks anything: a fleet that runs, its topic, and services that let the drill prove it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from workers.drill.drill_topics import loaded_topics, offsets_of_each
from workers.errors import BadUsageError, UnavailableError
from workers.fleet.start_command import how_to_start
from workers.fleet.status.collector import StatusCollector
from workers.kafka.admin import Admin
from workers.kafka.client_errors import NotAuthorizedError
from workers.kafka.log_reader import read_log
from workers.naming import is_worker
from workers.sinks.registry import open_reader
from workers.verification.chosen_topics import chosen_topics, missing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workers.drill.processes import Processes
    from workers.fleet.status.model import Status
    from workers.settings import Settings
    from workers.settings.paths import StatePaths
    from workers.types import TopicPartition

ANSWER_SECONDS, SETTLE_SECONDS = 10.0, 15.0
"""For the services to answer; and for a fleet that is not healthy to become so."""
ASK_SECONDS = 0.2
"""Between two questions to a service."""


class Found(NamedTuple):
    """What a drill begins with."""

    slots: list[str]
    """The names of the workers that run."""
    ends: dict[TopicPartition, int]
    """By partition of all topics: the end of the log."""
    next_offsets: dict[TopicPartition, int]
    """By partition: what the group reads next."""
    watched: bool
    """Whether a watchdog runs."""
    remarks: list[str]
    topics: tuple[str, ...]
    """To which the drill sends."""


def look(settings: Settings, processes: Processes, tree: Path) -> Found:
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
        raise BadUsageError(f"no worker runs in {tree}, supervisord {error}; {how_to_start(tree)}") from error
    slots = sorted(each.name for each in fleet if is_worker(each.name) and each.pid)
    if not slots:
        raise BadUsageError("supervisord runs here, but no worker runs: `workers status` says why")
    watched = any(each.name == "watchdog" and each.pid for each in fleet)
    with closing(open_reader(settings)) as sink:
        sink.connect()
    with Admin(settings) as admin:
        existing = offsets_of_each(settings, admin)
        if not existing:
            raise BadUsageError(missing(chosen_topics(settings, admin)))
    offsets = {partition: each for found in existing.values() for partition, each in found.offsets.items()}
    return Found(
        slots,
        {partition: each.end for partition, each in offsets.items()},
        {partition: each.next_offset for partition, each in offsets.items()},
        watched,
        [] if watched else ["no watchdog runs: a dead worker waits for Kafka's session timeout"],
        loaded_topics(settings, existing),
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


def require_healthy(settings: Settings, paths: StatePaths) -> Status:
    """The status of a fleet in which one more worker may be killed: all others work, and every partition is owned.

    One that is only rebalancing is waited for. Workers that somebody has stopped, and the processes beside the workers,
    are no part of it.

    Raises:
        BadUsageError: there is no fleet.
        UnavailableError: it is not healthy.
    """
    with StatusCollector(settings, paths, ASK_SECONDS) as collector:
        collector.wait(ANSWER_SECONDS)
        deadline = time.monotonic() + SETTLE_SECONDS
        while problems := _blocking(status := collector.collect()):
            if not status.fleet:
                raise BadUsageError(problems[0])
            # A service that is down is not waited for: it needs somebody.
            if time.monotonic() > deadline or not all(each.up for each in status.services.values()):
                more = f" (+{len(problems) - 1} more)" if len(problems) > 1 else ""
                raise UnavailableError(
                    f"nothing was killed, since the fleet is not healthy: {problems[0]}{more}; see `workers status`"
                )
            time.sleep(ASK_SECONDS)
    return status


def _blocking(status: Status) -> list[str]:
    if not status.fleet:
        return status.problems
    problems = [f"{name}: {service.detail}" for name, service in status.services.items() if not service.up]
    problems += [slot.problem for slot in status.slots if slot.problem and slot.state != "stopped"]
    return problems + (status.group.problems if status.group else [])
