"""The dashboard of the fleet. From top to bottom: health, throughput, workers, causes."""

from __future__ import annotations

from causes import database, group, processes
from frame import frame, variable
from grafana_foundation_sdk.builders import dashboard as build
from panels import BLUE, GREEN, GREY, OURS, RATE, RED, TOPIC, WORKER, YELLOW, lines, number, rows, states

WORKER_UID = "kafka-mongo-workers-worker"
UID = "kafka-mongo-workers"
GROUP = "consumergroup, topic, partition"
STATES = {
    1: ("running", GREEN),
    2: ("starting", BLUE),
    3: ("stopping", BLUE),
    4: ("exited", "orange"),
    5: ("backoff", "orange"),
    6: ("stopped", GREY),
    7: ("fatal", RED),
    8: ("unknown", RED),
}
"""supervisord's, by the number that stands for each in the query below."""
STATE = " or ".join(
    f'(workers_process_state{{state="{name}", process=~"worker_.*", {OURS}}} == 1) * {value}'
    for value, (name, _) in STATES.items()
)
WAITING = f"min_over_time(workers_lag_records{{{TOPIC}}}[1m]) > 0"
COMMITTED = f"kafka_consumergroup_current_offset{{{TOPIC}}}"
MOVING = f"changes({COMMITTED}[1m]) > 0"
# Where nothing is known, this is nothing too, and not 0.
NONE = f"0 * count(workers_lag_records{{{TOPIC}}})"
HANGING = f"workers_partition_unstable_seconds{{{TOPIC}}} > 90"
MOVED = f"changes(workers_partition_last_stable_offset{{{TOPIC}}}[1m]) > 0"


def fleet() -> build.Dashboard:
    made = frame(
        "Kafka to MongoDB: the fleet",
        UID,
        "Are all records stored, how soon, and by whom? The first row says whether all is well.",
    )
    topics = 'label_values(kafka_topic_partition_current_offset{job=~"$job"}, topic)'
    made.with_variable(variable("topic", "Topic", topics, "Which topic is read."))
    for row in (verdict, proof, flow, workers, group, database, processes):
        row(made)
    return made


def verdict(made: build.Dashboard) -> None:
    made.with_row(build.Row("Health"))
    made.with_panel(
        number(
            "Workers",
            "Workers that answer, and workers that are configured. A killed one is back within seconds.",
            "short",
            {
                "up": f"sum(up{{{WORKER}}})",
                "configured": f"count(up{{{WORKER}}})",
                "down": f"count(up{{{WORKER}}}) - sum(up{{{WORKER}}})",
            },
            [(None, GREEN), (1, RED)],
            colors={"up": GREY, "configured": GREY},
        )
    )
    made.with_panel(
        number(
            "Lag",
            "How long the oldest record that is not yet stored has been waiting. 0: everything is stored.",
            "s",
            {"oldest": f"max(workers_lag_seconds{{{TOPIC}}})"},
            [(None, GREEN), (30, YELLOW), (60, RED)],
            decimals=1,
        )
    )
    made.with_panel(
        number(
            "Partitions in trouble",
            "Unowned: assigned to no member. Stuck: records have waited for a minute, and nothing is committed. "
            "Hanging: a transaction stays open. Unknown: Kafka does not answer.",
            "short",
            {
                "unowned": f"sum(workers_partition_unowned{{{TOPIC}}})",
                "stuck": f"count({WAITING} unless on ({GROUP}) {MOVING}) or {NONE}",
                "hanging": f"count({HANGING} unless on (topic, partition) {MOVED}) or {NONE}",
                "unknown": f"sum(workers_partition_unknown{{{TOPIC}}})",
            },
            [(None, GREEN), (1, RED)],
        )
    )
    made.with_panel(
        number(
            "Not stored, in the time shown",
            "Dead letters: records that cannot be stored, kept with the reason. Lost: Kafka removed them unread.",
            "short",
            {
                "dead letters": f"sum(increase(workers_dead_letters_total{{{TOPIC}}}[$__range]))",
                "lost": f"sum(increase(workers_lost_records_total{{{TOPIC}}}[$__range]))",
            },
            [(None, GREEN), (0.5, RED)],
        )
    )
    made.with_panel(
        number(
            "Freshness, in the time shown",
            "The share of time in which no record waited longer than 60 seconds. The objective is 99 %.",
            "percentunit",
            {"fresh": f"1 - avg_over_time((max(workers_lag_seconds{{{TOPIC}}}) > bool 60)[$__range:15s])"},
            [(None, RED), (0.99, YELLOW), (0.999, GREEN)],
            decimals=2,
        )
    )
    made.with_panel(
        number(
            "Alerts",
            "Alerts that fire now, without Heartbeat, which always does. Each has a page in docs/runbooks.",
            "short",
            {"firing": 'count(ALERTS{alertstate="firing", alertname!="Heartbeat"}) or 0 * count(up)'},
            [(None, GREEN), (1, RED)],
        )
    )


def proof(made: build.Dashboard) -> None:
    made.with_row(build.Row("Proof, by the auditor"))
    until = f"workers_verified_until_timestamp_seconds{{{OURS}}}"
    made.with_panel(
        number(
            "Every record is accounted for until",
            "What Kafka had acknowledged before this, and still holds, is stored or a dead letter, compared record by record.",
            "dateTimeAsLocal",
            # Grafana's times are milliseconds.
            {"until": f"min({until}) * 1000"},
            width=8,
            unknown="nothing is proven yet",
        )
    )
    made.with_panel(
        number(
            "Not accounted for",
            "Records that are missing, there twice, unexplained, or removed by Kafka before they were accounted for. The log of "
            "the auditor has each.",
            "short",
            {"{{outcome}}": f'sum by (outcome) (workers_audit_records{{outcome!="unstable", {OURS}}})'},
            [(None, GREEN), (1, RED)],
            width=8,
        )
    )
    made.with_panel(
        number(
            "Not verified for",
            "How long ago the last record that is verified was the last one that was committed.",
            "s",
            {"behind": f"max(workers_audit_behind_seconds{{{OURS}}})"},
            [(None, GREEN), (60, YELLOW), (900, RED)],
            width=8,
        )
    )


def flow(made: build.Dashboard) -> None:
    made.with_row(build.Row("Throughput and lag"))
    made.with_panel(
        lines(
            "Records a second",
            "Produced into Kafka, stored by the workers (with duplicates and dead letters), and committed.",
            "rps",
            {
                "produced": f"sum(rate(kafka_topic_partition_current_offset{{{TOPIC}}}[{RATE}]))",
                "{{outcome}}": f"sum by (outcome) (rate(workers_records_total{{{TOPIC}}}[{RATE}]))",
                # A group's first commit, from -1 to where its log begins, is no rate.
                "committed": f"sum(rate({COMMITTED}[{RATE}]) and min_over_time({COMMITTED}[{RATE}]) >= 0)",
            },
            width=24,
            colors={"duplicate": YELLOW, "dead_lettered": RED},
        )
    )
    made.with_panel(
        lines(
            "Lag in records",
            "By partition, from Kafka's offsets: it does not depend on any worker. Only what can be read.",
            "short",
            {"{{topic}} {{partition}}": f"workers_lag_records{{{TOPIC}}}"},
            width=6,
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Age of the oldest waiting record",
            "By partition. Above the line, 60 seconds, the objective is missed.",
            "s",
            {"{{topic}} {{partition}}": f"workers_lag_seconds{{{TOPIC}}}"},
            width=6,
            limit=60,
        )
    )
    made.with_panel(
        lines(
            "Records behind open transactions",
            "By partition: acknowledged by Kafka, and not to be read before a transaction ends. One that stays, hangs.",
            "short",
            {"{{topic}} {{partition}}": f"workers_partition_unstable_records{{{TOPIC}}}"},
            width=6,
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Distance from retention",
            "Retention headroom: records from the log start to the committed offset. Below 0, records were lost.",
            "short",
            {"{{topic}} {{partition}}": f"workers_partition_retention_headroom_records{{{TOPIC}}}"},
            width=6,
        )
    )


def workers(made: build.Dashboard) -> None:
    made.with_row(build.Row("Workers and partitions"))
    made.with_panel(
        states(
            "Workers, as supervisord sees them",
            "A click leads to the worker's own dashboard.",
            {"{{process}}": f"sum by (process) ({STATE})"},
            STATES,
            link=("${__field.labels.process}", f"/d/{WORKER_UID}?var-worker=${{__field.labels.process}}"),
        )
    )
    made.with_panel(
        lines(
            "Starts",
            "Times that supervisord started a process. Each one after the first is a restart.",
            "short",
            {"{{process}}": f"sum by (process) (increase(workers_process_starts_total{{{OURS}}}[{RATE}]))"},
            bars=True,
        )
    )
    made.with_panel(
        lines(
            "Partitions of each worker",
            "After a kill the others have the worker's partitions, until it has joined again.",
            "short",
            {"{{worker}}": f"sum by (worker) (workers_assigned_partitions{{{WORKER}}})"},
            stacked=True,
        )
    )
    made.with_panel(
        rows(
            "Who owns which partition",
            "The worker of each partition now, and the records a second that it stores.",
            "rps",
            f"sum by (topic, partition, worker) (rate(workers_records_total{{{TOPIC}}}[{RATE}]))"
            f" * sum by (topic, partition, worker) (workers_partition_owned{{{TOPIC}}})",
            {"topic": "Topic", "partition": "Partition", "worker": "Worker", "Value": "Records a second"},
        )
    )
