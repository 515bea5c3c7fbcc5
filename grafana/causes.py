"""The lower half of the fleet's dashboard: where to look when the upper half says that something is wrong."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as build
from panels import BLUE, GREEN, OURS, RATE, RED, TOPIC, WORKER, YELLOW, lines


def group(made: build.Dashboard) -> None:
    made.with_row(build.Row("Rebalances and commits"))
    made.with_panel(
        lines(
            "Rebalances",
            "Times that partitions were assigned to a worker, revoked, or lost.",
            "short",
            {"{{event}}": f"sum by (event) (increase(workers_rebalances_total{{{OURS}}}[{RATE}]))"},
            width=6,
            bars=True,
            colors={"lost": RED},
        )
    )
    made.with_panel(
        lines(
            "Commits",
            "By result. After any but ok, the records are redelivered and found stored.",
            "ops",
            {"{{result}}": f"sum by (result) (rate(workers_commits_total{{{OURS}}}[{RATE}]))"},
            width=6,
            colors={"ok": GREEN, "rebalanced": BLUE, "timeout": YELLOW, "error": RED},
        )
    )
    made.with_panel(
        lines(
            "Time since a commit moved",
            "By partition. It also grows where no records arrive: compare it with the lag.",
            "s",
            {"{{topic}} {{partition}}": f"time() - workers_partition_last_commit_timestamp_seconds{{{TOPIC}}}"},
            width=6,
        )
    )
    made.with_panel(
        lines(
            "Evictions and hangs",
            "Dead workers that the watchdog evicted, and hung ones that it killed, by the kind of hang.",
            "short",
            {
                "evicted": f"sum(increase(workers_evictions_total{{{OURS}}}[{RATE}]))",
                "hung: {{kind}}": f"sum by (kind) (increase(workers_stalls_total{{{OURS}}}[{RATE}]))",
            },
            width=6,
            bars=True,
        )
    )


def database(made: build.Dashboard) -> None:
    made.with_row(build.Row("The database"))
    buckets = f"sum by (le) (rate(workers_write_seconds_bucket{{{OURS}}}[{RATE}]))"
    made.with_panel(
        lines(
            "Time of a write",
            "Until the database acknowledged a batch: half of them were faster than p50, all but one in a hundred than p99.",
            "s",
            {"p50": f"histogram_quantile(0.5, {buckets})", "p99": f"histogram_quantile(0.99, {buckets})"},
            width=6,
        )
    )
    made.with_panel(
        lines(
            "Records in a batch",
            "On average. Small: the fleet keeps up. Large: it is catching up.",
            "short",
            {
                "records": f"sum(rate(workers_records_total{{{TOPIC}}}[{RATE}]))"
                f" / sum(rate(workers_batches_total{{{OURS}}}[{RATE}]))"
            },
            width=6,
        )
    )
    made.with_panel(
        lines(
            "Duplicates and dead letters",
            "Redelivered records that were found stored, as after every kill; and those that cannot be stored, by reason.",
            "rps",
            {
                "duplicate": f'sum(rate(workers_records_total{{outcome="duplicate", {TOPIC}}}[{RATE}]))',
                "{{reason}}": f"sum by (reason) (rate(workers_dead_letters_total{{{TOPIC}}}[{RATE}])) > 0",
            },
            width=6,
            colors={"duplicate": YELLOW},
        )
    )
    made.with_panel(
        lines(
            "Retries",
            "Writes that failed while the sink was unavailable, and were retried, by reason.",
            "ops",
            {"{{reason}}": f"sum by (reason) (rate(workers_write_retries_total{{{OURS}}}[{RATE}]))"},
            width=6,
        )
    )


def processes(made: build.Dashboard) -> None:
    made.with_row(build.Row("Processes"))
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
        made.with_panel(lines(title, description, unit, {"{{job}} {{worker}}": expression}))
