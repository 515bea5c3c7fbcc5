"""Several topics: every check of a topic for each of them, told together; and what only all of them show. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from workers.doctor import retention_checks, topic_checks
from workers.doctor.answers import Unanswered
from workers.findings import Finding, Severity
from workers.grouped_findings import grouped
from workers.kafka.inspector import TopicDetails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workers.doctor.answers import DoctorAnswers

EACH: tuple[Callable[[DoctorAnswers], Iterable[Finding]], ...] = topic_checks.CHECKS + retention_checks.CHECKS


def check_topics(answers: DoctorAnswers) -> Iterator[Finding]:
    """Every check of a topic, for all of them."""
    details = [each.topic for each in answers.kafka.by_topic.values() if isinstance(each.topic, TopicDetails)]
    found = {
        name: [_of_one(name, each, is_wrong=not details) for check in EACH for each in check(_of_topic(answers, name))]
        for name in answers.kafka.by_topic
    }
    yield from grouped(found, "topics")
    if details:
        yield from topic_checks.check_workers(answers, sum(len(each.partitions) for each in details))


def _of_topic(answers: DoctorAnswers, name: str) -> DoctorAnswers:
    """What is known, as if there were this topic only."""
    settings = answers.loaded.settings.for_topic(name)
    # The workers are those of all topics.
    workers = Unanswered("of all topics", was_asked=False)
    kafka = answers.kafka.by_topic[name]
    return replace(answers, kafka=kafka, loaded=answers.loaded._replace(settings=settings), fleet=workers)


def _of_one(name: str, finding: Finding, *, is_wrong: bool) -> Finding:
    """Args: is_wrong: whether it is, that this topic does not exist: no other does."""
    if finding.check != "topic.exists":
        return finding
    if finding.mark is Severity.WRONG and finding.text.startswith("there is no topic"):
        return replace(finding, mark=Severity.WRONG if is_wrong else Severity.WARNING, text=f"{name} is not there yet")
    # Its id says nothing to a person who has twenty of them, and would make each of them another one.
    return replace(finding, text=re.sub(r", id [0-9a-f]{8}$", "", finding.text).removeprefix(f"{name}: "))


CHECKS: tuple[Callable[[DoctorAnswers], Iterable[Finding]], ...] = (check_topics,)
