"""A worker's share of the rate of the group."""

from __future__ import annotations

from tests.support.batches import tps
from workers.kafka.fleet_share import FleetShare, open_limit
from workers.kafka.group_description import GroupDescription, Member
from workers.naming import MAX_SLOTS
from workers.settings import load


class Known(FleetShare):
    """Asks nobody."""

    def members(self):
        return self._members


def group(*owned):
    return GroupDescription("Stable", {str(i): Member("w", "h", list(tps(*each))) for i, each in enumerate(owned)})


def test_until_kafka_has_answered_it_is_that_of_the_largest_fleet():
    assert Known(load()).members() == MAX_SLOTS


def test_only_members_that_own_something_have_a_share():
    share = Known(load())
    share.learn(group([0, 1], [2], []))

    assert share.members() == 2


def test_while_the_group_rebalances_the_last_number_stays():
    share = Known(load())
    share.learn(group([0, 1], [2], [3]))
    share.learn(group([], [], [], []))
    share.learn(GroupDescription("Dead", {}))

    assert share.members() == 3


def test_without_a_limit_there_is_no_object():
    assert open_limit(load()) is None
    assert open_limit(load(max_rate=1)) is not None
    assert open_limit(load(max_byte_rate=1)) is not None
