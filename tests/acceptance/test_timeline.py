"""The timeline beside a real fleet: a `kill -9` is a hole in the bands of the dead worker, on the page and in a terminal."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.support import scrape
from tests.support.embedded import wait_until
from tests.support.fleet import Fleet
from tests.support.shared_fleet import PARTITIONS
from tests.support.terminal import Terminal
from tests.support.user import BIN

pytestmark = pytest.mark.acceptance

VICTIM = "worker_01"


def asked(fleet: Fleet, path: str) -> Any:
    status, text = scrape.page(fleet.lag_port, path)
    assert status == 200, text
    return json.loads(text)


def bands(fleet: Fleet) -> dict[int, list[list[Any]]]:
    return {each["partition"]: each["bands"] for each in asked(fleet, "/timeline.json?seconds=60")["partitions"]}


def last(fleet: Fleet) -> dict[int, tuple[str | None, str]]:
    return {partition: tuple(each[-1][2:]) for partition, each in bands(fleet).items()}


def marks(fleet: Fleet, since: float) -> list[tuple[str, str]]:
    told = asked(fleet, "/timeline.json?seconds=120")["marks"]
    return [(mark["kind"], mark["process"]) for mark in told if mark["time"] > since - 1]


@pytest.mark.slow
def test_a_kill_is_seen_while_it_happens_and_afterwards_with_exact_times(running_fleet: Fleet) -> None:
    fleet = running_fleet
    command = [str(BIN / "workers"), "status", "--watch", "--tree", str(fleet.tree)]
    sending = fleet.producing("--count", "1000000", "--interval", "0.002")
    try:
        with Terminal(command, fleet.environment, columns=80, rows=24) as watcher:
            wait_until(
                lambda: len(found := last(fleet)) == PARTITIONS and {kind for _, kind in found.values()} == {"storing"},
                40,
                "every partition is stored",
            )
            lost = [partition for partition, (worker, _) in last(fleet).items() if worker == VICTIM]
            assert lost
            watcher.wait_for("stored/s", 20)
            killed = time.time()
            fleet.kill(1)
            wait_until(
                lambda: all(
                    any(begin >= killed - 0.5 and kind == "waiting" for begin, _, _, kind in bands(fleet)[partition])
                    for partition in lost
                ),
                10,
                "the hole is seen",
            )
            watcher.wait_for("01 killed", 20)
            watcher.wait_for("worker_01 was killed", 20)
            wait_until(
                lambda: (
                    {kind for _, kind in last(fleet).values()} == {"storing"}
                    and VICTIM in {worker for worker, _ in last(fleet).values()}
                ),
                60,
                "it is back, and everything is stored",
            )
            # supervisord's word, which the watchdog notes: it may come after the records.
            wait_until(lambda: ("back", VICTIM) in marks(fleet, killed), 20, "its return is marked")
            told = asked(fleet, "/timeline.json?seconds=120")
            watcher.wait_for("01 back", 20)
            watcher.interrupt()
            assert watcher.wait(30) == 0
            assert max(len(line) for line in watcher.lines()) <= 80
    finally:
        sending.terminate()
        sending.wait(30)

    for each in told["partitions"]:
        for (_, end, *_), (begin, *_) in zip(each["bands"], each["bands"][1:], strict=False):
            assert end == begin, "no gap, no overlap"
        assert each["bands"][-1][1] == told["now"]
        if each["partition"] in lost:
            hole = next(band for band in each["bands"] if band[3] == "waiting" and band[1] > killed)
            before = each["bands"][each["bands"].index(hole) - 1]
            assert before[2:] == [VICTIM, "storing"]
            assert hole[0] == pytest.approx(killed, abs=0.5), "the end of the process, by the kernel"
            later = [band for band in each["bands"] if band[0] > hole[0] and band[3] == "storing"]
            assert later, "stored again"
    assert ("killed", VICTIM) in marks(fleet, killed)
    (text,) = {mark["text"] for mark in told["marks"] if mark["kind"] == "killed" and mark["time"] > killed - 1}
    assert text == "killed (SIGKILL)", "by supervisord's log"
    series = told["series"]
    assert len({len(values) for values in series.values()}) == 1
    assert max(value for value in series["stored"] if value is not None) > 0
    assert max(value for value in series["age"] if value is not None) > 0.1, "the hole; else it is some milliseconds"

    found = asked(fleet, "/fleet.json")
    assert set(found["verdict"]) == {"level", "text", "detail"}
    assert "worker_01 was killed" in f"{found['verdict']['text']} {found['verdict']['detail']}"
    assert all(event["text"] for event in found["status"]["events"])
