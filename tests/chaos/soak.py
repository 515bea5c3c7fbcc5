# ruff: noqa: T201
"""Every fault that a drill knows, old and new, for as long as is asked, on a stack and a fleet of its own; then the proof.

    python -m tests.chaos.soak [--seconds 900] [--brokers 1,3] [--seed N] [--rate 300] [--without 'kind,kind'] [--keep]

So long for each number of brokers. Two of a hundred records are bad; one fault is not in `workers chaos`: a database that
is too busy for seconds. Ends with 1 if a record was lost, twice, unexplained, or a dead letter although it was good; it
prints the seed that repeats the plan. Ctrl-C ends it early, with the proof of what was sent until then.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from tests.support.busy_mongo import BusyMongo
from tests.support.demo import demo_fleet
from tests.support.embedded import EmbeddedStack
from workers.cli import render_drill
from workers.cli.chaos import DrillScreen
from workers.drill.chaos import Drill
from workers.drill.faults import KINDS, MORE_KINDS, RETRIED, Kind
from workers.drill.report import DrillReport
from workers.settings import load_all

BAD_SHARE = 0.02
BUSY = "refuse writes for seconds"
ALL_KINDS = KINDS | MORE_KINDS | {BUSY: Kind(4, 3, needs_calm=True, needs_stack=True, shows_as=RETRIED)}
SMALL_BATCHES = "500"
WORDS = 60
"""The most lines of the workers' logs that are shown after a failure."""


def soak(seconds: float, brokers: int, seed: int, rate: int, without: frozenset[str] = frozenset()) -> DrillReport:
    """One drill of so many seconds, on a fresh stack of one broker or of three."""
    kinds = {name: kind for name, kind in ALL_KINDS.items() if name not in without}
    stack = open_stack(brokers)
    with (
        BusyMongo(stack.mongodb_port) as mongo,
        demo_fleet(
            stack,
            {"WORKERS_MONGODB_URI": mongo.uri, "WORKERS_MAX_POLL_RECORDS": SMALL_BATCHES},
            replicas=1 if brokers == 1 else 3,
        ) as fleet,
    ):
        fleet.kafka.close()
        with environment(fleet.environment):
            settings, _, paths = load_all(stack.tree)
            screen = DrillScreen(Console(stderr=True, highlight=False, soft_wrap=True))
            try:
                drill = Drill(settings, paths, seed, screen, embedded=True, kinds=kinds, outside={BUSY: mongo})
                report = drill.run(seconds, rate, BAD_SHARE)
            finally:
                screen.close()
        if report.broken:
            told = [line for line in fleet.logs().splitlines() if "level=info" not in line]
            print("what the workers said:", *sorted(told)[-WORDS:], sep="\n")
    return report


def open_stack(brokers: int) -> EmbeddedStack:
    if brokers == 1:
        return EmbeddedStack().__enter__()
    from tests.support.cluster import Cluster

    return Cluster().__enter__()


@contextmanager
def environment(wanted: dict[str, str]) -> Iterator[None]:
    """Settings of the fleet for this process, and the caller's own again afterwards."""
    before = {name: value for name, value in os.environ.items() if name.startswith("WORKERS_")}
    for name in before:
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if name.startswith("WORKERS_")})
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("WORKERS_")]:
            del os.environ[name]
        os.environ.update(before)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--brokers", default="1,3", help="1, 3, or both")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--rate", type=int, default=300, help="records a second")
    parser.add_argument("--without", default="", help="kinds of faults to leave out, separated by commas")
    parser.add_argument("--json", action="store_true", help="print each report as one JSON object")
    asked = parser.parse_args()
    failed = False
    for brokers in (int(each) for each in asked.brokers.split(",")):
        print(f"soak: {asked.seconds:.0f} s, {brokers} broker(s), seed {asked.seed}, {asked.rate} records a second")
        began = time.monotonic()
        report = soak(asked.seconds, brokers, asked.seed, asked.rate, frozenset(asked.without.split(",")))
        if asked.json:
            print(json.dumps(report.as_dict()))
        else:
            render_drill.drill(Console(highlight=False, soft_wrap=True), report)
        print(summary(report, brokers, time.monotonic() - began), flush=True)
        failed = failed or not report.passed
        if report.interrupted:
            break
    return int(failed)


def summary(report: DrillReport, brokers: int, seconds: float) -> str:
    return (
        f"{brokers} broker(s): {report.acknowledged:,} acknowledged; lost {report.lost}, twice {report.twice}, "
        f"unexplained {report.unexplained}; dead letters {report.dead_letters:,} of {report.dead_letters_expected:,} bad "
        f"records, {report.good_dead_lettered} of good ones; {len(report.injected)} faults in {seconds:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
