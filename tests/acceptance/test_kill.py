"""`workers kill` on a real fleet: the story that it tells is compared with what the test saw itself."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.shared_fleet import PARTITIONS
from tests.support.terminal import Terminal
from tests.support.user import BIN
from workers.state.proc import kernel_state, process_started, uptime

pytestmark = pytest.mark.acceptance

STORY_SECONDS = 90
EXACT_SECONDS = 0.1
"""Between the clock of the kernel and those of two processes."""
WOKEN_SECONDS = 0.3
"""Between two processes that the kernel wakes, on a busy machine, when a third one ends."""
FLOWS = ("--count", "1000000", "--interval", "0.001")
LINE = re.compile(r" *(<?[\d,]+ ms|-)  (died|evicted|taken over|stored again|back|longest gap) +(\S.*)$")
"""Behind what was drawn before in the same place."""


@pytest.fixture
def flowing(running_fleet: Fleet) -> Iterator[Fleet]:
    """A fleet into which records flow."""
    producing = running_fleet.producing(*FLOWS)
    yield running_fleet
    producing.kill()


def killing(fleet: Fleet, *arguments: str) -> list[str]:
    return [str(BIN / "workers"), "kill", "--tree", str(fleet.tree), *arguments]


def happened(fleet: Fleet, event: str, pid: int) -> list[dict[str, Any]]:
    return [each for each in fleet.events() if each["event"] == event and each.get("pid") == pid]


def at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def seen(condition: Callable[[], object], seconds: float, what: str) -> tuple[float, float]:
    """When that became so, by the test's own looks: not before the last one that did not see it, and not after the first that
    did. On a busy machine one look may take a second."""
    not_before = time.time()

    def look() -> bool:
        nonlocal not_before
        began = time.time()
        if condition():
            return True
        not_before = began
        return False

    wait_until(look, seconds, what)
    return not_before - EXACT_SECONDS, time.time() + EXACT_SECONDS


def owned(fleet: Fleet, slots: list[int]) -> float:
    return fleet.total("workers_assigned_partitions", slots)


def test_the_story_is_what_happened(flowing: Fleet) -> None:
    fleet, victim = flowing, 1
    others = [slot for slot in fleet.slots() if slot != victim]
    old = fleet.pid(victim) or 0
    had = fleet.kafka.members()
    with subprocess.Popen(
        killing(fleet, "--json", "1"), env=fleet.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        died = seen(lambda: kernel_state(old) in (None, "Z"), STORY_SECONDS, "it is killed")
        taken = seen(lambda: owned(fleet, others) == PARTITIONS, 30, "the others have its partitions")
        back = seen(lambda: owned(fleet, [victim]), 60, "it is back")
        out, said = command.communicate(timeout=STORY_SECONDS)

    assert command.returncode == 0, (out, said)
    report = json.loads(out)
    (theirs,) = [parts for member, parts in had.items() if member.startswith("worker_01 ")]
    killed = report["killed"]
    assert (report["process"], report["pid"], report["partitions"]) == ("worker_01", old, {fleet.topic: theirs})
    for step, (not_before, not_after) in {"died": died, "back": back}.items():
        assert not_before <= killed + report[step]["seconds"] <= not_after + WOKEN_SECONDS, step
    # The others have all of them only when they have their own again, too.
    assert report["evicted"]["seconds"] < report["taken_over"]["seconds"] <= taken[1] - killed
    assert report["back"]["pid"] == fleet.pid(victim)
    owners = report["taken_over"]["partitions"]
    assert sorted(part for each in owners.values() for part in each[fleet.topic]) == theirs
    # What another process saw, by other means.
    (evicted,) = [each for each in fleet.events() if each["event"] == "evicted" and at(each) > killed]
    assert report["evicted"] == {
        "seconds": pytest.approx(at(evicted) - killed, abs=0.01),
        "by": "watchdog",
        "exact": True,
    }
    (took,) = happened(fleet, "taken_over", old)
    died_at = report["died"]["seconds"]
    assert at(took) == pytest.approx(killed + report["taken_over"]["seconds"], abs=EXACT_SECONDS)
    assert took["seconds"] == pytest.approx(report["taken_over"]["seconds"] - died_at, abs=WOKEN_SECONDS)
    assert took["partitions"] == owners
    (again,) = wait_until(lambda: happened(fleet, "stored_again", old), 10, "the watchdog tells it, too")
    assert at(again) == pytest.approx(killed + report["stored_again"]["seconds"], abs=EXACT_SECONDS)
    assert again["seconds"] == pytest.approx(report["stored_again"]["seconds"] - died_at, abs=WOKEN_SECONDS)
    first = {each["partition"]: each for each in report["stored_again"]["first"]}
    assert sorted(first) == theirs
    assert again["partitions"] == {
        name: {fleet.topic: sorted(part for part, each in first.items() if each["process"] == name)}
        for name in {each["process"] for each in first.values()}
    }
    assert re.search(rf"stored again, by 0\d.*\(\+{again['seconds']:.2f} s\)", fleet.command("status").stdout)
    # A gap begins with the last record before the kill.
    gaps = {each["partition"]: each["seconds"] for each in report["gaps"]}
    for part, each in first.items():
        assert each["seconds"] > report["evicted"]["seconds"]
        assert each["seconds"] - 0.3 <= gaps[part] < each["seconds"] + 5
    assert report["longest_gap"]["seconds"] == max(gaps.values())

    assert (report["own_load"], report["sent"], report["interrupted"], report["remarks"]) == (False, 0, None, [])
    assert report["rate"] > 50
    assert (report["lost"], report["twice"], report["unexplained"], report["pending"]) == (0, 0, 0, 0)
    assert report["records"] >= report["stored"] > 0
    assert report["passed"] is True


@pytest.mark.slow
def test_nothing_is_sent_into_somebody_elses_kafka_unless_that_is_wanted(running_fleet: Fleet) -> None:
    """The stack of this fleet is in another tree."""
    fleet = running_fleet
    ends, pids = fleet.kafka.ends(), [fleet.pid(slot) for slot in fleet.slots()]

    refused = fleet.command("kill")
    assert (refused.returncode, refused.stdout) == (64, "")
    (told,) = refused.stderr.splitlines()
    assert "nothing was killed: no records flow into" in told
    assert "--load" in told
    assert fleet.kafka.ends() == ends
    assert [fleet.pid(slot) for slot in fleet.slots()] == pids

    with Terminal(killing(fleet, "worker_02", "--load", "--rate", "300"), fleet.environment, 80) as terminal:
        wait_until(lambda: fleet.pid(2) != pids[2], STORY_SECONDS, "it is killed")
        since = time.time()
        code = terminal.wait(STORY_SECONDS)
        shown = terminal.lines()

    assert code == 0, shown
    assert any(f"sending 300 records a second to {fleet.topic}" in line for line in shown)
    lines = [found for line in shown if (found := LINE.search(line))]
    assert max(len(found[0]) for found in lines) <= 80
    story = {found[2]: (found[1], found[3]) for found in lines}
    assert list(story) == ["died", "evicted", "taken over", "stored again", "back", "longest gap"]
    assert story["died"][1].startswith(f"kill -9 {pids[2]}; it owned partition")
    assert story["evicted"][1].startswith("by the watchdog")
    assert story["back"][1].startswith(f"worker_02 as pid {fleet.pid(2)}, with partition")
    (took,) = happened(fleet, "taken_over", pids[2] or 0)
    since_death = milliseconds(story["taken over"][0]) - milliseconds(story["died"][0])
    assert since_death == pytest.approx(took["seconds"] * 1000, abs=WOKEN_SECONDS * 1000)
    started = time.time() - (uptime(process_started(fleet.pid(2) or 0) or 0) or 0)
    assert milliseconds(story["back"][0]) / 1000 > started - since - 0.5
    sent = sum(fleet.kafka.ends().values()) - sum(ends.values())
    assert f"; all {sent:,} records are accounted for" in story["longest gap"][1]
    assert len(fleet.documents()) == sent > 300
    assert fleet.verify().code == 0


def milliseconds(text: str) -> float:
    return float(text.removesuffix(" ms").replace(",", ""))


@pytest.mark.slow
def test_ctrl_c_says_what_was_proven_until_then(flowing: Fleet) -> None:
    fleet = flowing
    old = fleet.pid(0)
    with Terminal(killing(fleet, "0"), fleet.environment, 80) as terminal:
        terminal.wait_for("evicted ", STORY_SECONDS)
        terminal.interrupt()
        code = terminal.wait(STORY_SECONDS)
        shown = "\n".join(terminal.lines())

    assert code == 130, shown
    assert re.search(r"interrupted +of [\d,]+ records nothing is lost or twice", shown)
    fleet.wait_restarted(0, old or 0)

    with Terminal(killing(fleet, "3"), fleet.environment, 80) as terminal:
        terminal.wait_for("looking at the fleet", 30)
        terminal.interrupt()
        assert terminal.wait(30) == 130
        assert "interrupted: nothing was killed" in "\n".join(terminal.lines())


@pytest.mark.slow
def test_a_fleet_that_is_not_there_or_not_well_is_left_alone(flowing: Fleet, tmp_path: Any) -> None:
    nobody = flowing.command("kill", "--tree", str(tmp_path))
    assert (nobody.returncode, nobody.stdout) == (64, "")
    assert "no fleet runs in" in nobody.stderr
    assert len(nobody.stderr.splitlines()) == 1

    wrong = flowing.command("kill", "9")
    assert (wrong.returncode, wrong.stdout) == (64, "")
    assert "no worker '9' runs here, but worker_00" in wrong.stderr

    pids = [flowing.pid(slot) for slot in flowing.slots()]
    away = flowing.command("kill", env={"WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1"})
    assert (away.returncode, away.stdout) == (69, "")
    assert "nothing was killed, since the fleet is not healthy: MongoDB: does not answer" in away.stderr
    assert len(away.stderr.splitlines()) == 1
    assert [flowing.pid(slot) for slot in flowing.slots()] == pids


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "partitions", "watched", "evictor"),
    [
        ({}, PARTITIONS, False, "successor"),
        ({"WORKERS_STATIC_MEMBERSHIP": "true"}, PARTITIONS, True, "nobody"),
        ({}, 120, True, "watchdog"),
    ],
    ids=["no watchdog", "static members", "many partitions"],
)
def test_the_story_of_other_fleets_is_true_too(
    stack: EmbeddedStack, settings: dict[str, str], partitions: int, watched: bool, evictor: str
) -> None:
    with Fleet(stack, settings) as fleet:
        fleet.kafka.create(partitions)
        fleet.wait_assigned(partitions, 60)
        if not watched:
            fleet.supervisor("stopProcess", "watchdog:watchdog")
        ran = fleet.command("kill", "--load", "--json", timeout=180)
        report = json.loads(ran.stdout)

        assert (ran.returncode, report["passed"], report["evicted"]["by"]) == (0, True, evictor), (
            ran.stdout,
            ran.stderr,
        )
        assert len(report["stored_again"]["first"]) == len(report["partitions"][fleet.topic]) >= partitions / 4 - 1
        assert len(report["gaps"]) >= len(report["partitions"][fleet.topic])
        assert report["taken_over"]["seconds"] <= report["stored_again"]["seconds"] < 15
        assert bool(report["remarks"]) is not watched
        if evictor == "nobody":
            assert set(report["taken_over"]["partitions"]) == {report["process"]}
