"""Asks Kafka everything that `workers doctor` wants to know, in the order in which the answers depend on each other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.doctor.answers import KafkaAnswers, Unanswered, asked
from workers.doctor.host import is_own_address
from workers.kafka.group_description import GroupDescription
from workers.kafka.inspector import Cluster, Commits, Inspector, TopicDetails
from workers.kafka.routed_topics import routed_topics
from workers.kafka.servers import ask_bootstrap_servers, unreachable

if TYPE_CHECKING:
    from workers.kafka.routed_topics import RoutedTopics
    from workers.settings import Settings

PATIENCE_SECONDS = 3.0
"""For a broker that answers a connection, and then a question."""
TOPICS_SECONDS = 10.0
"""For the questions about several topics; what is not asked then is said."""


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
    table = settings.route_table
    topics = () if table.has_patterns else table.topics
    answers.group = asked(lambda: inspector.group(settings.group, *topics))
    if isinstance(answers.group, GroupDescription):
        hosts = {each.host for each in answers.group.members.values()}
        answers.own_hosts = frozenset(host for host in hosts if is_own_address(host))
    answers.group_rights = asked(lambda: inspector.group_rights(settings.group))
    if not table.has_several_topics:
        _ask_topic(settings.for_topic(table.topics[0]), inspector, answers)
        return
    answers.routed = routed = asked(lambda: routed_topics(settings, inspector))
    if not isinstance(routed, Unanswered):
        _ask_topics(routed, inspector, answers)
    _leave_out(answers, "it is asked for each topic")


def _ask_topics(routed: RoutedTopics, inspector: Inspector, answers: KafkaAnswers) -> None:
    """The same of each topic; then what is known of all of them."""
    deadline = time.monotonic() + TOPICS_SECONDS
    for name, of_topic in routed.topics.items():
        answers.by_topic[name] = own = KafkaAnswers(now=time.time())
        if time.monotonic() > deadline:
            _leave_out(own, "there are too many topics")
            own.topic = Unanswered("not asked: the topics before took too long", was_asked=False)
        else:
            _ask_topic(of_topic, inspector, own)
    every = answers.by_topic.values()
    details = [each.topic for each in every if isinstance(each.topic, TopicDetails)]
    answers.topic = details[0] if details else None
    answers.offsets = {p: each for own in every if isinstance(own.offsets, dict) for p, each in own.offsets.items()}
    commits = [own.commits for own in every if isinstance(own.commits, Commits)]
    answers.commits = Commits(*(sum(figures) for figures in zip(*commits, strict=True)))
    answers.now = time.time()


def _ask_topic(settings: Settings, inspector: Inspector, answers: KafkaAnswers) -> None:
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
