"""`workers status` and `workers restart` on the real fleet: what they say is so, and what they do loses nothing."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, progress
from tests.support.terminal import Terminal
from tests.support.user import BIN, acknowledged
from workers.state.heartbeat import State, read_beat
from workers.state.slot import Slot

pytestmark = pytest.mark.acceptance

SETTINGS = {"WORKERS_MAX_POLL_RECORDS": "50"}
"""So that a slot is never without a batch in hand when it is asked to stop."""


@pytest.fixture(scope="module")
def fleet(stack: EmbeddedStack) -> Iterator[Fleet]:
    with Fleet(stack, SETTINGS) as running:
        running.kafka.create(6)
        running.wait_assigned(6)
        yield running


def looked(fleet: Fleet, **options: Any) -> tuple[int, dict[str, Any]]:
    """Exit code and snapshot, from another folder than the fleet's."""
    ran = fleet.command("status", "--json", "--tree", str(fleet.tree), **options)
    assert ran.stderr == ""
    return ran.returncode, json.loads(ran.stdout)


def wait_for(
    fleet: Fleet, condition: Callable[[dict[str, Any]], object], what: str, seconds: float = 60
) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def holds() -> bool:
        found.append(looked(fleet)[1])
        return bool(condition(found[-1]))

    try:
        wait_until(holds, seconds, what)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; it says {found[-1]}") from None
    return found[-1]


def healthy(fleet: Fleet) -> dict[str, Any]:
    return wait_for(fleet, lambda status: status["healthy"], "the fleet is healthy")


def slot(status: dict[str, Any], number: int) -> dict[str, Any]:
    (found,) = (each for each in status["slots"] if each["name"] == f"worker_{number:02d}")
    return found


def reads(fleet: Fleet, number: int) -> bool:
    """By its own word, which is never older than a turn."""
    beat = read_beat(Slot(fleet.tree / "var/run", fleet.group, f"worker_{number:02d}").heartbeat_file)
    return beat is not None and beat.is_alive() and beat.state is State.READING


@contextmanager
def without(stack: EmbeddedStack, program: str) -> Iterator[None]:
    stack.stop_program(program)
    try:
        yield
    finally:
        stack.start_program(program)


def test_a_fleet_at_work_is_healthy_and_its_numbers_are_those_of_others(fleet: Fleet) -> None:
    healthy(fleet)
    fleet.produce("--count", "3000")
    fleet.wait_committed()
    code, status = looked(fleet)

    assert (code, status["problems"]) == (0, [])
    assert [each["pid"] for each in status["slots"]] == [fleet.pid(number) for number in range(4)]
    assert [each["state"] for each in status["slots"]] == ["reading"] * 4
    own = {
        f"{m['client_id']} {m['member_id']}": m["partitions"].get(fleet.topic, []) for m in status["group"]["members"]
    }
    assert own == fleet.kafka.members()
    assert sorted(p for each in status["slots"] for p in each["partitions"].get(fleet.topic, ())) == list(range(6))
    assert (status["group"]["lag"], [each["lag"] for each in status["slots"]]) == (0, [0] * 4)
    assert sum(each["records"] for each in status["slots"]) == 3_000
    plain = fleet.command("status", "--tree", str(fleet.tree))
    assert (plain.returncode, plain.stderr) == (0, "")
    assert re.match(r"● (.+\n  )?4 workers read 6 partitions; nothing waits", plain.stdout), (
        "the verdict is the headline"
    )
    assert "\nhealthy: 4 workers read 6 partitions, lag 0\n" in plain.stdout


def test_a_worker_that_is_killed_or_stopped_is_seen_in_the_terminal_of_somebody_who_watches(fleet: Fleet) -> None:
    pids = {each["name"]: each["pid"] for each in healthy(fleet)["slots"]}
    command = [str(BIN / "workers"), "status", "--watch", "--tree", str(fleet.tree)]
    with Terminal(command, fleet.environment, columns=80) as watcher:
        watcher.wait_for("4 workers read 6 partitions", 30)
        os.kill(pids["worker_02"], signal.SIGSTOP)
        try:
            watcher.wait_for("stopped (SIGSTOP)", 30)
        finally:
            # The watchdog may have been quicker.
            with suppress(ProcessLookupError):
                os.kill(pids["worker_02"], signal.SIGKILL)
        watcher.wait_for("killed (SIGKILL)", 30)
        watcher.interrupt()
        assert watcher.wait(30) == 0
        assert max(len(line) for line in watcher.lines()) <= 80
        assert any("of 4 workers running" in line for line in watcher.lines()[-18:]), "the last screen stays"
    status = healthy(fleet)
    assert slot(status, 2)["pid"] not in (None, pids["worker_02"])
    assert slot(status, 2)["restarts"] == 1
    exits = [each for each in status["events"] if each["event"] == "exited"]
    assert [(each["process"], each["pid"]) for each in exits] == [("worker_02", pids["worker_02"])]


@pytest.mark.slow
def test_a_rolling_restart_under_load_loses_nothing_and_delivers_nothing_again(fleet: Fleet) -> None:
    before = [each["pid"] for each in healthy(fleet)["slots"]]
    fleet.wait_committed()
    again, done, stored = fleet.redelivered(), progress(fleet), len(exactly_once(fleet))
    producing = fleet.producing("--start", "10000", "--count", "1000000", "--interval", "0.0005")
    wait_until(lambda: progress(fleet) >= done + 1_000, 60, "it is under load")
    restarting = psutil.Popen(
        [str(BIN / "workers"), "restart", "--tree", str(fleet.tree)],
        env=fleet.environment,
        stdout=-1,
        stderr=-1,
        text=True,
    )
    away: list[set[int]] = []
    try:
        while restarting.poll() is None:
            away.append({number for number in range(4) if not reads(fleet, number)})
            assert producing.poll() is None, "void: there was no load any more"
    finally:
        told, complained = restarting.communicate()
        producing.send_signal(signal.SIGINT)
        sent = acknowledged(producing)["acknowledged"]
    assert (restarting.returncode, complained) == (0, "")
    assert [line.split()[:3] for line in told.splitlines()] == [
        *([f"worker_{number:02d}", "back", "in"] for number in range(4)),
        ["restarted", "4", "slots"],
    ]
    assert max(len(numbers) for numbers in away) == 1, "never two at once"
    assert set().union(*away) == {0, 1, 2, 3}
    after = [each["pid"] for each in healthy(fleet)["slots"]]
    assert not set(before) & set(after)
    fleet.wait_committed()
    assert fleet.redelivered() == again
    assert len(exactly_once(fleet)) == stored + sent


@pytest.mark.parametrize(
    ("program", "name"), [("ferretdb", "MongoDB"), pytest.param("kafka", "Kafka", marks=pytest.mark.slow)]
)
def test_a_service_that_is_down_is_named_and_nothing_is_restarted(
    stack: EmbeddedStack, fleet: Fleet, program: str, name: str
) -> None:
    pids = [each["pid"] for each in healthy(fleet)["slots"]]
    fleet.kafka.close()
    with without(stack, program):
        code, status = looked(fleet)
        assert code == 1
        assert {each: found["up"] for each, found in status["services"].items() if not found["up"]} == {name: False}
        assert status["problems"][0].startswith(f"{name}: ")
        assert [each["pid"] for each in status["slots"]] == pids

        ran = fleet.command("restart", "--tree", str(fleet.tree))
        assert (ran.returncode, ran.stdout) == (69, "")
        (line,) = ran.stderr.splitlines()
        assert line.startswith(f"workers: nothing was restarted: {name}: ")
    assert [each["pid"] for each in healthy(fleet)["slots"]] == pids


@pytest.mark.slow
def test_a_slot_that_cannot_come_back_ends_the_restart_and_the_others_are_left_alone(fleet: Fleet) -> None:
    pids = [each["pid"] for each in healthy(fleet)["slots"]]
    # What the interpreter needs to start in this folder: without it no new process gets far.
    launcher = fleet.tree / "deploy/python"
    whole = launcher.read_text()
    launcher.write_text("#!/bin/sh\nexit 78\n")
    try:
        ran = fleet.command("restart", "--timeout", "3", "--tree", str(fleet.tree))
        assert (ran.returncode, ran.stdout) == (1, "")
        (line,) = ran.stderr.splitlines()
        assert line.startswith("workers: worker_00 is not back at work after 3 s: ")
        assert f"see {fleet.tree}/var/log/worker_00.log" in line
        assert line.endswith("the slots after it were not restarted")
        status = looked(fleet)[1]
        assert not slot(status, 0)["healthy"]
        assert [slot(status, number)["pid"] for number in (1, 2, 3)] == pids[1:]
    finally:
        launcher.write_text(whole)
    healthy(fleet)


@pytest.mark.slow
def test_a_fleet_that_keeps_its_events_elsewhere_shows_them(stack: EmbeddedStack) -> None:
    """As paths.py says: in deploy/local.d/ for the fleet, in `.env` for the commands."""
    fleet = Fleet(stack)
    (elsewhere := fleet.tree / "elsewhere").mkdir()
    values = {"WORKERS_STATE_DIR": f"{elsewhere}/state", "WORKERS_EVENTS_FILE": f"{elsewhere}/told.jsonl"}
    (fleet.tree / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    environment = ",".join(f'{name}="{value}"' for name, value in values.items())
    fleet.local_d("elsewhere", f"[program:worker]\nnumprocs=1\nenvironment=WORKERS_SLOT=0,{environment}\n")
    fleet.local_d("watchdog", f"[eventlistener:watchdog]\nenvironment={environment}\n")
    with fleet:
        fleet.kafka.create(1)
        status = wait_for(fleet, lambda found: found["slots"] and found["slots"][0]["state"] == "reading", "it reads")
        assert (slot(status, 0)["partitions"], slot(status, 0)["restarts"]) == ({fleet.topic: [0]}, 0)
        kinds = {each["event"] for each in status["events"] if each.get("process") == "worker_00"}
        assert "starting" in kinds
        assert not (fleet.tree / "var/log/events.jsonl").exists()


def test_a_fleet_whose_supervisord_is_gone_is_said_to_be_none_and_a_worker_by_hand_is_shown(fleet: Fleet) -> None:
    """The last one here: the fleet is gone afterwards."""
    orphans = fleet.kill_supervisord()
    psutil.wait_procs(orphans, timeout=60)
    code, status = looked(fleet)
    assert (code, status["slots"], status["fleet"]) == (2, [], False)
    assert status["problems"][0].startswith(f"no fleet runs in {fleet.tree}; ")
    assert (status["services"]["Kafka"]["up"], status["services"]["MongoDB"]["up"]) == (True, True)

    ran = fleet.command("restart", "--tree", str(fleet.tree))
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (69, "", 1)
    assert f"no fleet runs in {fleet.tree}" in ran.stderr

    by_hand = psutil.Popen(
        [str(BIN / "workers"), "run"],
        env=fleet.environment | {"WORKERS_SLOT": "5", "WORKERS_STATE_DIR": str(fleet.tree / "var/run")},
        stdout=-3,
        stderr=-3,
    )
    try:
        status = wait_for(fleet, lambda found: found["slots"] and found["slots"][0]["state"] == "reading", "it reads")
        (shown,) = status["slots"]
        assert (shown["name"], shown["pid"], shown["supervised"]) == ("worker_05", by_hand.pid, False)
        assert (shown["partitions"], status["healthy"]) == ({fleet.topic: [0, 1, 2, 3, 4, 5]}, False)
        assert status["problems"] == ["supervisord: does not run here"]
    finally:
        by_hand.terminate()
        by_hand.wait(60)
