"""What the queries ask for: our series only, and of those the chosen ones."""

from __future__ import annotations

APP = "kafka-mongo-workers"
"""The label `app` of our targets and of our alerts, which no other job has."""
MARK = f'app="{APP}"'

FLEET = f'{MARK}, group=~"$group", host=~"$host"'
"""What is chosen above the panels: of which consumer group, and of which machine."""
OURS = f'{FLEET}, job=~"$job", instance=~"$instance"'
WORKER = f'{OURS}, worker!=""'
TOPIC = f'{OURS}, topic=~"$topic", route=~"$route"'
ALERT = f'{MARK}, severity!="none", group=~"$group|", host=~"$host|"'
"""Of ALERTS. One that fires because there is nothing to scrape has no group and no host, and is everybody's. Heartbeat,
of severity none, always fires."""

RATE = "$__rate_interval"
EACH_WORKER = "group, host, worker"
EACH_PROCESS = "group, host, process"
EACH_PARTITION = "group, topic, partition"


def once(query: str, by: str = EACH_PARTITION) -> str:
    """What `workers lag` says of the group is the same whatever host it runs on: it is counted once, not once a host."""
    return f"max by ({by}) ({query})"
