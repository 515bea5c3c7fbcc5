"""The dashboard of the fleet. Health is seen at once; below it, folded, the causes, in the order in which one asks."""

from __future__ import annotations

from causes import by_topic, database, partitions, processes, rebalances, workers
from frame import ANY, choose_fleet, choose_processes, frame, variable
from grafana_foundation_sdk.builders import dashboard as build
from health import health
from matchers import FLEET
from proof import proof

UID = "kafka-mongo-workers"


def fleet() -> build.Dashboard:
    made = frame(
        "Kafka to MongoDB: the fleet",
        UID,
        "Are all records stored, how soon, and by whom? The first row says whether all is well.",
    )
    choose_fleet(made)
    topics = f"label_values(kafka_topic_partition_current_offset{{{FLEET}}}, topic)"
    made.with_variable(variable("topic", "Topic", topics, "Which topic is read."))
    routes = f"label_values(workers_records_total{{{FLEET}}}, route)"
    made.with_variable(variable("route", "Route", routes, "Which route, where there are several.", everything=ANY))
    choose_processes(made)
    health(made)
    for row in (workers, by_topic, partitions, rebalances, database, proof, processes):
        made.with_row(row())
    return made
