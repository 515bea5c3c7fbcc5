"""The consumer of the tutorials: one insert_one for each message, auto-commit. It is what a worker is compared with.

python -m bench.tutorial <brokers> <topic> <group> <MongoDB URI> <database>
"""

from __future__ import annotations

import json
import sys

from kafka import KafkaConsumer
from pymongo import MongoClient

brokers, topic, group, uri, database = sys.argv[1:]

consumer = KafkaConsumer(
    topic,
    bootstrap_servers=brokers.split(","),
    group_id=group,
    auto_offset_reset="earliest",
    enable_auto_commit=True,
    value_deserializer=lambda value: json.loads(value.decode("utf-8")),
)
collection = MongoClient(uri)[database].numtest

for message in consumer:
    collection.insert_one(message.value)
