"""Writes docs/metrics.md from the code: every metric, its type, its labels, its meaning. `make docs` runs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workers.errors import RetryReason, SinkUnavailableError
from workers.kafka.admin import GroupDescription, Member, PartitionOffsets
from workers.monitoring.audit_metrics import AuditMetrics
from workers.monitoring.lag import lag_snapshot
from workers.monitoring.lag_metrics import LagMetrics
from workers.monitoring.output_metrics import OutputMetrics
from workers.monitoring.pause_metrics import PauseMetrics
from workers.monitoring.watchdog_metrics import WatchdogMetrics
from workers.monitoring.worker_metrics import WorkerMetrics
from workers.pauses import Pause, Pauses
from workers.state.audit_file import Audit
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

PAGE = Path(__file__).parent / "metrics.md"
HEAD = """# Metrics

Made from the code by `make docs`; a test fails when it is not what the code says.

Every series of a worker, of the watchdog, of `workers lag` and of `workers audit` is served by a process of its own, in Prometheus' text
format. Counters begin at 0 with their process; a series that is known beforehand is there from the beginning, so that
`rate()` and `increase()` see its first event. No label is a pid, an offset or a text of an error. `process_*` and
`python_*` are the Prometheus client's own.

Prometheus adds the labels of the target. Rules and dashboards ask for them, so that they are of our processes and of one
fleet in a Prometheus of many jobs. `var/run/targets.json` has them; targets from elsewhere, as in Kubernetes, need the same:

| label | meaning |
|---|---|
| `app` | Always `kafka-mongo-workers`. |
| `job` | One of `workers`, `lag`, `watchdog`, `auditor`. |
| `group` | The consumer group, `WORKERS_GROUP`. |
| `host` | The machine, or the node. |
| `worker` | Of a worker: its slot (`worker_00`), or its pod. |

With several topics (`WORKERS_ROUTES`) every series that has the label `topic` has the label `route` too: the name of the route, as
`--route` takes it. With one topic no series has it. The number of series grows with topics and partitions, and with nothing else:
with twenty topics of six partitions the page of each of three workers is 65 KB, and that of `workers lag` 150 KB.

What scrapes cost: a page is 9 KB, does not grow, and takes 3 ms of the worker's CPU. Scraped 50 times a second, which is
a hundred times what `deploy/prometheus/` does, a worker that drains a backlog as fast as it can keeps 90 % of its speed;
beside 20 clients that ask and never read it keeps all of it. (`python -m bench.scrape`, 16 rounds of each beside a worker
that nobody asks; two cores, with Kafka, the database and other work on them, so single rounds lie between 69 % and 112 %
with the scrapes, and between 74 % and 132 % with those clients.)
"""


def workers() -> CollectorRegistry:
    """With every label set once."""
    metrics = WorkerMetrics("numtest")
    OutputMetrics(metrics.registry, lambda: None, lambda: 0, lambda: 0)
    metrics.owns([TopicPartition("numtest", 0)])
    metrics.paused({TopicPartition("numtest", 0): Pause("", "", 0.0)})
    metrics.sink_unavailable(SinkUnavailableError(RetryReason.TIMEOUT, ""), 1, 0.1)
    return metrics.registry


def watchdog() -> CollectorRegistry:
    metrics = WatchdogMetrics()
    metrics.set_processes([("worker_00", "RUNNING")])
    return metrics.registry


def lag() -> CollectorRegistry:
    partition = TopicPartition("numtest", 0)
    group = GroupDescription("Stable", {"m": Member("worker_00", "127.0.0.1", [partition])})
    seen = lag_snapshot(1.0, group, {partition: PartitionOffsets(0, 2, 1)}, {partition: 0.5}, {})
    metrics = LagMetrics("counters", "numtest", lambda: seen, lambda: 1.0)
    PauseMetrics(metrics.registry, lambda: seen, lambda: Pauses((Pause("", "", 0.0),)))
    return metrics.registry


def audit() -> CollectorRegistry:
    return AuditMetrics(lambda: Audit(1.0, until=1.0, passed=1.0, done=1.0), lambda: 1.0).registry


PARTS = (
    ("A worker", "`workers run`, `127.0.0.1:9800` + slot (`WORKERS_METRICS_PORT`)", workers),
    ("The group", "`workers lag`, `127.0.0.1:9790` (`WORKERS_LAG_PORT`); it needs no worker to live", lag),
    ("The processes", "`workers watchdog`, `127.0.0.1:9791` (`WORKERS_WATCHDOG_PORT`)", watchdog),
    ("The proof", "`workers audit`, `127.0.0.1:9792` (`WORKERS_AUDITOR_PORT`)", audit),
)


def rows(registry: CollectorRegistry) -> Iterator[str]:
    for family in sorted(registry.collect(), key=lambda family: family.name):
        if not family.name.startswith(("workers_", "kafka_")):
            continue
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = dict.fromkeys(label for sample in family.samples for label in sample.labels if label != "le")
        listed = ", ".join(f"`{label}`" for label in labels)
        yield f"| `{name}` | {family.type} | {listed} | {family.documentation} |"


VALUES = """
## Values of labels

Those that a worker and the watchdog can have, of the labels that are neither a name nor a number.

| metric | label | values |
|---|---|---|
"""
NAMES = ("topic", "partition", "process", "worker", "le", "version", "kafka_python", "pymongo")
"""Labels whose values are not a closed set."""


def values(registry: CollectorRegistry) -> Iterator[str]:
    """What each label of a closed set can be: the series that are there from the beginning say so."""
    for family in sorted(registry.collect(), key=lambda family: family.name):
        name = family.name + {"counter": "_total"}.get(family.type, "")
        for label in dict.fromkeys(label for sample in family.samples for label in sample.labels):
            if label not in NAMES and family.name.startswith("workers_"):
                found = sorted({sample.labels[label] for sample in family.samples if label in sample.labels})
                yield f"| `{name}` | `{label}` | {', '.join(f'`{value}`' for value in found)}. |"


def page() -> str:
    text = HEAD
    for title, where, registry in PARTS:
        text += f"\n## {title}\n\n{where}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"
        text += "\n".join(rows(registry())) + "\n"
    return text + VALUES + "\n".join(row for make in (workers, watchdog) for row in values(make())) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
