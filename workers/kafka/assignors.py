"""How the partitions are divided among the members of the group. The leader of the group does it, for all of them.

What each member subscribes with names its routes too (`ROUTES`), so that everybody sees whether all have the same.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import structlog
from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from workers.log_fields import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workers.settings.route import RouteTable

ROUTES = b"routes="
"""Before the fingerprint of a member's routes, in the user data of its subscription."""

log = structlog.get_logger()


def assignors(routes: RouteTable) -> list[AbstractPartitionAssignor]:
    """The assignors of a member, of which the group takes the first that all of its members have.

    The range assignor gives the first partitions of every topic to the same member: of twenty topics of three partitions a
    fourth worker gets nothing. A group that changes from one topic to several has both until all of its members have restarted.
    """
    told = ROUTES + routes.fingerprint.encode()
    if routes.has_several_topics:
        return [_Even(told), _Range(told)]
    return [_Range(told)]


def routes_of(user_data: bytes | str | None) -> str | None:
    """The fingerprint of the routes of a member; None: it does not tell.

    Args: user_data: bytes for an assignor, text in what the admin client makes of a group.
    """
    if isinstance(user_data, str):
        user_data = user_data.encode(errors="replace")
    if not user_data or not user_data.startswith(ROUTES):
        return None
    return user_data.removeprefix(ROUTES).decode("ascii", "replace")


class _Assignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """An assignor whose member tells its routes."""

    version = 0

    def __init__(self, user_data: bytes) -> None:
        self._user_data = user_data

    def metadata(self, topics: Iterable[str]) -> Any:
        return ConsumerProtocolSubscription(self.version, list(topics), self._user_data)

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """Nothing is kept."""

    def assign(self, cluster: Any, members: Sequence[Any]) -> Mapping[str, Any]:
        """Called by the client's IO thread of the group's leader."""
        different = {routes_of(each.metadata.user_data) for each in members} - {None}
        if len(different) > 1:
            log.warning(
                "the members of the group have different routes: the records of a topic may go to different places. After a "
                "change of the routes restart all workers; give all hosts the same",
                action=Action.REBALANCE,
                routes=",".join(sorted(map(str, different))),
            )
        return self._divide(cluster, members)

    def _divide(self, cluster: Any, members: Sequence[Any]) -> Mapping[str, Any]:
        raise NotImplementedError


class _Range(_Assignor):
    """The client's, topic by topic."""

    name = RangePartitionAssignor.name

    def _divide(self, cluster: Any, members: Sequence[Any]) -> Mapping[str, Any]:
        divided: Mapping[str, Any] = RangePartitionAssignor.assign(cluster, members)
        return divided


class _Even(_Assignor):
    """Each partition goes to the member with the fewest, of those that have its topic.

    With the same topics for all it is round robin, and has that name. The client's own fails with a KeyError where members
    have different topics, as while the routes are changed; all of the group's members would end.
    """

    name = RoundRobinPartitionAssignor.name

    def _divide(self, cluster: Any, members: Sequence[Any]) -> Mapping[str, Any]:
        topics = {each.member_id: frozenset(each.metadata.topics) for each in members}
        # A static member has the same place after a restart.
        order = sorted(members, key=lambda each: (not each.group_instance_id, each.group_instance_id or each.member_id))
        owned: dict[str, dict[str, list[int]]] = {each.member_id: defaultdict(list) for each in order}
        counts = dict.fromkeys(owned, 0)
        for topic in sorted(frozenset().union(*topics.values())):
            subscribed = [member for member in owned if topic in topics[member]]
            for partition in sorted(cluster.partitions_for_topic(topic) or ()):
                member = min(subscribed, key=counts.__getitem__)
                owned[member][topic].append(partition)
                counts[member] += 1
        return {
            member: ConsumerProtocolAssignment(self.version, sorted(each.items()), b"")
            for member, each in owned.items()
        }
