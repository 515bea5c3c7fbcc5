"""The folded row on the promise: nothing lost, nothing twice, nothing unexplained."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as build
from matchers import OURS, RATE, TOPIC
from panels import GREEN, RECORDS, RECORDS_A_SECOND, RED, YELLOW, lines, number


def proof() -> build.Row:
    row = build.Row("What was not stored, and the proof")
    row.with_panel(
        number(
            "Not accounted for",
            "Records that are missing, there twice, unexplained, or removed by Kafka before they were accounted for. The log of "
            "the auditor has each.",
            RECORDS,
            {"{{outcome}}": f'sum by (outcome) (workers_audit_records{{outcome!="unstable", {OURS}}})'},
            [(None, GREEN), (1, RED)],
            width=6,
        )
    )
    row.with_panel(
        number(
            "Not verified for",
            "How long ago the last record that is verified was the last one that was committed.",
            "s",
            {"behind": f"max(workers_audit_behind_seconds{{{OURS}}})"},
            [(None, GREEN), (60, YELLOW), (900, RED)],
            width=6,
        )
    )
    row.with_panel(
        number(
            "Not stored, in the time shown",
            "Dead letters: records that cannot be stored, kept with the reason. Lost: Kafka removed them unread.",
            RECORDS,
            {
                "dead letters": f"sum(increase(workers_dead_letters_total{{{TOPIC}}}[$__range]))",
                "lost": f"sum(increase(workers_lost_records_total{{{TOPIC}}}[$__range]))",
            },
            [(None, GREEN), (0.5, RED)],
            width=6,
        )
    )
    row.with_panel(
        number(
            "Freshness, in the time shown",
            "The share of time in which no record waited longer than 60 seconds. The objective is 99 %.",
            "percentunit",
            {"fresh": f"1 - avg_over_time((max(workers_lag_seconds{{{TOPIC}}}) > bool 60)[$__range:15s])"},
            [(None, RED), (0.99, YELLOW), (0.999, GREEN)],
            width=6,
            decimals=2,
        )
    )
    return row.with_panel(
        lines(
            "Duplicates and dead letters",
            "Redelivered records that were found stored, as after every kill; and those that cannot be stored, by reason.",
            RECORDS_A_SECOND,
            {
                "duplicate": f'sum(rate(workers_records_total{{outcome="duplicate", {TOPIC}}}[{RATE}]))',
                "{{reason}}": f"sum by (reason) (rate(workers_dead_letters_total{{{TOPIC}}}[{RATE}])) > 0",
            },
            width=24,
            colors={"duplicate": YELLOW},
        )
    )
