"""A consumer with confluent-kafka, written as its documentation shows, with PyMongo's `insert_many`.

It runs in an environment of its own (bench/peer_packages.py), so it imports nothing of this project. Its documentation
shows two forms of an at-least-once loop, and both are here:

- poll: the loop of "Synchronous commits": one message a call, a commit after so many of them;
- consume: `consume(num_messages)`, which returns a list: one call, one write, one commit.

What it does not promise: a record that is delivered again is stored again, since a document gets an id of its own and not
one of its record's place; a value that is no JSON object ends it, and ends it again after every start; a batch that is
in flight when the group rebalances is stored by two members; nothing waits for a database that is away.

    python bench/confluent_consumer.py poll|consume <brokers> <topic> <group> <MongoDB URI> <database>
"""

import json
import sys

from confluent_kafka import Consumer, KafkaException
from pymongo import MongoClient

BATCH = 5_000
"""Messages in one write and one commit: as many as a worker of this project has."""
TIMEOUT = 0.1
"""Seconds to wait for more of them. The documentation has 1.0, with which the last batch of a run would wait a second."""

form, brokers, topic, group, uri, database = sys.argv[1:]

consumer = Consumer(
    {
        "bootstrap.servers": brokers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
# Acknowledged as the writes of all others here are, and unordered, which is the faster way.
collection = MongoClient(uri, w="majority", journal=True)[database].numtest


def write(documents: list[object]) -> None:
    """Store first, then commit: at-least-once."""
    collection.insert_many(documents, ordered=False)
    consumer.commit(asynchronous=False)


def poll() -> None:
    documents = []
    while True:
        message = consumer.poll(TIMEOUT)
        if message is None:
            # The documentation's loop leaves a remainder uncommitted until more messages come.
            if documents:
                write(documents)
                documents = []
            continue
        if message.error():
            raise KafkaException(message.error())
        documents.append(json.loads(message.value()))
        if len(documents) == BATCH:
            write(documents)
            documents = []


def consume() -> None:
    while True:
        messages = consumer.consume(num_messages=BATCH, timeout=TIMEOUT)
        documents = []
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            documents.append(json.loads(message.value()))
        if documents:
            write(documents)


consumer.subscribe([topic])
try:
    {"poll": poll, "consume": consume}[form]()
finally:
    consumer.close()
