"""Dashboards and alerts against the real thing: a Prometheus that scrapes a fleet, in which a worker is killed.

What nothing else proves: that each query finds something, under the labels that its panel shows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

from tests.support.dashboards import NAMES, Query, queries, variables
from tests.support.embedded import REPOSITORY, EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.prometheus import SCRAPE_SECONDS, Prometheus

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

EVERY_PROCESS = {"worker_00", "worker_01", "worker_02", "worker_03", "lag", "watchdog", "auditor"}
VICTIM = 1
RULES = REPOSITORY / "deploy/prometheus/rules"
WORDS = {"job": ".+", "instance": ".+", "topic": ".+", "worker": f"worker_{VICTIM:02d}", "__rate_interval": "10s"}


class Drill(NamedTuple):
    """A fleet that stored numbers and a line that is none, lost a worker by kill -9, and got it back."""

    fleet: Fleet
    prometheus: Prometheus
    begin: float
    end: float

    def series(self, expression: str) -> list[dict[str, str]]:
        """The labels of all that it found at any time."""
        return [each["metric"] for each in self.prometheus.query_range(expression, self.begin, self.end)]


@pytest.fixture(scope="module")
def drill(stack: EmbeddedStack) -> Iterator[Drill]:
    with Fleet(stack) as fleet, Prometheus(fleet) as prometheus:
        begin = time.time()
        fleet.produce("--count", "600")
        fleet.wait_assigned(6)
        wait_until(lambda: prometheus.up() == dict.fromkeys(EVERY_PROCESS, 1), 30, "all is scraped")
        (fleet.tree / "poison").write_text("no json\n")
        producing = fleet.producing("--count", "100000", "--interval", "0.002")
        fleet.produce("--from", "poison")
        # A count that nobody scraped dies with its process.
        wait_until(lambda: prometheus.query("sum(workers_dead_letters_total) > 0"), 30, "the dead letter is seen")
        wait_until(lambda: prometheus.query("sum(rate(workers_records_total[10s])) > 0"), 30, "numbers flow")
        killed = fleet.kill(VICTIM)
        fleet.wait_restarted(VICTIM, killed)
        wait_until(lambda: restarted(prometheus), 30, "Prometheus sees the restart")
        fleet.wait_assigned(6)
        wait_until(lambda: prometheus.query('ALERTS{alertname="DeadLetters", alertstate="firing"}'), 30, "an alert")
        wait_until(
            lambda: prometheus.query(f"sum(rate(workers_write_seconds_count{of_victim()}[10s])) > 0"), 30, "it works"
        )
        producing.kill()
        fleet.wait_committed()
        wait_until(
            lambda: prometheus.query("avg_over_time(max(workers_lag_seconds)[1m:15s])"), 60, "a step of 15 s is over"
        )
        committed = "min_over_time(kafka_consumergroup_current_offset[10s]) >= 0"
        wait_until(lambda: prometheus.query(committed), 60, f"the commits are seen; {lag_log(fleet)}")
        # What was seen last may lie between two steps.
        yield Drill(fleet, prometheus, begin, time.time() + SCRAPE_SECONDS)


def lag_log(fleet: Fleet) -> str:
    return (fleet.tree / "var/log/lag.log").read_text()[-2_000:]


def of_victim() -> str:
    return f'{{worker="worker_{VICTIM:02d}"}}'


def restarted(prometheus: Prometheus) -> bool:
    """By the word of the new process, and by that of the watchdog."""
    began = prometheus.query(f"changes(process_start_time_seconds{of_victim()}[5m]) > 0")
    started = prometheus.query(f'increase(workers_process_starts_total{{process="worker_{VICTIM:02d}"}}[5m]) > 0')
    return bool(began and started)


@pytest.mark.parametrize("name", NAMES)
def test_every_query_of_the_dashboard_finds_something_under_the_labels_that_it_shows(drill: Drill, name: str) -> None:
    empty, unlabelled = [], []
    for query in queries(name):
        found = drill.series(filled(query, drill))
        if not found:
            empty.append(f"{query.where}: {query.expression}")
        unlabelled += [f"{query.where}: {series}" for series in found if not any_label(query, series)]
    assert (empty, unlabelled) == ([], [])


def filled(query: Query, drill: Drill) -> str:
    # A person looks at minutes at least; a subquery over less than its step finds nothing.
    return query.filled(**WORDS, __range=f"{max(60, drill.end - drill.begin):.0f}s")


def any_label(query: Query, series: dict[str, str]) -> bool:
    """A legend may name a label that only some series have: {{job}} {{worker}}."""
    return not query.labels or bool(query.labels & series.keys())


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_offers_what_there_is(drill: Drill, name: str) -> None:
    fleet = drill.fleet
    wanted = {
        "job": {"workers", "lag", "watchdog", "auditor"},
        "instance": {f"127.0.0.1:{fleet.metrics_port + slot}" for slot in range(4)}
        | {f"127.0.0.1:{port}" for port in (fleet.lag_port, fleet.watchdog_port, fleet.auditor_port)},
        "topic": {fleet.topic},
        "worker": {process for process in EVERY_PROCESS if process.startswith("worker_")},
    }
    for variable in variables(name).values():
        if variable["type"] != "query":
            continue
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]).groups()
        matching = series.replace("$job", ".+")
        assert set(drill.prometheus.api(f"label/{label}/values", **{"match[]": matching})) == wanted[variable["name"]]


def test_the_labels_are_slots_and_partitions_and_never_pids(drill: Drill) -> None:
    owners = drill.series("sum by (worker, partition) (workers_records_total)")
    assert {each["worker"] for each in owners} == {name for name in EVERY_PROCESS if name.startswith("worker_")}
    assert {each["partition"] for each in owners} == set("012345")
    labels = set(drill.prometheus.api("labels"))
    assert not labels & {"pid", "offset", "error", "member", "process_name"}


def test_every_rule_is_evaluated_and_finds_the_series_that_it_asks_for(drill: Drill) -> None:
    groups = drill.prometheus.api("rules")["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    written = [
        rule
        for file in RULES.glob("*.yml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]

    assert {rule.get("alert") or rule["record"] for rule in written} == set(rules)
    assert {name: rule["lastError"] for name, rule in rules.items() if rule["health"] != "ok"} == {}
    # Those look back once a minute, and the drill may be over before; promtool tests them.
    late = re.compile(r"workers:stale:ratio_")
    asked = {selector for rule in written for selector in selectors(rule["expr"]) if not late.match(selector)}
    assert [selector for selector in sorted(asked) if not drill.series(selector)] == []


def selectors(expression: str) -> list[str]:
    """Names with their matchers: the metrics that an expression reads."""
    found = re.findall(r"\b((?:up|workers?[_:]\w[\w:]*|kafka_\w+)(?:{[^}]*})?)", expression)
    assert found or "vector" in expression, expression
    return found


def test_the_drill_ends_with_nothing_firing_but_what_happened(drill: Drill) -> None:
    def firing() -> set[str]:
        return {each["metric"]["alertname"] for each in drill.prometheus.query('ALERTS{alertstate="firing"}')}

    wait_until(lambda: firing() == {"DeadLetters", "Heartbeat"}, 30, f"these fire, and not {firing()}")


def test_a_worker_that_is_down_stays_listed_and_a_broken_target_file_takes_nobody_away(drill: Drill) -> None:
    fleet, prometheus = drill.fleet, drill.prometheus
    fleet.supervisor("stopProcess", "worker:worker_03")
    wait_until(lambda: prometheus.up() == dict.fromkeys(EVERY_PROCESS, 1) | {"worker_03": 0}, 30, "it is seen as down")

    prometheus.targets_file.write_text('[{"targets": ["127.0.0.1:1"')
    wait_until(lambda: "targets.json" in prometheus.log.read_text(), 30, "it says which file is broken")
    assert prometheus.up().keys() == EVERY_PROCESS

    assert prometheus.write_targets().returncode == 0
    fleet.supervisor("startProcess", "worker:worker_03")
    wait_until(lambda: prometheus.up() == dict.fromkeys(EVERY_PROCESS, 1), 30, "all is scraped again")
