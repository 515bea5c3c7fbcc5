"""Dashboards and alerts against the real thing: a Prometheus that scrapes two fleets, and jobs of somebody else.

What nothing else proves: that each query finds something, under the labels that its panel shows, and nothing of anybody
who was not chosen.
"""

from __future__ import annotations

import math
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.dashboards import NAMES, Query, queries, variables
from tests.support.embedded import REPOSITORY, EmbeddedStack, wait_until
from tests.support.promql import Selector, selectors
from tests.support.watched import APP, EVERY_PROCESS, FOREIGN, PARTITIONS, ROUTED, ROUTES, Watched, watched

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

RULES = REPOSITORY / "deploy/prometheus/rules"


@pytest.fixture(scope="module")
def drill(stack: EmbeddedStack) -> Iterator[Watched]:
    with watched(stack) as found:
        yield found


@pytest.mark.parametrize("name", NAMES)
def test_every_query_of_the_dashboard_finds_something_under_the_labels_that_it_shows(drill: Watched, name: str) -> None:
    empty, unlabelled = [], []
    for choice, chosen in choices(drill, name).items():
        for query in queries(name):
            found = drill.series(drill.filled(query, **chosen))
            if not found:
                empty.append(f"{choice}, {query.where}: {query.expression}")
            unlabelled += [f"{query.where}: {series}" for series in found if not any_label(query, series)]
    assert (empty, unlabelled) == ([], [])


@pytest.mark.parametrize("name", NAMES)
def test_no_query_shows_anything_of_another_fleet_or_of_somebody_else(drill: Watched, name: str) -> None:
    first, second = drill.fleet.group, drill.second.group
    of = {"all": {first, second, ROUTED}, "the first": {first}, "the second": {second}, "both": {first, second}}
    wrong = []
    for choice, chosen in choices(drill, name).items():
        for query in queries(name):
            for each in drill.prometheus.query_range(drill.filled(query, **chosen), drill.begin, drill.end):
                of_others = each["metric"].get("group") not in {None, *of[choice]}
                if of_others or any(FOREIGN <= abs(float(value)) < math.inf for _, value in each["values"]):
                    wrong.append(f"{choice}, {query.where}: {each['metric']}")
    assert wrong == []


def choices(drill: Watched, name: str) -> dict[str, dict[str, str]]:
    """One worker is of one group."""
    every = drill.choices()
    return every if name == "fleet.json" else {choice: every[choice] for choice in ("the first", "the second")}


def any_label(query: Query, series: dict[str, str]) -> bool:
    """A legend may name a label that only some series have: {{job}} {{worker}}."""
    return not query.labels or bool(query.labels & series.keys())


def shown(drill: Watched, title: str, **chosen: str) -> list[dict[str, Any]]:
    """What a panel of the fleet's dashboard shows now."""
    (query, *_) = [each for each in queries("fleet.json") if f", {title!r}, A" in each.where]
    return drill.prometheus.query(drill.filled(query, **chosen))


def test_the_first_row_tells_the_truth_of_the_chosen_fleets(drill: Watched) -> None:
    for choice, count in {"the first": 4, "the second": 2, "both": 6}.items():
        chosen = drill.choices()[choice]
        (workers,) = shown(drill, "Workers", **chosen)
        assert (workers["metric"], float(workers["value"][1])) == ({"up": str(count), "configured": str(count)}, 0)
        for title in ("Lag", "Age of the oldest", "Throughput"):
            assert [float(each["value"][1]) for each in shown(drill, title, **chosen)] == [0], title
        (until,) = shown(drill, "Every record is accounted for until", **chosen)
        assert drill.begin < float(until["value"][1]) / 1000 <= time.time()
        firing = of_fleets(drill, chosen.get("group", ".+"))
        assert [float(each["value"][1]) for each in shown(drill, "Alerts", **chosen)] == [len(firing)]


def of_fleets(drill: Watched, groups: str) -> list[str]:
    found = drill.prometheus.query('ALERTS{alertstate="firing"}')
    ours = [each["metric"] for each in found if re.fullmatch(groups, each["metric"].get("group", ""))]
    return [each["alertname"] for each in ours if each["alertname"] not in ("Heartbeat", "SomebodyElses")]


def test_each_partition_has_one_owner_in_each_fleet(drill: Watched) -> None:
    for choice, fleets in {"the first": 1, "the second": 1, "both": 2}.items():
        assert len(shown(drill, "Who owns which partition", **drill.choices()[choice])) == fleets * PARTITIONS


def test_a_route_can_be_chosen_as_soon_as_there_is_one(drill: Watched) -> None:
    def rate(**chosen: str) -> float:
        (found,) = shown(drill, "Throughput", group=ROUTED, **chosen)
        return float(found["value"][1])

    assert [rate(route=route) for route in ROUTES] == pytest.approx(list(ROUTES.values()), rel=0.05)
    assert rate() == pytest.approx(sum(ROUTES.values()), rel=0.05)
    # The others have none: they are seen as long as nobody chooses one.
    assert shown(drill, "Throughput", group=drill.fleet.group)
    assert shown(drill, "Throughput", group=drill.fleet.group, route="orders") == []


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_offers_what_there_is_of_ours(drill: Watched, name: str) -> None:
    fleet = drill.fleet
    chosen = {"group": fleet.group, "host": ".+", "job": ".+"}
    wanted = {
        "group": {fleet.group, drill.second.group, ROUTED},
        "host": {socket.gethostname()},
        "job": {"workers", "lag", "watchdog", "auditor"},
        "instance": {f"127.0.0.1:{fleet.metrics_port + slot}" for slot in range(4)}
        | {f"127.0.0.1:{port}" for port in (fleet.lag_port, fleet.watchdog_port, fleet.auditor_port)},
        "topic": {fleet.topic},
        "route": set(),
        "worker": {process for process in EVERY_PROCESS if process.startswith("worker_")},
    }
    for variable in variables(name).values():
        if variable["type"] != "query":
            continue
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]).groups()
        matching = Query("", series, set()).filled(**chosen)
        assert set(drill.prometheus.api(f"label/{label}/values", **{"match[]": matching})) == wanted[variable["name"]]


def test_the_labels_are_slots_and_partitions_and_never_pids(drill: Watched) -> None:
    owners = drill.series(f'sum by (worker, partition) (workers_records_total{{group="{drill.fleet.group}"}})')
    assert {each["worker"] for each in owners} == {name for name in EVERY_PROCESS if name.startswith("worker_")}
    assert {each["partition"] for each in owners} == set("012345")
    labels = set(drill.prometheus.api("labels"))
    assert not labels & {"pid", "offset", "error", "member", "process_name"}


def test_every_rule_is_evaluated_and_finds_the_series_that_it_asks_for(drill: Watched) -> None:
    groups = drill.prometheus.api("rules")["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"] if group["name"] != "foreign"}
    written = [
        rule
        for file in RULES.glob("*.yml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]

    assert {rule.get("alert") or rule["record"] for rule in written} == set(rules)
    assert {name: rule["lastError"] for name, rule in rules.items() if rule["health"] != "ok"} == {}
    # The first look back once a minute, and the drill may be over before; the others need a pause. promtool tests them.
    late = re.compile(r"workers:stale:ratio_|workers_(lag_)?partition_paused")
    asked = {text for rule in written for text in map(as_text, selectors(rule["expr"])) if not late.match(text)}
    assert [text for text in sorted(asked) if not drill.series(text)] == []


def as_text(selector: Selector) -> str:
    matchers = (f'{label}{operator}"{value}"' for label, (operator, value) in selector.matchers.items())
    return f"{selector.metric}{{{', '.join(matchers)}}}"


def test_the_drill_ends_with_nothing_firing_but_what_happened(drill: Watched) -> None:
    def firing() -> set[str]:
        ours = f'ALERTS{{alertstate="firing", app="{APP}", group=~"{drill.fleet.group}|{drill.second.group}|"}}'
        return {each["metric"]["alertname"] for each in drill.prometheus.query(ours)}

    wait_until(lambda: firing() == {"DeadLetters", "Heartbeat"}, 30, f"these fire, and not {firing()}")


def test_a_worker_that_is_down_stays_listed_and_a_broken_target_file_takes_nobody_away(drill: Watched) -> None:
    fleet, prometheus = drill.fleet, drill.prometheus
    fleet.supervisor("stopProcess", "worker:worker_03")
    wait_until(lambda: prometheus.up() == dict.fromkeys(EVERY_PROCESS, 1) | {"worker_03": 0}, 30, "it is seen as down")

    prometheus.targets_file.write_text('[{"targets": ["127.0.0.1:1"')
    wait_until(lambda: "targets.json" in prometheus.log.read_text(), 30, "it says which file is broken")
    assert prometheus.up().keys() == EVERY_PROCESS

    prometheus.write_targets()
    fleet.supervisor("startProcess", "worker:worker_03")
    wait_until(lambda: prometheus.up() == dict.fromkeys(EVERY_PROCESS, 1), 30, "all is scraped again")
