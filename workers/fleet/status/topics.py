"""The status of each topic and of each route: what is read, what waits, and what stands in the way. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from workers.fleet.status.group import SETTLED
from workers.pauses import NO_PAUSES
from workers.settings.route import UnroutableError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from workers.kafka.kafka_look import KafkaLook
    from workers.pauses import Pauses
    from workers.settings.route import RouteTable
    from workers.types import TopicPartition


class TopicState(StrEnum):
    """What becomes of a topic now, the worst first."""

    UNROUTABLE = "unroutable"
    """No route can have it: workers halt its partitions."""
    REFUSED = "refused"
    """Kafka does not describe it to this client."""
    HALTED = "halted"
    """A worker has halted a partition."""
    NO_ANSWER = "no answer"
    """Kafka does not answer for a partition."""
    TRANSACTION = "open transaction"
    """One hangs: what is behind it cannot be read."""
    UNASSIGNED = "unassigned"
    """A partition has no live member."""
    MISSING = "missing"
    """A route names it, and it does not exist yet."""
    PAUSED = "paused"
    """A person has paused a partition."""
    READING = "reading"
    """All of it is read."""


ORDER = list(TopicState)


@dataclass(frozen=True)
class TopicStatus:
    """One topic, with the names and units of `workers status --json`."""

    topic: str
    state: TopicState
    problem: str | None = None
    """Why it is unroutable or refused; None: its state says it."""
    partitions: int = 0
    lag: int | None = None
    """Records that can be read and are not committed, of the partitions for which Kafka answered; None: of none."""
    lag_partial: bool = False
    records_per_second: float | None = None
    """Offsets that the group commits a second; None: not known yet."""
    owners: Mapping[str, list[int]] = field(default_factory=dict)
    """By member of the group, the partitions that it is assigned."""


@dataclass(frozen=True)
class RouteStatus:
    """One route, with all its topics."""

    label: str
    collection: str
    """With {topic} where each topic has its own."""
    topics: list[TopicStatus]
    """Those that exist or are named; by name."""

    @property
    def state(self) -> TopicState:
        """The worst of its topics; of a pattern that matches none, missing."""
        return min((each.state for each in self.topics), key=ORDER.index, default=TopicState.MISSING)

    @property
    def partitions(self) -> int:
        return sum(each.partitions for each in self.topics)

    @property
    def lag(self) -> int | None:
        known = [each.lag for each in self.topics if each.lag is not None]
        return sum(known) if known else None

    @property
    def lag_partial(self) -> bool:
        return any(each.lag_partial for each in self.topics)

    @property
    def records_per_second(self) -> float | None:
        known = [each.records_per_second for each in self.topics if each.records_per_second is not None]
        return sum(known) if known else None

    @property
    def state_words(self) -> str:
        """The state, and of how many of its topics, if not of all."""
        worst = [each for each in self.topics if each.state is self.state]
        return (
            str(self.state)
            if len(worst) in (0, len(self.topics))
            else f"{self.state}: {len(worst)} of {len(self.topics)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("label", "collection", "state", "partitions", "lag", "lag_partial", "records_per_second")
        return {name: getattr(self, name) for name in names} | {"topics": [asdict(each) for each in self.topics]}


def build_route_statuses(
    routes: RouteTable,
    look: KafkaLook,
    *,
    dead: Collection[str | None] = (),
    halted: Iterable[TopicPartition] = (),
    rates: Mapping[str, float] | None = None,
    pauses: Pauses = NO_PAUSES,
) -> list[RouteStatus]:
    """The status of every route, in the order of the file; last, under "", the topics that no route can have.

    Args:
        dead: ids of members whose process has ended.
        halted: partitions that workers have halted.
        rates: by topic: offsets that are committed a second.
        pauses: what people have paused.
    """
    partitions: dict[str, list[TopicPartition]] = {name: [] for name in (*look.missing, *look.refused)}
    for partition in {*(look.offsets or ()), *look.unanswered}:
        partitions.setdefault(partition.topic, []).append(partition)
    owners: dict[TopicPartition, str] = {}
    for member_id, member in look.group.members.items():
        if member_id not in dead:
            owners.update(dict.fromkeys(member.partitions, member.client_id))
    stopped = {partition.topic for partition in halted}
    paused = {partition.topic for found in partitions.values() for partition in pauses.among(found)}
    by_route: dict[str, list[TopicStatus]] = {route.label: [] for route in routes.routes}
    for topic, found in sorted(partitions.items()):
        if (label := label_of(routes, topic)) in by_route:
            told = _topic(
                topic,
                sorted(found),
                look,
                owners,
                is_halted=topic in stopped,
                is_paused=topic in paused,
                rate=(rates or {}).get(topic),
            )
            by_route[label].append(told)
    statuses = [RouteStatus(route.label, route.collection, by_route[route.label]) for route in routes.routes]
    unroutable = [TopicStatus(topic, TopicState.UNROUTABLE, why) for topic, why in sorted(look.unroutable.items())]
    return [*statuses, RouteStatus("", "", unroutable)] if unroutable else statuses


def label_of(routes: RouteTable, topic: str) -> str:
    """The label of the route that has a topic; "": none."""
    try:
        route = routes.route_of(topic)
    except UnroutableError:
        return ""
    return route.label if route else ""


def _topic(
    topic: str,
    partitions: list[TopicPartition],
    look: KafkaLook,
    owners: Mapping[TopicPartition, str],
    *,
    is_halted: bool,
    is_paused: bool,
    rate: float | None,
) -> TopicStatus:
    offsets = look.offsets or {}
    unanswered = [partition for partition in partitions if partition not in offsets]
    known = [offsets[partition].lag for partition in partitions if partition in offsets]
    owned: dict[str, list[int]] = {}
    for partition in partitions:
        if partition in owners:
            owned.setdefault(owners[partition], []).append(partition.partition)
    is_settled = look.group.state in SETTLED
    hanging = any(each.hanging for partition, each in look.open_transactions.items() if partition.topic == topic)
    conditions = {
        TopicState.REFUSED: topic in look.refused,
        TopicState.HALTED: is_halted,
        TopicState.NO_ANSWER: bool(unanswered),
        TopicState.TRANSACTION: hanging,
        TopicState.UNASSIGNED: is_settled and any(partition not in owners for partition in partitions),
        TopicState.MISSING: topic in look.missing,
        TopicState.PAUSED: is_paused,
    }
    return TopicStatus(
        topic,
        next((state for state in ORDER if conditions.get(state)), TopicState.READING),
        look.refused.get(topic),
        len(partitions),
        sum(known) if known else None,
        lag_partial=bool(unanswered),
        records_per_second=rate,
        owners=dict(sorted(owned.items())),
    )
