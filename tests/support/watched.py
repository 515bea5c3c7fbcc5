"""What the dashboards are looked at with: a Prometheus of a whole company, in which our fleets are two among others.

One fleet of four workers, one of two, in groups of their own on the same topic. Jobs of somebody else serve our names, and
have labels like ours, but not `app`: whatever of them enters a query makes a number too large for anything of ours. And
a third fleet of ours, which is only its metrics, has the label `route`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.support import scrape
from tests.support.dashboards import Query
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.exporter import Exporter, with_value
from tests.support.fleet import Fleet
from tests.support.kafka_view import KafkaView
from tests.support.prometheus import SCRAPE_SECONDS, Prometheus

APP = "kafka-mongo-workers"
EVERY_PROCESS = {"worker_00", "worker_01", "worker_02", "worker_03", "lag", "watchdog", "auditor"}
VICTIM, VICTIM_NAME = 1, "worker_01"
PARTITIONS = 6
FOREIGN = 1e15
"""Every series of somebody else is larger than this, and grows by it each second: it is no time, and no count, of ours."""
ROUTED = "routed"
ROUTES = {"orders": 100, "refunds": 10}
"""Records a second, by route, of the third fleet."""
ALL = {"job": ".+", "instance": ".+", "group": ".+", "host": ".+", "topic": ".+", "route": ".*"}
"""What Grafana sends for All."""
FOREIGN_RULES = """
groups: [{name: foreign, rules: [{alert: SomebodyElses, expr: vector(1), labels: {severity: critical, group: production}}]}]
"""


class Watched(NamedTuple):
    """Fleets that stored numbers and a line that is none; the first lost a worker by kill -9, and got it back."""

    fleet: Fleet
    second: Fleet
    prometheus: Prometheus
    begin: float
    end: float

    def series(self, expression: str) -> list[dict[str, str]]:
        """The labels of all that it found at any time."""
        return [each["metric"] for each in self.prometheus.query_range(expression, self.begin, self.end)]

    def filled(self, query: Query, **chosen: str) -> str:
        # A person looks at minutes at least; a subquery over less than its step finds nothing.
        window = f"{max(60, self.end - self.begin):.0f}s"
        words = {**ALL, "worker": VICTIM_NAME, "__rate_interval": "10s", "__range": window}
        return query.filled(**(words | chosen))

    def choices(self) -> dict[str, dict[str, str]]:
        """What a person chooses above the panels of the fleet's dashboard."""
        return {
            "all": {},
            "the first": {"group": self.fleet.group},
            "the second": {"group": self.second.group},
            # Grafana's form for several.
            "both": {"group": f"({self.fleet.group}|{self.second.group})"},
        }


@contextmanager
def watched(stack: EmbeddedStack) -> Iterator[Watched]:
    with Fleet(stack) as fleet, second_fleet(stack, fleet) as second:
        fleet.produce("--count", "600")
        fleet.wait_assigned(PARTITIONS)
        second.wait_assigned(PARTITIONS)
        (fleet.tree / "deploy/prometheus/rules/foreign.yml").write_text(FOREIGN_RULES)
        pages = foreign_pages(fleet)
        with Exporter({**pages, "/routed": routed_page(time.time())}) as exporter:
            targets = [
                exporter.target(path, job=path[1:], group="production", host="elsewhere", worker="worker_00")
                for path in pages
            ]
            ours = {"app": APP, "group": ROUTED, "host": "elsewhere"}
            targets.append(exporter.target("/routed", job="workers", worker="worker_00", **ours))
            with Prometheus(fleet, [second], targets) as prometheus:
                begin = time.time()
                drill(fleet, second, prometheus)
                # What was seen last may lie between two steps.
                yield Watched(fleet, second, prometheus, begin, time.time() + SCRAPE_SECONDS)


def second_fleet(stack: EmbeddedStack, first: Fleet) -> Fleet:
    fleet = Fleet(stack, {"WORKERS_TOPIC": first.topic})
    fleet.topic = first.topic
    fleet.kafka = KafkaView(stack.bootstrap_servers, first.topic, fleet.group)
    fleet.local_d("two", "[program:worker]\nnumprocs=2\n")
    return fleet


def foreign_pages(fleet: Fleet) -> dict[str, Callable[[], str]]:
    """By path, which is the name of a job: what our process of that job serves, with other numbers."""
    ports = {
        "/workers": fleet.metrics_port,
        "/lag": fleet.lag_port,
        "/watchdog": fleet.watchdog_port,
        "/auditor": fleet.auditor_port,
    }
    texts = {path: scrape.page(port, "/metrics")[1] for path, port in ports.items()}
    assert all(texts.values())
    return {path: growing(text) for path, text in texts.items()}


def growing(text: str) -> Callable[[], str]:
    since = time.time()
    return lambda: with_value(text, FOREIGN * (2 + time.time() - since))


def routed_page(since: float) -> Callable[[], str]:
    def page() -> str:
        return "".join(
            f'workers_records_total{{topic="orders",partition="0",outcome="stored",route="{route}"}} '
            f"{rate * (time.time() - since)}\n"
            for route, rate in ROUTES.items()
        )

    return page


def drill(fleet: Fleet, second: Fleet, prometheus: Prometheus) -> None:
    wait_until(lambda: prometheus.up() == dict.fromkeys(EVERY_PROCESS, 1), 30, "all is scraped")
    (fleet.tree / "poison").write_text("no json\n")
    producing = fleet.producing("--count", "100000", "--interval", "0.002")
    fleet.produce("--from", "poison")
    for each in (fleet, second):
        wait_flow(prometheus, each)
    second.supervisor("stopProcess", f"worker:{VICTIM_NAME}")
    killed = fleet.kill(VICTIM)
    second.supervisor("startProcess", f"worker:{VICTIM_NAME}")
    fleet.wait_restarted(VICTIM, killed)
    for each in (fleet, second):
        wait_working(prometheus, each)
    producing.kill()
    for each in (fleet, second):
        each.wait_committed()
    stale = f'avg_over_time(max(workers_lag_seconds{{app="{APP}"}})[1m:15s])'
    wait_until(lambda: prometheus.query(stale), 60, "a step of 15 s is over")
    for each in (fleet, second):
        wait_quiet(prometheus, each)


def wait_flow(prometheus: Prometheus, fleet: Fleet) -> None:
    of_fleet = f'{{app="{APP}", group="{fleet.group}"}}'
    # A count that nobody scraped dies with its process.
    wait_until(
        lambda: prometheus.query(f"sum(workers_dead_letters_total{of_fleet}) > 0"), 30, "the dead letter is seen"
    )
    wait_until(lambda: prometheus.query(f"sum(rate(workers_records_total{of_fleet}[10s])) > 0"), 30, "numbers flow")


def wait_working(prometheus: Prometheus, fleet: Fleet) -> None:
    wait_until(lambda: restarted(prometheus, fleet), 30, "Prometheus sees the restart")
    fleet.wait_assigned(PARTITIONS)
    fired = f'ALERTS{{alertname="DeadLetters", alertstate="firing", group="{fleet.group}"}}'
    wait_until(lambda: prometheus.query(fired), 30, "an alert")
    working = f"sum(rate(workers_write_seconds_count{of_victim(fleet)}[10s])) > 0"
    wait_until(lambda: prometheus.query(working), 30, "it works")


def wait_quiet(prometheus: Prometheus, fleet: Fleet) -> None:
    """Until Prometheus has seen that all is committed, for as long as the panels look back."""
    of_fleet = f'{{app="{APP}", group="{fleet.group}"}}'
    committed = f"min_over_time(kafka_consumergroup_current_offset{of_fleet}[10s]) >= 0"
    wait_until(lambda: prometheus.query(committed), 60, f"the commits are seen; {lag_log(fleet)}")
    quiet = f"sum(rate(workers_records_total{of_fleet}[10s])) == 0 and sum(workers_lag_records{of_fleet}) == 0"
    wait_until(lambda: prometheus.query(quiet), 60, "Prometheus sees that all is stored")


def restarted(prometheus: Prometheus, fleet: Fleet) -> bool:
    """By the word of the new process, and by that of the watchdog."""
    began = prometheus.query(f"changes(process_start_time_seconds{of_victim(fleet)}[5m]) > 0")
    of_process = of_victim(fleet).replace("worker=", "process=")
    return bool(began and prometheus.query(f"increase(workers_process_starts_total{of_process}[5m]) > 0"))


def of_victim(fleet: Fleet) -> str:
    return f'{{app="{APP}", group="{fleet.group}", worker="{VICTIM_NAME}"}}'


def lag_log(fleet: Fleet) -> str:
    return (fleet.tree / "var/log/lag.log").read_text()[-2_000:]
