"""How partitions are divided, with the client's own types: evenly, by who has the topic, and the same for all members."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.protocol.consumer.group import JoinGroupResponse
from kafka.protocol.consumer.metadata import ConsumerProtocolSubscription
from structlog.testing import capture_logs

from workers.kafka.assignors import assignors, routes_of
from workers.settings.route import Route, RouteTable

SEVERAL = RouteTable((Route(topics=("a", "b")),))
ONE = RouteTable((Route(topics=("a",)),))


class Cluster:
    def __init__(self, **partitions: int) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._partitions[topic])) if topic in self._partitions else None


Member = JoinGroupResponse.JoinGroupResponseMember


def member(name: str, topics: str, told: bytes = b"", static: str | None = None) -> Member:
    """As the leader has it."""
    subscription = ConsumerProtocolSubscription(0, list(topics), told)
    return Member(member_id=name, group_instance_id=static, metadata=subscription)


def divided(table: RouteTable, cluster: Cluster, members: list[Member], name: str) -> dict[str, list[tuple[str, int]]]:
    (assignor,) = [each for each in assignors(table) if each.name == name]
    found: Any = assignor.assign(cluster, members)
    return {
        each: [(topic, p) for topic, partitions in assigned.assigned_partitions for p in partitions]
        for each, assigned in found.items()
    }


def test_several_topics_are_divided_evenly_and_one_as_ever():
    assert [each.name for each in assignors(SEVERAL)] == ["roundrobin", "range"]
    assert [each.name for each in assignors(ONE)] == ["range"]


def test_of_many_small_topics_everybody_gets_as_many():
    cluster = Cluster(**dict.fromkeys("abcdefghij", 3))
    found = divided(SEVERAL, cluster, [member(each, "abcdefghij") for each in "wxyz"], "roundrobin")
    assert sorted(map(len, found.values())) == [7, 7, 8, 8]
    # What the range assignor does with them.
    found = divided(SEVERAL, cluster, [member(each, "abcdefghij") for each in "wxyz"], "range")
    assert sorted(map(len, found.values())) == [0, 10, 10, 10]


@given(
    partitions=st.dictionaries(st.sampled_from("abcde"), st.integers(0, 7), min_size=1),
    topics=st.lists(st.sets(st.sampled_from("abcde"), min_size=1), min_size=1, max_size=5),
    static=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_every_partition_has_one_owner_who_has_its_topic_whoever_has_which(partitions, topics, static):
    members = [member(f"m{n}", "".join(each), static=f"s{n}" if static[n] else None) for n, each in enumerate(topics)]
    found = divided(SEVERAL, Cluster(**partitions), members, "roundrobin")
    wanted = set().union(*topics)
    owned = [place for places in found.values() for place in places]

    assert sorted(owned) == sorted((t, p) for t, count in partitions.items() if t in wanted for p in range(count))
    for name, places in found.items():
        assert {topic for topic, _ in places} <= topics[int(name[1:])]


@given(partitions=st.dictionaries(st.sampled_from("abcde"), st.integers(0, 7), min_size=1), count=st.integers(1, 6))
def test_with_the_same_topics_for_all_it_is_the_clients_round_robin(partitions, count):
    members = [member(f"m{n}", "".join(sorted(partitions))) for n in range(count)]
    theirs = RoundRobinPartitionAssignor.assign(Cluster(**partitions), members)

    assert divided(SEVERAL, Cluster(**partitions), members, "roundrobin") == {
        each: [(topic, p) for topic, found in assigned.assigned_partitions for p in found]
        for each, assigned in theirs.items()
    }


def test_the_clients_own_fails_where_members_have_different_topics():
    """Once it does not, ours is not needed any more."""
    with pytest.raises(KeyError):
        RoundRobinPartitionAssignor.assign(Cluster(a=2, b=2), [member("x", "a"), member("y", "b")])


def test_a_static_member_keeps_its_partitions_over_a_restart():
    cluster = Cluster(a=2, b=2)
    before = divided(
        SEVERAL, cluster, [member("1-x", "ab", static="w0"), member("2-y", "ab", static="w1")], "roundrobin"
    )
    after = divided(
        SEVERAL, cluster, [member("9-x", "ab", static="w0"), member("2-y", "ab", static="w1")], "roundrobin"
    )
    assert before["1-x"] == after["9-x"]


def test_members_with_different_routes_are_told_once_by_the_leader():
    other = RouteTable((Route(topics=("a", "b"), collection="shop"),))
    told = [assignors(each)[0].metadata(["a"]).user_data for each in (SEVERAL, SEVERAL, other)]
    assert [routes_of(each) for each in told] == [SEVERAL.fingerprint, SEVERAL.fingerprint, other.fingerprint]

    with capture_logs() as logs:
        divided(SEVERAL, Cluster(a=1), [member(f"m{n}", "a", each) for n, each in enumerate(told[:2])], "range")
        assert logs == []
        # One of an older version, which tells nothing, is no difference.
        divided(SEVERAL, Cluster(a=1), [member("m", "a", told[0]), member("old", "a")], "range")
        assert logs == []
        divided(SEVERAL, Cluster(a=1), [member(f"m{n}", "a", each) for n, each in enumerate(told)], "range")
    (line,) = logs
    assert {SEVERAL.fingerprint, other.fingerprint} == set(line["routes"].split(","))
    assert "different routes" in line["event"]


def test_what_the_admin_client_makes_of_it_is_text():
    assert [routes_of(each) for each in ("routes=0a1b", "another", "", None)] == ["0a1b", None, None, None]
