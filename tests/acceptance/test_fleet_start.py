"""How a fleet starts: once in a folder, once on its ports, and again after its supervisord was killed."""

from __future__ import annotations

import psutil
import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, member

pytestmark = pytest.mark.acceptance


def test_a_second_supervisord_in_the_same_folder_refuses(stack: EmbeddedStack, running_fleet: Fleet) -> None:
    fleet = running_fleet
    before = {slot: fleet.pid(slot) for slot in fleet.slots()}
    second = Fleet(stack, tree=fleet.tree)
    try:
        assert second.launch().wait(20) == 2
    finally:
        second.remove()
    assert "Another program is already listening" in fleet.said().splitlines()[-2] + fleet.said().splitlines()[-1]
    assert {slot: fleet.pid(slot) for slot in fleet.slots()} == before
    fleet.wait_assigned(6)


@pytest.mark.slow
def test_a_second_fleet_on_the_same_ports_says_which_and_what_to_set(
    stack: EmbeddedStack, running_fleet: Fleet
) -> None:
    first = running_fleet
    with Fleet(stack, {"WORKERS_METRICS_PORT": str(first.metrics_port)}) as second:
        wait_until(lambda: all(second.log(slot) for slot in second.slots()), 20, "each worker has said why")
        for slot in second.slots():
            port = first.metrics_port + slot
            (said,) = set(second.log(slot).splitlines())
            taken = (
                f"workers: cannot serve metrics on 127.0.0.1:{port}: Address already in use by pid {first.pid(slot)} "
            )
            assert said.startswith(taken)
            assert "Set WORKERS_METRICS_PORT to another port, or stop the process that has this one" in said
        assert second.kafka.members() == {}
    first.wait_assigned(6)


@pytest.mark.slow
def test_a_fleet_whose_supervisord_was_killed_can_be_started_again(stack: EmbeddedStack) -> None:
    with Fleet(stack) as fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        fleet.produce("--count", "500")
        fleet.kill_supervisord()
        fleet.produce("--start", "500", "--count", "500")
        fleet.start()
        fleet.produce("--start", "1000", "--count", "500")
        fleet.wait_committed()
        assert exactly_once(fleet) == set(range(1500))
        assert fleet.verify().code == 0


@pytest.mark.slow
def test_workers_end_with_their_supervisord_and_the_next_ones_take_their_places(stack: EmbeddedStack) -> None:
    with Fleet(stack) as fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        old = [member(fleet, slot) for slot in fleet.slots()]
        orphans = fleet.kill_supervisord()
        _, alive = psutil.wait_procs(orphans, timeout=10)
        assert alive == []
        fleet.start()
        fleet.wait_assigned(6)
        assert {fleet.info(slot)["statename"] for slot in fleet.slots()} == {"RUNNING"}
        assert not set(old) & set(fleet.kafka.members())


@pytest.mark.slow
def test_local_d_changes_the_number_of_workers_of_a_real_fleet(stack: EmbeddedStack) -> None:
    fleet = Fleet(stack)
    fleet.local_d("two", "[program:worker]\nnumprocs=2\n")
    with fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        assert fleet.slots() == [0, 1]
        assert sorted(map(len, fleet.kafka.members().values())) == [3, 3]


def test_stopping_supervisord_leaves_the_group_and_no_process(stack: EmbeddedStack) -> None:
    with Fleet(stack) as fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        workers = [psutil.Process(fleet.pid(slot)) for slot in fleet.slots()]
        assert all(process in fleet.processes() for process in workers)
        supervisord = psutil.Process(fleet.supervisord_pid())
        supervisord.terminate()
        wait_until(lambda: supervisord.status() == psutil.STATUS_ZOMBIE, 20, "supervisord ended")
        assert fleet.processes() == []
        assert fleet.kafka.members() == {}
        assert fleet.said().count("(exit status 0; expected)") + fleet.said().count("stopped: ") >= len(workers)
        assert fleet.logs().count("event=stopped") == len(workers)


def test_workers_that_supervisord_would_kill_while_they_stop_refuse_to_start(stack: EmbeddedStack) -> None:
    fleet = Fleet(stack)
    fleet.local_d("hasty", "[program:worker]\nnumprocs=1\nstopwaitsecs=30\n")
    with fleet:
        wait_until(lambda: fleet.log(0), 20, "it has said why")
        (told,) = set(fleet.log(0).splitlines())
        assert "WORKERS_DRAIN_TIMEOUT=35: must be shorter than supervisord's stopwaitsecs (30 s)" in told
        assert "raise stopwaitsecs in local.d/" in told
        assert fleet.kafka.members() == {}
