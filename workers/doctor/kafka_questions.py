"""Asks Kafka everything that `workers doctor` wants to know, in the order in which the answers depend on each other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered, asked
from workers.doctor.host import is_own_address
from workers.kafka.group_description import GroupDescription
from workers.kafka.inspector import Cluster, Inspector, TopicDetails
from workers.kafka.servers import ask_bootstrap_servers, unreachable

if TYPE_CHECKING:
    from workers.doctor.answers import KafkaAnswers
    from workers.settings import Settings

PATIENCE_SECONDS = 3.0
"""For a broker that answers a connection, and then a question."""


def ask_kafka(settings: Settings, answers: KafkaAnswers) -> None:
    """Fill the answers. It returns after some seconds, whatever Kafka does; it raises nothing."""
    answers.now = time.time()
    answers.servers = asked(lambda: ask_bootstrap_servers(settings))
    if isinstance(answers.servers, Unanswered) or all(each.problem for each in answers.servers):
        _leave_out(answers, "Kafka does not answer, or refuses this client")
        return
    advertised = sorted({address for each in answers.servers if not each.problem for address in each.advertised})
    answers.unreachable = away = asked(lambda: unreachable(advertised))
    if advertised and not isinstance(away, Unanswered) and len(away) == len(advertised):
        # The client would try each question for its whole timeout.
        _leave_out(answers, "no broker can be reached where it sends its clients")
        return
    inspector = Inspector(settings, PATIENCE_SECONDS)
    connected = asked(inspector.connect)
    if isinstance(connected, Unanswered):
        answers.cluster = connected
        _leave_out(answers, "Kafka does not answer")
        return
    try:
        _ask(settings, inspector, answers)
    finally:
        asked(inspector.close)


def _ask(settings: Settings, inspector: Inspector, answers: KafkaAnswers) -> None:
    answers.cluster = cluster = asked(inspector.cluster)
    if isinstance(cluster, Cluster):
        living = [each for each in cluster.brokers if not each.is_fenced]
        away = answers.unreachable
        near = [each.id for each in living if isinstance(away, Unanswered) or each.address not in away][:1]
        if near:
            version = asked(lambda: inspector.version(near))
            answers.cluster = cluster._replace(version="" if isinstance(version, Unanswered) else version)
            answers.broker_configuration = asked(lambda: inspector.broker_configuration(near[0]))
    answers.group = asked(lambda: inspector.group(settings.group, settings.topic))
    if isinstance(answers.group, GroupDescription):
        hosts = {each.host for each in answers.group.members.values()}
        answers.own_hosts = frozenset(host for host in hosts if is_own_address(host))
    answers.group_rights = asked(lambda: inspector.group_rights(settings.group))
    answers.topic = details = asked(lambda: inspector.details(settings.topic))
    if not isinstance(details, TopicDetails):
        _leave_out(answers, "there is no such topic" if details is None else "the topic is not shown to this user")
        return
    topic = details.topic
    answers.topic_configuration = asked(lambda: inspector.topic_configuration(settings.topic))
    answers.commits = asked(lambda: inspector.commits(topic, settings.group))
    answers.offsets = offsets = asked(lambda: inspector.answered_offsets(topic, settings.group))
    answers.now = time.time()
    answers.newest_times = asked(lambda: inspector.newest_times(topic))
    if isinstance(offsets, Unanswered):
        _leave_out(answers, "the offsets are not known")
        return
    answers.oldest_unread = asked(lambda: inspector.oldest_unread(topic, offsets))
    answers.last_batches = asked(lambda: inspector.last_batches(topic, offsets))


def _leave_out(answers: KafkaAnswers, why: str) -> None:
    """The questions that were not asked, and will not be."""
    for name, value in vars(answers).items():
        if isinstance(value, Unanswered) and not value.was_asked:
            setattr(answers, name, Unanswered(f"not asked: {why}", was_asked=False))
