"""What is looked at first, and is never folded: is all well, what fires, and which worker is in which state."""

from __future__ import annotations

from alerts import firing, listed
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import stat, timeseries
from matchers import EACH_PROCESS, OURS, RATE, TOPIC, WORKER, once
from panels import BLUE, GREEN, GREY, PLAIN, RECORDS, RECORDS_A_SECOND, RED, YELLOW, lines, number, states

WORKER_UID = "kafka-mongo-workers-worker"
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
"""supervisord's, by the number that stands for each in the query of `state`."""
COMMITTED = f"kafka_consumergroup_current_offset{{{TOPIC}}}"
UP, CONFIGURED = f"sum(up{{{WORKER}}})", f"count(up{{{WORKER}}})"


def state(process: str) -> str:
    """The number of the state, for each process that `process`, a matcher, asks for."""
    numbers = (
        f'(workers_process_state{{state="{name}", {process}, {OURS}}} == 1) * {value}'
        for value, (name, _) in STATES.items()
    )
    return f"sum by ({EACH_PROCESS}) ({' or '.join(numbers)})"


def health(made: build.Dashboard) -> None:
    made.with_row(build.Row("Health"))
    made.with_panel(throughput())
    made.with_panel(workers())
    made.with_panel(
        number(
            "Lag",
            "Records that can be read and are not committed. 0: everything is stored.",
            RECORDS,
            {"waiting": f"sum({once(f'workers_lag_records{{{TOPIC}}}')})"},
            PLAIN,
            decimals=None,
        )
    )
    made.with_panel(
        number(
            "Age of the oldest",
            "How long the oldest record that is not yet stored has been waiting. 0: everything is stored.",
            "s",
            {"oldest": f"max(workers_lag_seconds{{{TOPIC}}})"},
            [(None, GREEN), (30, YELLOW), (60, RED)],
            decimals=1,
        )
    )
    made.with_panel(
        number(
            "Every record is accounted for until",
            "What Kafka had acknowledged before this, and still holds, is stored or a dead letter, compared record by record.",
            "dateTimeAsLocalNoDateIfToday",
            # Grafana's times are milliseconds.
            {"until": f"min(workers_verified_until_timestamp_seconds{{{OURS}}}) * 1000"},
            PLAIN,
            unknown="nothing is proven yet",
        )
    )
    made.with_panel(firing())
    made.with_panel(listed())
    made.with_panel(flow())
    made.with_panel(
        lines(
            "Age of the oldest waiting record",
            "By partition. Above the line, 60 seconds, the objective is missed.",
            "s",
            {"{{group}} {{topic}} {{partition}}": once(f"workers_lag_seconds{{{TOPIC}}}")},
            limit=60,
        )
    )
    fields = "&".join(f"var-{name}=${{__field.labels.{label}}}" for name, label in LINKED.items())
    made.with_panel(
        states(
            "Workers, as supervisord sees them",
            "A click leads to the worker's own dashboard.",
            {"{{group}} {{host}} {{process}}": state('process=~"worker_.*"')},
            STATES,
            link=("${__field.labels.process}", f"/d/{WORKER_UID}?${{datasource:queryparam}}&{fields}"),
        )
    )


LINKED = {"group": "group", "host": "host", "worker": "process"}
"""By variable of the worker's dashboard: the label that it is taken from."""


def throughput() -> stat.Panel:
    return number(
        "Throughput",
        "Records stored a second, by all workers together. Records that were found stored do not count.",
        RECORDS_A_SECOND,
        {"stored": f'sum(rate(workers_records_total{{outcome="stored", {TOPIC}}}[{RATE}]))'},
        PLAIN,
        decimals=None,
    )


def workers() -> stat.Panel:
    """The two numbers are labels, since the legend shows labels; the value, those that are missing, is the color."""
    both = f'count_values("up", {UP}) * on () group_left (configured) count_values("configured", {CONFIGURED})'
    return number(
        "Workers",
        "Workers that answer, of those that are configured. A killed one is back within seconds.",
        "short",
        {"{{up}} / {{configured}}": f"{both} * on () group_left () ({CONFIGURED} - {UP})"},
        [(None, GREEN), (1, RED)],
        legend_only=True,
    )


def flow() -> timeseries.Panel:
    return lines(
        "Records a second",
        "Produced into Kafka, stored by the workers (with duplicates and dead letters), and committed.",
        RECORDS_A_SECOND,
        {
            "produced": f"sum({once(f'rate(kafka_topic_partition_current_offset{{{TOPIC}}}[{RATE}])')})",
            "{{outcome}}": f"sum by (outcome) (rate(workers_records_total{{{TOPIC}}}[{RATE}]))",
            # A group's first commit, from -1 to where its log begins, is no rate.
            "committed": f"sum({once(f'rate({COMMITTED}[{RATE}]) and min_over_time({COMMITTED}[{RATE}]) >= 0')})",
        },
        colors={"duplicate": YELLOW, "dead_lettered": RED},
    )
