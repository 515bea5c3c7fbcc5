"""The dashboard of one worker: what the fleet's says of all, for the one that is chosen above the panels."""

from __future__ import annotations

from frame import choose_fleet, choose_processes, frame, variable
from grafana_foundation_sdk.builders import dashboard as build
from health import STATES, WORKER_UID, state
from matchers import FLEET, OURS, RATE
from panels import (
    BLUE,
    COMMITS_A_SECOND,
    GREEN,
    GREY,
    RECORDS_A_SECOND,
    RED,
    RETRIES_A_SECOND,
    YELLOW,
    lines,
    number,
    states,
)

ONE = f'{OURS}, worker="$worker"'


def worker() -> build.Dashboard:
    made = frame("Kafka to MongoDB: one worker", WORKER_UID, "What one worker does.")
    choose_fleet(made, many=False)
    slots = f'label_values(up{{{FLEET}, worker!=""}}, worker)'
    made.with_variable(variable("worker", "Worker", slots, "Which slot; its processes come and go.", many=False))
    choose_processes(made)
    verdict(made)
    made.with_row(build.Row("Work"))
    for panel in work():
        made.with_panel(panel)
    return made


def verdict(made: build.Dashboard) -> None:
    made.with_row(build.Row("$worker"))
    made.with_panel(
        number("Answers", "1: its metrics can be read.", "short", {"up": f"up{{{ONE}}}"}, [(None, RED), (1, GREEN)])
    )
    made.with_panel(
        number(
            "Partitions",
            "Partitions that it owns; and those that it has halted, with the reason in its log.",
            "short",
            {
                "owned": f"workers_assigned_partitions{{{ONE}}}",
                "stopped": f"workers_stopped_partitions{{{ONE}}}",
            },
            [(None, GREEN), (1, RED)],
            colors={"owned": GREY},
        )
    )
    running = f"time() - process_start_time_seconds{{{ONE}}}"
    made.with_panel(number("Uptime", "Since this process was started.", "s", {"age": running}))
    made.with_panel(
        states("State", "As supervisord sees it.", {"{{process}}": state('process="$worker"')}, STATES, width=12)
    )


def work() -> list[build.Panel]:
    buckets = f"sum by (le) (rate(workers_write_seconds_bucket{{{ONE}}}[{RATE}]))"
    return [
        lines(
            "Records a second",
            "What became of the records that it read.",
            RECORDS_A_SECOND,
            {"{{outcome}}": f"sum by (outcome) (rate(workers_records_total{{{ONE}}}[{RATE}]))"},
            colors={"duplicate": YELLOW, "dead_lettered": RED},
        ),
        lines(
            "Records a second, by partition",
            "A partition that was revoked stays at 0.",
            RECORDS_A_SECOND,
            {"{{topic}} {{partition}}": f"sum by (topic, partition) (rate(workers_records_total{{{ONE}}}[{RATE}]))"},
        ),
        lines(
            "Time of a write",
            "Until the database acknowledged a batch.",
            "s",
            {"p50": f"histogram_quantile(0.5, {buckets})", "p99": f"histogram_quantile(0.99, {buckets})"},
        ),
        lines(
            "Commits",
            "By result. After any but ok, the records are redelivered and found stored.",
            COMMITS_A_SECOND,
            {"{{result}}": f"sum by (result) (rate(workers_commits_total{{{ONE}}}[{RATE}]))"},
            colors={"ok": GREEN, "rebalanced": BLUE, "timeout": YELLOW, "error": RED},
        ),
        lines(
            "Rebalances",
            "Times that partitions were assigned to it, revoked, or lost.",
            "short",
            {"{{event}}": f"sum by (event) (increase(workers_rebalances_total{{{ONE}}}[{RATE}]))"},
            bars=True,
        ),
        lines(
            "Retries",
            "Writes that failed while the sink was unavailable, and were retried, by reason.",
            RETRIES_A_SECOND,
            {"{{reason}}": f"sum by (reason) (rate(workers_write_retries_total{{{ONE}}}[{RATE}]))"},
        ),
        lines(
            "Processor",
            "Cores in use.",
            "percentunit",
            {"{{worker}}": f"rate(process_cpu_seconds_total{{{ONE}}}[{RATE}])"},
        ),
        lines("Memory", "Resident memory.", "bytes", {"{{worker}}": f"process_resident_memory_bytes{{{ONE}}}"}),
        lines(
            "Time since its last loop iteration",
            "Since its loop last polled.",
            "s",
            {"{{worker}}": f"time() - workers_last_poll_timestamp_seconds{{{ONE}}}"},
        ),
    ]
