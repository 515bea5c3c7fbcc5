"""`workers chaos`, the real drill: workers, database and broker are killed under load, and nothing is lost by it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

from tests.support.demo import demo_fleet
from tests.support.embedded import EmbeddedStack, StackUnavailableError, unavailable, wait_until
from tests.support.fleet import Fleet
from tests.support.terminal import Terminal
from tests.support.user import BIN
from workers.drill.faults import KINDS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

SECONDS, SEED, RATE = 60, 1, 2_000
"""A soak in short: a seed whose plan has every kind of fault within a minute."""
BAD_SHARE = 0.01
SUSPENDS_FIRST = 40
"""Seconds of a drill that begins with a worker that is suspended for longer than its session timeout."""


@pytest.fixture(scope="module")
def stack() -> Iterator[EmbeddedStack]:
    """One that this drill may break."""
    try:
        yield EmbeddedStack().__enter__()
    except StackUnavailableError as reason:
        unavailable(reason)


@pytest.fixture(scope="module")
def demo(stack: EmbeddedStack) -> Iterator[Fleet]:
    with demo_fleet(stack) as fleet:
        yield fleet
        fleet.kafka.close()


def whole(fleet: Fleet) -> bool:
    """Every process of the fleet runs, and none of them is suspended."""
    pids = [each["pid"] for each in fleet.supervisor("getAllProcessInfo")]
    return all(pids) and psutil.STATUS_STOPPED not in {psutil.Process(pid).status() for pid in pids}


def chaos(demo: Fleet, *arguments: str) -> list[str]:
    return [str(BIN / "workers"), "chaos", "--tree", str(demo.tree), "--rate", "300", "--seed", "1", *arguments]


def test_a_fleet_on_services_that_are_not_the_embedded_ones_is_not_touched(demo: Fleet, tmp_path: Path) -> None:
    pids = [demo.pid(slot) for slot in demo.slots()]
    for arguments in (["--tree", str(tmp_path)], ["--tree", str(tmp_path), "--allow", "kafka.example:9092"]):
        ran = demo.command("chaos", "--seconds", "5", *arguments)
        assert (ran.returncode, ran.stdout) == (64, "")
        (told,) = ran.stderr.splitlines()
        assert all(word in told for word in ("not the embedded stack", str(tmp_path), "--allow"))
    # Another database than the stack's, even with the stack's own broker.
    other = {"WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1"}
    assert demo.command("chaos", "--seconds", "5", "--tree", str(demo.tree), env=other).returncode == 64
    assert [demo.pid(slot) for slot in demo.slots()] == pids
    assert demo.kafka.ends() == {}


def test_a_tree_without_a_fleet_has_nothing_to_break(demo: Fleet, tmp_path: Path) -> None:
    allowed = demo.environment["WORKERS_BOOTSTRAP_SERVERS"]
    ran = demo.command("chaos", "--seconds", "5", "--tree", str(tmp_path), "--allow", allowed)
    assert (ran.returncode, ran.stdout) == (64, "")
    assert "no fleet has run in" in ran.stderr
    assert demo.kafka.ends() == {}


def test_without_its_database_a_fleet_is_not_broken_further(demo: Fleet, stack: EmbeddedStack) -> None:
    pids = [demo.pid(slot) for slot in demo.slots()]
    stack.stop_program("ferretdb")
    try:
        ran = demo.command("chaos", "--seconds", "5", "--tree", str(demo.tree))
    finally:
        stack.start_program("ferretdb")
    assert (ran.returncode, ran.stdout) == (69, "")
    assert "MongoDB does not answer" in ran.stderr
    assert [demo.pid(slot) for slot in demo.slots()] == pids
    assert demo.kafka.ends() == {}


def test_ctrl_c_heals_and_says_what_was_proven_and_one_drill_is_enough(demo: Fleet) -> None:
    with Terminal(chaos(demo, "--seconds", str(SUSPENDS_FIRST)), demo.environment, 160) as terminal:
        terminal.wait_for("stop and continue a worker", 60)
        assert not whole(demo)
        second = demo.command("chaos", "--seconds", "5", "--tree", str(demo.tree))
        terminal.interrupt()
        terminal.wait_for("SIGINT: no more faults", 10)
        code = terminal.wait(60)
        shown = "\n".join(terminal.lines())

    assert (second.returncode, second.stdout) == (69, "")
    assert "another drill" in second.stderr
    assert code == 130
    assert whole(demo)
    assert "continued" in shown.partition("healed: ")[2]
    assert "proven so far: nothing lost, nothing twice, nothing unexplained" in shown


def test_a_second_signal_leaves_at_once_and_the_fleet_is_whole_all_the_same(demo: Fleet) -> None:
    with Terminal(chaos(demo, "--seconds", str(SUSPENDS_FIRST)), demo.environment, 160) as terminal:
        terminal.wait_for("stop and continue a worker", 60)
        terminal.signal(signal.SIGTERM)
        terminal.wait_for("SIGTERM: no more faults", 10)
        terminal.signal(signal.SIGTERM)
        code = terminal.wait(30)
        shown = "\n".join(terminal.lines())

    assert code == 128 + signal.SIGTERM
    assert whole(demo)
    assert "not proven" in shown
    assert "workers verify --wait" in shown


def test_a_drill_with_every_kind_of_fault_loses_nothing_and_stores_nothing_twice(demo: Fleet) -> None:
    before = len(demo.documents())
    demo.kafka.close()
    ran = demo.command(
        "chaos",
        *("--seconds", str(SECONDS), "--seed", str(SEED), "--rate", str(RATE), "--json", "--tree", str(demo.tree)),
        *("--bad-share", str(BAD_SHARE)),
        timeout=300,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert f"of {SECONDS} s, " in ran.stderr, "not a word of how it is getting on"
    report = json.loads(ran.stdout)
    assert (report["lost"], report["twice"], report["unexplained"]) == (0, 0, 0)
    assert (report["passed"], report["void"], report["remarks"], report["seed"]) == (True, [], [], SEED)
    assert (report["verified"], report["interrupted"]) == (True, None)
    assert report["stored"] + report["dead_letters"] >= report["acknowledged"] > SECONDS * RATE / 3
    assert report["dead_letters"] == report["dead_letters_expected"] > report["acknowledged"] * BAD_SHARE / 2
    assert report["good_dead_lettered"] == 0
    assert report["redelivered"] > 0
    assert report["rebalances"] > 0
    assert report["retries"] > 0
    assert 0 < report["longest_pause"] < 60
    assert set(report["faults"]) == set(KINDS)

    # Fault by fault: what, when, whom, whether it was felt, and what it cost.
    injected = report["injected"]
    assert {kind: sum(each["kind"] == kind for each in injected) for kind in KINDS} == report["faults"]
    assert [each["at"] for each in injected] == sorted(each["at"] for each in injected)
    assert all(each["target"] for each in injected)
    assert {each["kind"] for each in injected if each["bit"]} == set(KINDS)
    assert max(each["longest_pause"] for each in injected) > 1

    # What it says is so, by those who do not take its word.
    held = demo.kafka.values()
    good = {place: json.loads(value)["number"] for place, value in held.items() if value and value.startswith(b"{")}
    stored = {tuple(map(int, key.split("/")[1:])): number for key, number in demo.documents().items()}
    assert stored == good
    assert len(stored) == before + report["stored"]
    letters = {tuple(map(int, each["_id"].split("/")[1:])) for each in demo.dead_letters()}
    assert letters == held.keys() - good.keys()
    assert demo.verify().code == 0
    assert whole(demo)
    assert demo.logs().count("event=started") > 4


def test_a_drill_is_about_what_it_sent_and_heals_what_it_broke(demo: Fleet) -> None:
    """Not about the history before it, of which a document is missing here; and what was down before stays down."""
    wait_until(demo.documents, 10, "there is a history")
    with MongoClient(demo.mongodb_uri) as client:
        client[demo.database].numtest.delete_one({})
    demo.supervisor("stopProcess", "worker:worker_03")
    demo.supervisor("stopProcess", "watchdog:watchdog")

    ran = demo.command(*chaos(demo, "--seconds", "8", "--json")[1:], timeout=180)

    report = json.loads(ran.stdout)
    assert (ran.returncode, report["lost"], report["passed"]) == (0, 0, True), ran.stdout
    assert report["stored"] < 10_000
    assert any("no watchdog" in line for line in report["remarks"])
    assert demo.verify().total("missing") == 1
    running = {each["name"]: each["pid"] > 0 for each in demo.supervisor("getAllProcessInfo")}
    assert running == dict.fromkeys(running, True) | {"worker_03": False, "watchdog": False}
