"""Auditors of several topics: one answer for all, at the cost of one, and a topic that is new, deleted or not routed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from tests.support.fake_audit import BEGINNING, Clock, FakeServers
from workers.auditor import auditor as auditor_module
from workers.auditor import topic_auditors as module
from workers.auditor.auditor import ROUND_OFFSETS, Auditor
from workers.auditor.positions import PositionsFile
from workers.auditor.servers import Look, Looks, Servers
from workers.auditor.topic_auditors import TopicAuditors, open_auditor
from workers.errors import UnavailableError
from workers.identity import TopicIdentity
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.topics import Topic
from workers.settings import Settings, load
from workers.settings.route import Route, RouteTable
from workers.state.write_failures import WriteFailures
from workers.types import TopicPartition


class OneOfThem(FakeServers):
    """A topic of another name."""

    def __init__(self, name: str, number: int, **facts: Any) -> None:
        super().__init__(topic=TopicIdentity(name, UUID(int=number << 96)), **facts)

    def look(self) -> Look | None:
        if self.topic is None:
            return None
        partition = TopicPartition(self.topic.name, 0)
        offsets = {partition: PartitionOffsets(self.start, self.end, self.committed, leader_epoch=7)}
        return Look(Topic(self.topic, [partition]), offsets, [])


class Several:
    """What `Servers` says of several topics."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.topics: dict[str, OneOfThem] = {"orders": OneOfThem("orders", 1), "refunds": OneOfThem("refunds", 2)}
        self.unroutable: dict[str, str] = {}
        self.fails: str | None = None

    def looks(self) -> Looks:
        return Looks(self._clock.now, {name: each.look() for name, each in self.topics.items()}, self.unroutable)

    def hold_no_record(self, look: Look, ranges: Any) -> Any:
        return self.topics[look.topic.identity.name].hold_no_record(look, ranges)

    def compare(self, look: Look, spans: Any, read: Any = None) -> Any:
        name = look.topic.identity.name
        if name == self.fails:
            raise UnavailableError(f"{name} cannot be read")
        return self.topics[name].compare(look, spans, read)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for each in (auditor_module, module):
        monkeypatch.setattr(each, "time", clock)
    return clock


@pytest.fixture
def settings() -> Settings:
    routes = (Route(topics=("orders", "refunds")), Route(name="logs", topic_pattern=r"log\..*"))
    return load().with_routes(RouteTable(routes))


@pytest.fixture
def servers(clock: Clock) -> Several:
    return Several(clock)


@pytest.fixture
def auditors(settings: Settings, tmp_path: Path, clock: Clock) -> TopicAuditors:  # noqa: ARG001
    found = open_auditor(settings, tmp_path, WriteFailures())
    assert isinstance(found, TopicAuditors)
    return found


def round_at(auditors: TopicAuditors, servers: Several, clock: Clock, seconds: float) -> None:
    clock.now = BEGINNING + seconds
    auditors.round(cast("Servers", servers))


def whole_pass(auditors: TopicAuditors, servers: Several) -> None:
    while auditors.step_full_pass(cast("Servers", servers)):
        pass


@pytest.fixture
def begun(auditors: TopicAuditors, servers: Several, clock: Clock) -> TopicAuditors:
    round_at(auditors, servers, clock, 0)
    whole_pass(auditors, servers)
    round_at(auditors, servers, clock, 5)
    assert auditors.audit.until == BEGINNING + 5
    assert auditors.audit.since is None
    return auditors


def test_until_is_that_of_the_topic_that_is_most_behind(begun: TopicAuditors, servers: Several, clock: Clock) -> None:
    servers.topics["refunds"].end = 30
    round_at(begun, servers, clock, 10)
    round_at(begun, servers, clock, 15)

    assert begun.audit.until == BEGINNING + 5
    servers.topics["refunds"].committed = 30
    round_at(begun, servers, clock, 20)
    assert begun.audit.until == BEGINNING + 20
    assert begun.audit.problem is None


def test_what_is_missing_in_one_topic_is_told_with_its_place(
    begun: TopicAuditors, servers: Several, clock: Clock
) -> None:
    refunds = servers.topics["refunds"]
    refunds.end = refunds.committed = 20
    refunds.missing = {12}
    for seconds in (10, 20):
        round_at(begun, servers, clock, seconds)

    assert begun.audit.missing == 1
    assert begun.audit.found == (("refunds", 0, 12, "missing"),)
    refunds.missing = set()
    round_at(begun, servers, clock, 30)
    assert begun.audit.is_clean
    assert begun.audit.until == BEGINNING + 30


def test_a_topic_that_appears_is_verified_from_its_beginning_and_proves_nothing_away(
    begun: TopicAuditors, servers: Several, clock: Clock
) -> None:
    servers.topics["log.web"] = OneOfThem("log.web", 3, committed=None, end=7)
    round_at(begun, servers, clock, 10)

    assert begun.audit.until is None, "it may have been hidden: what it holds is not accounted for yet"
    whole_pass(begun, servers)
    servers.topics["log.web"].committed = 7
    round_at(begun, servers, clock, 15)
    assert begun.audit.until == BEGINNING + 15
    assert sum(each.end - each.first for each in servers.topics["log.web"].asked) == 7


def test_a_topic_without_a_route_stops_the_horizon_and_is_named(
    begun: TopicAuditors, servers: Several, clock: Clock
) -> None:
    servers.unroutable = {"log.both": "the routes a and b both match it"}
    round_at(begun, servers, clock, 10)

    assert begun.audit.until == BEGINNING + 5
    assert begun.audit.problem == "log.both: no route can have it: the routes a and b both match it"
    servers.unroutable = {}
    round_at(begun, servers, clock, 15)
    assert (begun.audit.until, begun.audit.problem) == (BEGINNING + 15, None)


def test_a_topic_that_was_deleted_holds_nothing_up(begun: TopicAuditors, servers: Several, clock: Clock) -> None:
    servers.topics["refunds"].end = 30
    round_at(begun, servers, clock, 10)
    servers.topics["refunds"].topic = None
    before = begun.verified["new"]
    round_at(begun, servers, clock, 15)

    assert begun.audit.until == BEGINNING + 15
    assert begun.audit.problem is None
    assert begun.verified["new"] == before, "a counter never goes back"


def test_a_round_of_all_verifies_no_more_than_one_of_one(begun: TopicAuditors, servers: Several, clock: Clock) -> None:
    for each in servers.topics.values():
        each.end = each.committed = 10 + ROUND_OFFSETS
    before = begun.verified["new"]
    round_at(begun, servers, clock, 10)

    assert ROUND_OFFSETS <= begun.verified["new"] - before < 1.5 * ROUND_OFFSETS
    assert begun.is_behind
    for seconds in (11, 12):
        round_at(begun, servers, clock, seconds)
    assert begun.verified["new"] - before == 2 * ROUND_OFFSETS


def test_a_topic_that_cannot_be_read_does_not_stop_the_others_for_ever(
    begun: TopicAuditors, servers: Several, clock: Clock
) -> None:
    for each in servers.topics.values():
        each.end = each.committed = 20
    servers.fails = "orders"
    for seconds in (10, 15):
        with pytest.raises(UnavailableError):
            round_at(begun, servers, clock, seconds)

    assert servers.topics["refunds"].asked[-1].end == 20


def test_each_topic_has_its_pieces_of_a_pass_in_turn(begun: TopicAuditors, servers: Several) -> None:
    for each in servers.topics.values():
        each.asked.clear()
    begun.begin_full_pass()
    while begun.step_full_pass(cast("Servers", servers)):
        pass

    assert {name: len(each.asked) for name, each in servers.topics.items()} == {"orders": 1, "refunds": 1}
    assert not begun.is_catching_up


def test_the_next_process_goes_on_topic_by_topic(
    begun: TopicAuditors, servers: Several, settings: Settings, tmp_path: Path, clock: Clock
) -> None:
    following = TopicAuditors(settings, tmp_path, WriteFailures())
    following.resume(begun.audit)
    assert following.audit.until == begun.audit.until
    for each in servers.topics.values():
        each.asked.clear()
        each.end = each.committed = 15
    round_at(following, servers, clock, 20)

    assert [(span.first, span.end) for each in servers.topics.values() for span in each.asked] == [(10, 15), (10, 15)]
    assert following.audit.since is None


def test_what_the_auditor_of_one_topic_has_left_is_gone_on_with(
    servers: Several, settings: Settings, tmp_path: Path, clock: Clock
) -> None:
    """The fleet had the topic `orders` alone, and has routes now."""
    alone = Auditor("orders", PositionsFile(tmp_path, settings.group, WriteFailures()))
    alone.round(servers.topics["orders"])
    while alone.step_full_pass(servers.topics["orders"]):
        pass
    servers.topics["orders"].asked.clear()
    servers.topics["orders"].end = servers.topics["orders"].committed = 15
    auditors = TopicAuditors(settings, tmp_path, WriteFailures())
    round_at(auditors, servers, clock, 20)

    assert [(span.first, span.end) for span in servers.topics["orders"].asked] == [(10, 15)]
