"""The topic: whether it is there, its partitions and copies, what may be read, and what its records are like. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered
from workers.doctor.kafka_checks import grant, principal
from workers.findings import Finding, Severity, advised, count, duration, is_this_machine, ok, size, warning, wrong
from workers.kafka.inspector import TopicDetails
from workers.kafka.topics import create_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.doctor.answers import DoctorAnswers

LISTED = 8
"""Partitions that are named in one line."""
FUTURE_SECONDS = 60.0
"""A record whose time is so far ahead: a clock is wrong."""
MOST_MEMORY_SHARE = 0.25
"""Of WORKERS_MEMORY_LIMIT, for one record: while it is decoded there are several copies of it."""


def details(answers: DoctorAnswers) -> TopicDetails | None:
    """The topic; None: there is none, or Kafka did not tell."""
    return answers.kafka.topic if isinstance(answers.kafka.topic, TopicDetails) else None


def check_topic(answers: DoctorAnswers) -> Iterator[Finding]:
    """It exists, with so many partitions for so many workers."""
    settings, found = answers.loaded.settings, answers.kafka.topic
    if isinstance(found, Unanswered):
        yield advised("topic.exists", Severity.WRONG if found.was_asked else Severity.UNKNOWN, found.why, "start Kafka")
        return
    if found is None:
        command = create_command(settings.topic, settings.bootstrap_servers, settings.security_protocol)
        fix = f"make it: `{command}`; only to try it with numbers: `workers produce`"
        yield wrong("topic.exists", f"there is no topic {settings.topic} yet", fix)
        return
    copies = min((len(each.replicas) for each in found.partitions), default=0)
    text = f"{settings.topic}: {count(len(found.partitions), 'partition')}, replication factor {copies}"
    yield ok("topic.exists", f"{text}, id {found.topic.identity.uuid.hex[:8]}")
    yield from check_workers(answers, len(found.partitions))


def check_workers(answers: DoctorAnswers, partitions: int) -> Iterator[Finding]:
    """Whether there is a partition for each worker."""
    if isinstance(answers.fleet, Unanswered) or not (workers := len(answers.fleet.workers)):
        return
    if workers > partitions:
        yield warning(
            "topic.partitions",
            f"{count(workers, 'worker')} for {count(partitions, 'partition')}: {workers - partitions} of them will be idle",
            "lower numprocs in local.d/, or add partitions (`kafka-topics.sh --alter`)",
        )
    else:
        yield ok("topic.partitions", f"{count(partitions, 'partition')} for {count(workers, 'worker')}")


def check_rights(answers: DoctorAnswers) -> Iterator[Finding]:
    """What this client may do with the topic."""
    if not (found := details(answers)) or found.rights is None:
        return
    settings = answers.loaded.settings
    who = principal(settings)
    if "READ" not in found.rights:
        yield wrong(
            "topic.rights",
            f"{who} may not read {settings.topic} (Kafka's right READ on the topic)",
            grant(settings, "READ", "topic", settings.topic),
        )
        return
    also = " and WRITE, which only `workers produce` needs" if "WRITE" in found.rights else ""
    yield ok("topic.rights", f"{who} has READ{also}")


def check_replicas(answers: DoctorAnswers) -> Iterator[Finding]:
    """Partitions that nobody leads or that lack copies; how many copies an acknowledgement needs."""
    if (found := details(answers)) is None:
        return
    check = "topic.replicas"
    leaderless = [each.number for each in found.partitions if each.leader < 0]
    if leaderless:
        yield wrong(
            check,
            f"without a leader, so that nothing of it can be read: partition {listed(leaderless)}",
            "start the brokers that have its replicas",
        )
    behind = [each.number for each in found.partitions if each.leader >= 0 and len(each.in_sync) < len(each.replicas)]
    if behind:
        yield warning(
            check,
            f"replicas that are not in sync: partition {listed(behind)}",
            "`kafka-topics.sh --describe --under-replicated-partitions` names the brokers",
        )
    configuration = answers.kafka.topic_configuration
    copies = min((len(each.replicas) for each in found.partitions), default=0)
    least = number(configuration, "min.insync.replicas") if isinstance(configuration, dict) else None
    if copies == 1 and not _on_this_machine(answers):
        yield warning(
            check,
            "replication factor 1: a broker whose disk is lost loses records that nobody has read yet",
            "give the topic three replicas (`kafka-reassign-partitions.sh`), and min.insync.replicas=2",
        )
    elif least == 1 and copies > 1:
        yield warning(
            check,
            f"min.insync.replicas=1 with replication factor {copies}: an acknowledged record may be on one disk only",
            "set min.insync.replicas=2 for the topic",
        )
    elif least is not None and least >= copies > 1:
        yield warning(
            check,
            f"min.insync.replicas={least} with replication factor {copies}: producers stop while one broker is down",
            f"set min.insync.replicas={copies - 1} for the topic",
        )
    elif least is not None and copies > 1:
        yield ok(check, f"an acknowledged record is on {least} disks at least (min.insync.replicas)")


def check_records(answers: DoctorAnswers) -> Iterator[Finding]:
    """How large records may be, how the last batches are compressed, and which times they have."""
    if details(answers) is None:
        return
    settings, configuration = answers.loaded.settings, answers.kafka.topic_configuration
    largest = number(configuration, "max.message.bytes") if isinstance(configuration, dict) else None
    if largest is not None:
        limit = settings.memory_limit << 20
        text = f"batches of up to {size(largest)} may come; values over {size(settings.max_value_bytes)} become dead letters"
        if largest > MOST_MEMORY_SHARE * limit:
            yield warning(
                "topic.records",
                f"{text}; a worker may allocate {size(limit)} in all (WORKERS_MEMORY_LIMIT)",
                f"raise WORKERS_MEMORY_LIMIT to {int(largest / MOST_MEMORY_SHARE) >> 20} or more, or lower max.message.bytes",
            )
        else:
            yield ok("topic.records", text)
    batches = answers.kafka.last_batches
    if isinstance(batches, dict) and batches:
        codecs = sorted({each.codec for each in batches.values()})
        yield ok("topic.compression", f"the last batches: {', '.join(codecs).replace('none', 'not compressed')}")
    elif isinstance(batches, Unanswered) and batches.was_asked:
        yield advised("topic.compression", Severity.UNKNOWN, batches.why, "")
    yield from _times(answers, configuration if isinstance(configuration, dict) else {})


def _times(answers: DoctorAnswers, configuration: Mapping[str, str]) -> Iterator[Finding]:
    times = answers.kafka.newest_times
    if not isinstance(times, dict) or not times:
        return
    partition = max(times, key=lambda each: times[each])
    ahead = times[partition] - answers.kafka.now
    if ahead <= FUTURE_SECONDS:
        return
    broker = configuration.get("message.timestamp.type") == "LogAppendTime"
    yield warning(
        "topic.times",
        f"partition {partition.partition} has a record from {duration(ahead)} ahead of this machine's clock",
        f"synchronize the clocks of {'the brokers' if broker else 'its producer'} and of this machine; until then its age "
        f"counts as 0, and retention is late by that much",
    )


def _on_this_machine(answers: DoctorAnswers) -> bool:
    servers = answers.loaded.settings.bootstrap_servers.split(",")
    return all(is_this_machine(each.rpartition("://")[2].rpartition(":")[0].strip("[] ")) for each in servers)


def number(configuration: Mapping[str, str] | None, name: str) -> int | None:
    """One figure of a configuration; None: it is not there."""
    try:
        return int((configuration or {})[name])
    except (KeyError, ValueError):
        return None


def listed(numbers: Sequence[int]) -> str:
    """Numbers of partitions for a sentence: the first ones, and how many more."""
    more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
    return ", ".join(map(str, numbers[:LISTED])) + more


CHECKS = (check_topic, check_rights, check_replicas, check_records)
