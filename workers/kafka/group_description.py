"""A consumer group, as the broker reports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Member(NamedTuple):
    """One member of a consumer group, as the broker reports it."""

    client_id: str
    host: str
    partitions: list[TopicPartition]
    """Its assignment, in the topics that were asked for."""
    static_id: str | None = None
    """Its `group.instance.id`; None: a dynamic member."""
    routes: str | None = None
    """The fingerprint of its routes: `RouteTable.fingerprint`; None: it does not tell."""


class GroupDescription(NamedTuple):
    """A consumer group, as the broker reports it."""

    state: str
    """Stable, PreparingRebalance, CompletingRebalance, Empty, or Dead: there is no such group."""
    members: dict[str, Member]
    """By member id."""

    def with_other_routes(self, fingerprint: str) -> list[str]:
        """The client ids and hosts of members that have other routes than these, as `worker_01 at 10.0.0.7`."""
        return sorted(
            f"{each.client_id} at {each.host}"
            for each in self.members.values()
            if each.routes not in (None, fingerprint)
        )


def assigned_in(member: Mapping[str, Any], topics: Collection[str]) -> list[TopicPartition]:
    """The partitions that a member is assigned.

    Args:
        member: as the client returns it.
        topics: only in these; none: in all.
    """
    assignment = member["member_assignment"] or {}
    return sorted(
        TopicPartition(each["topic"], partition)
        for each in assignment.get("assigned_partitions", ())
        if not topics or each["topic"] in topics
        for partition in each["partitions"]
    )
