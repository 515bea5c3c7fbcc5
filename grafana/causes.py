"""The folded rows of the fleet's dashboard: where to look when health says that something is wrong."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as build
from health import COMMITTED
from matchers import EACH_PARTITION, EACH_PROCESS, EACH_WORKER, OURS, RATE, TOPIC, WORKER, once
from panels import (
    BLUE,
    COMMITS_A_SECOND,
    GREEN,
    RECORDS,
    RECORDS_A_SECOND,
    RED,
    RETRIES_A_SECOND,
    YELLOW,
    lines,
    number,
    rows,
)

BY_PARTITION = "{{group}} {{topic}} {{partition}}"
BY_TOPIC = "{{group}} {{topic}}"
BY_WORKER = "{{group}} {{host}} {{worker}}"
WAITING = f"min_over_time(workers_lag_records{{{TOPIC}}}[1m]) > 0"
MOVING = f"changes({COMMITTED}[1m]) > 0"
# Where nothing is known, this is nothing too, and not 0.
NONE = f"0 * count(workers_lag_records{{{TOPIC}}})"
HANGING = f"workers_partition_unstable_seconds{{{TOPIC}}} > 90"
MOVED = f"changes(workers_partition_last_stable_offset{{{TOPIC}}}[1m]) > 0"


def workers() -> build.Row:
    row = build.Row("Workers: restarts, and who owns which partition")
    row.with_panel(
        lines(
            "Starts",
            "Times that supervisord started a process. Each one after the first is a restart.",
            "short",
            {
                "{{group}} {{host}} {{process}}": f"sum by ({EACH_PROCESS})"
                f" (increase(workers_process_starts_total{{{OURS}}}[{RATE}]))"
            },
            bars=True,
        )
    )
    row.with_panel(
        lines(
            "Evictions and hangs",
            "Dead workers that the watchdog evicted, and hung ones that it killed, by the kind of hang.",
            "short",
            {
                "evicted": f"sum(increase(workers_evictions_total{{{OURS}}}[{RATE}]))",
                "hung: {{kind}}": f"sum by (kind) (increase(workers_stalls_total{{{OURS}}}[{RATE}]))",
            },
            bars=True,
        )
    )
    row.with_panel(
        lines(
            "Partitions of each worker",
            "After a kill the others have the worker's partitions, until it has joined again.",
            "short",
            {BY_WORKER: f"sum by ({EACH_WORKER}) (workers_assigned_partitions{{{WORKER}}})"},
            stacked=True,
        )
    )
    owner = "group, host, topic, partition, worker"
    return row.with_panel(
        rows(
            "Who owns which partition",
            "The worker of each partition now, and the records a second that it stores.",
            RECORDS_A_SECOND,
            f"sum by ({owner}) (rate(workers_records_total{{{TOPIC}}}[{RATE}]))"
            f" * sum by ({owner}) (workers_partition_owned{{{TOPIC}}})",
            {
                "group": "Group",
                "topic": "Topic",
                "partition": "Partition",
                "host": "Host",
                "worker": "Worker",
                "Value": "Records a second",
            },
            width=24,
        )
    )


def by_topic() -> build.Row:
    """Sums by topic: of many topics with many partitions a line each would hide what is wrong."""
    row = build.Row("Topics: which of them wait")
    row.with_panel(
        number(
            "Topics that are not read",
            "Missing: named by a route, and not in Kafka. Unroutable: no route can have it, so workers halt it.",
            "short",
            {
                "missing": f"sum({once(f'workers_topic_missing{{{TOPIC}}}', 'group, topic')})",
                "unroutable": f"sum({once(f'workers_topic_unroutable{{{TOPIC}}}', 'group, topic')})",
            },
            [(None, GREEN), (1, RED)],
            width=24,
        )
    )
    row.with_panel(
        lines(
            "Records stored a second, by topic",
            "By all workers together.",
            RECORDS_A_SECOND,
            {
                BY_TOPIC: f'sum by (group, topic) (rate(workers_records_total{{outcome="stored", {TOPIC}}}[{RATE}]))',
            },
            stacked=True,
        )
    )
    row.with_panel(
        lines(
            "Lag in records, by topic",
            "Records that can be read and are not committed, over all partitions of the topic.",
            RECORDS,
            {BY_TOPIC: f"sum by (group, topic) ({once(f'workers_lag_records{{{TOPIC}}}')})"},
            stacked=True,
        )
    )
    return row.with_panel(
        lines(
            "Age of the oldest waiting record, by topic",
            "The largest of its partitions. Above the line, 60 seconds, the objective is missed.",
            "s",
            {BY_TOPIC: f"max by (group, topic) (workers_lag_seconds{{{TOPIC}}})"},
            limit=60,
        )
    )


def partitions() -> build.Row:
    row = build.Row("Partitions: which of them lag, are stuck, or come near to retention")
    row.with_panel(
        number(
            "Partitions in trouble",
            "Unowned: assigned to no member. Halted: by its worker, until a restart. Stuck: records have waited for a minute, and nothing is committed. "
            "Hanging: a transaction stays open. Unknown: Kafka does not answer.",
            "short",
            {
                "unowned": f"sum({once(f'workers_partition_unowned{{{TOPIC}}}')})",
                "halted": f"sum({once(f'workers_partition_halted{{{TOPIC}}}')})",
                "stuck": f"count({once(WAITING)} unless on ({EACH_PARTITION}) {MOVING}) or {NONE}",
                "hanging": f"count({once(HANGING)} unless on ({EACH_PARTITION}) {MOVED}) or {NONE}",
                "unknown": f"sum({once(f'workers_partition_unknown{{{TOPIC}}}')})",
            },
            [(None, GREEN), (1, RED)],
            width=24,
        )
    )
    row.with_panel(
        lines(
            "Lag in records",
            "By partition, from Kafka's offsets: it does not depend on any worker. Only what can be read.",
            "short",
            {BY_PARTITION: once(f"workers_lag_records{{{TOPIC}}}")},
            width=6,
            stacked=True,
        )
    )
    row.with_panel(
        lines(
            "Time since a commit moved",
            "By partition. It also grows where no records arrive: compare it with the lag.",
            "s",
            {BY_PARTITION: f"time() - {once(f'workers_partition_last_commit_timestamp_seconds{{{TOPIC}}}')}"},
            width=6,
        )
    )
    row.with_panel(
        lines(
            "Records behind open transactions",
            "By partition: acknowledged by Kafka, and not to be read before a transaction ends. One that stays, hangs.",
            "short",
            {BY_PARTITION: once(f"workers_partition_unstable_records{{{TOPIC}}}")},
            width=6,
            stacked=True,
        )
    )
    return row.with_panel(
        lines(
            "Distance from retention",
            "Retention headroom: records from the log start to the committed offset. Below 0, records were lost.",
            "short",
            {BY_PARTITION: once(f"workers_partition_retention_headroom_records{{{TOPIC}}}")},
            width=6,
        )
    )


def rebalances() -> build.Row:
    row = build.Row("Rebalances and commits")
    row.with_panel(
        lines(
            "Rebalances",
            "Times that partitions were assigned to a worker, revoked, or lost.",
            "short",
            {"{{event}}": f"sum by (event) (increase(workers_rebalances_total{{{OURS}}}[{RATE}]))"},
            width=12,
            bars=True,
            colors={"lost": RED},
        )
    )
    return row.with_panel(
        lines(
            "Commits",
            "By result. After any but ok, the records are redelivered and found stored.",
            COMMITS_A_SECOND,
            {"{{result}}": f"sum by (result) (rate(workers_commits_total{{{OURS}}}[{RATE}]))"},
            width=12,
            colors={"ok": GREEN, "rebalanced": BLUE, "timeout": YELLOW, "error": RED},
        )
    )


def database() -> build.Row:
    row = build.Row("The database")
    buckets = f"sum by (le) (rate(workers_write_seconds_bucket{{{OURS}}}[{RATE}]))"
    row.with_panel(
        lines(
            "Time of a write",
            "Until the database acknowledged a batch: half of them were faster than p50, all but one in a hundred than p99.",
            "s",
            {"p50": f"histogram_quantile(0.5, {buckets})", "p99": f"histogram_quantile(0.99, {buckets})"},
        )
    )
    row.with_panel(
        lines(
            "Records in a batch",
            "On average, whatever topics it has. Small: the fleet keeps up. Large: it is catching up.",
            "short",
            {
                "records": f"sum(rate(workers_records_total{{{OURS}}}[{RATE}]))"
                f" / sum(rate(workers_batches_total{{{OURS}}}[{RATE}]))"
            },
        )
    )
    return row.with_panel(
        lines(
            "Retries",
            "Writes that failed while the sink was unavailable, and were retried, by reason.",
            RETRIES_A_SECOND,
            {"{{reason}}": f"sum by (reason) (rate(workers_write_retries_total{{{OURS}}}[{RATE}]))"},
        )
    )


def processes() -> build.Row:
    row = build.Row("Processes")
    for title, description, unit, expression in (
        (
            "Processor",
            "Cores in use by each process; one of them can use a little more than one.",
            "percentunit",
            f"rate(process_cpu_seconds_total{{{OURS}}}[{RATE}])",
        ),
        (
            "Memory",
            "Resident memory of each process. A worker beyond WORKERS_MEMORY_LIMIT ends and is started again.",
            "bytes",
            f"process_resident_memory_bytes{{{OURS}}}",
        ),
        (
            "Time since a worker's last loop iteration",
            "Since its loop last polled. It grows for a worker that hangs, until the watchdog kills it.",
            "s",
            f"time() - workers_last_poll_timestamp_seconds{{{WORKER}}}",
        ),
    ):
        row.with_panel(lines(title, description, unit, {"{{group}} {{host}} {{job}} {{worker}}": expression}))
    return row
