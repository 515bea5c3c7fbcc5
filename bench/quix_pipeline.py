"""Quix Streams with its MongoDB sink, written as its documentation shows: one topic, one collection.

It runs in an environment of its own (bench/peer_packages.py), so it imports nothing of this project. The sink only
upserts: one update for each record, matched by the id. By default the id is the record's key, and records of the bench
have none, so the id is the record's place, which its documentation calls a custom `_id`.

What it does not promise: a value that is no JSON object ends it; a late write of a member that has lost its partitions
overwrites what the new owner stored.

    python bench/quix_pipeline.py <brokers> <topic> <group> <MongoDB host> <MongoDB port> <database> <state folder>
"""

import sys

from quixstreams import Application
from quixstreams.sinks.base.item import SinkItem
from quixstreams.sinks.community.mongodb import MongoDBSink

brokers, topic, group, host, port, database, state = sys.argv[1:]

COMMIT_EVERY = 1_000
"""Records between two checkpoints, each of which writes and commits. By default there is one every 5 seconds."""
OWN_FIELDS = ("__topic", "__partition", "__offset")


def place(item: SinkItem) -> dict[str, str]:
    """The id. The sink has put topic, partition and offset into the value by then."""
    return {"_id": f"{item.value['__partition']}/{item.offset}"}


def without_place(value: dict[str, object]) -> dict[str, object]:
    return {name: each for name, each in value.items() if name not in OWN_FIELDS}


application = Application(
    broker_address=brokers,
    consumer_group=group,
    auto_offset_reset="earliest",
    commit_every=COMMIT_EVERY,
    commit_interval=1.0,
    auto_create_topics=False,
    state_dir=state,
    loglevel="WARNING",
)
sink = MongoDBSink(
    host=host,
    port=int(port),
    db=database,
    collection="numtest",
    document_matcher=place,
    value_selector=without_place,
    add_topic_metadata=True,
    # To the driver: acknowledged as the writes of all others here are.
    w="majority",
    journal=True,
)
application.dataframe(application.topic(topic, value_deserializer="json")).sink(sink)
application.run()
