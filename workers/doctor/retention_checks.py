"""For how long Kafka keeps records, beside what waits to be read: what is deleted unread is lost. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered
from workers.doctor.kafka_checks import grant, principal
from workers.doctor.topic_checks import details, listed, number
from workers.findings import Finding, duration, ok, size, unknown, warning, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.doctor.answers import DoctorAnswers

NEAR, REACHED = 0.5, 0.9
"""Shares of the retention that the oldest unread record has waited."""


def check_retention(answers: DoctorAnswers) -> Iterator[Finding]:
    """For how long Kafka keeps records, beside the oldest one that is not read yet."""
    if details(answers) is None:
        return
    settings, configuration, check = answers.loaded.settings, answers.kafka.topic_configuration, "topic.retention"
    if isinstance(configuration, Unanswered):
        yield unknown(check, configuration.why)
        return
    if configuration is None:
        yield warning(
            check,
            f"{principal(settings)} does not see the topic's configuration: retention, size and cleanup are not checked",
            grant(settings, "DESCRIBE_CONFIGS", "topic", settings.topic),
        )
        return
    if "compact" in configuration.get("cleanup.policy", ""):
        yield warning(
            check,
            "cleanup.policy=compact: Kafka removes older records of a key, also such that no worker has read yet",
            "nothing, if only the latest value of a key matters: `workers verify` counts them as compacted; for records "
            "without a value see WORKERS_ON_TOMBSTONE",
        )
    if "delete" in configuration.get("cleanup.policy", "delete"):
        yield from _time_left(answers, configuration)
        yield from _bytes_left(answers, configuration)


def _time_left(answers: DoctorAnswers, configuration: Mapping[str, str]) -> Iterator[Finding]:
    check, milliseconds = "topic.retention", number(configuration, "retention.ms")
    oldest = answers.kafka.oldest_unread
    times = [each.first_time for each in oldest.values() if each.first_time > 0] if isinstance(oldest, dict) else []
    waited = max(0.0, answers.kafka.now - min(times)) if times else 0.0
    offsets = answers.kafka.offsets
    if times:
        reads = f"the oldest unread one is from {duration(waited)} ago"
    elif isinstance(offsets, dict) and not any(each.lag for each in offsets.values()):
        reads = "none of them waits"
    else:
        reads = "how old the oldest unread one is, is not known"
    if milliseconds is None:
        return
    if milliseconds < 0:
        yield ok(check, f"records are kept for ever; {reads}")
        return
    kept = milliseconds / 1000
    text = f"records are kept for {duration(kept)}; {reads}"
    fix = "raise retention.ms now, until the lag is gone: `kafka-configs.sh --alter --entity-type topics`; then see why the lag grows"
    if waited > REACHED * kept:
        yield wrong(check, f"{text}: Kafka is about to delete it unread, or does so already", fix)
    elif waited > NEAR * kept:
        yield warning(check, f"{text}, more than half of that", fix)
    else:
        yield ok(check, text)


def _bytes_left(answers: DoctorAnswers, configuration: Mapping[str, str]) -> Iterator[Finding]:
    most, offsets = number(configuration, "retention.bytes"), answers.kafka.offsets
    if most is None or most < 0 or not isinstance(offsets, dict):
        return
    # Where nothing was deleted yet, nothing is known of how much fits.
    near = [
        partition
        for partition, each in offsets.items()
        if each.start > 0 and each.lag > NEAR * max(1, each.high_watermark - each.start)
    ]
    text = f"at most {size(most)} of a partition are kept"
    if near:
        yield warning(
            "topic.retention",
            f"{text}; more than half of what is there waits to be read: partition {listed([each.partition for each in near])}",
            "raise retention.bytes, until the lag is gone; then see why the lag grows",
        )
    else:
        yield ok("topic.retention", text)


CHECKS = (check_retention,)
