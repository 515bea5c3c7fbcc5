"""A deployment: every worker is stopped cleanly and started again, one after the other, while numbers flow."""

from __future__ import annotations

import signal

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, member, progress
from tests.support.user import acknowledged

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

ROUNDS = 5
MORE_THAN_ENOUGH = 1_000_000
SMALL_BATCHES = {"WORKERS_MAX_POLL_RECORDS": "50"}
PATIENCE_SECONDS = 30


def test_a_rolling_restart_under_load_loses_nothing_and_repeats_nothing(stack: EmbeddedStack) -> None:
    fleet = Fleet(stack, SMALL_BATCHES)
    fleet.local_d("three", "[program:worker]\nnumprocs=3\n")
    with fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        producing = fleet.producing("--count", str(MORE_THAN_ENOUGH), "--interval", "0.001")
        pids = []
        for _ in range(ROUNDS):
            for slot in fleet.slots():
                before = progress(fleet)
                wait_until(lambda done=before: progress(fleet) > done, PATIENCE_SECONDS, "numbers flow")
                leaving = member(fleet, slot)
                pids.append(fleet.kill(slot, signal.SIGTERM))
                fleet.wait_restarted(slot, pids[-1])
                wait_until(lambda gone=leaving: gone not in fleet.kafka.members(), PATIENCE_SECONDS, "it has left")
                fleet.wait_assigned(6, PATIENCE_SECONDS)
        producing.send_signal(signal.SIGINT)
        count = acknowledged(producing)["acknowledged"]
        fleet.wait_committed()

        assert len(set(pids)) == ROUNDS * 3
        assert fleet.said().count("(exit status 0; expected)") == len(pids)
        assert exactly_once(fleet) == set(range(count))
        assert fleet.redelivered() == 0
        assert fleet.dead_letters() == []
        assert fleet.verify().code == 0
