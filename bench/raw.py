"""The two halves of a worker, each alone and side by side: what the Kafka client can fetch, and what the database can take.

All say "warm" when the warm-up is through and "done" at the end, and then wait to be ended.

python -m bench.raw fetch <warm-up> <records>
python -m bench.raw insert <warm-up> <records> <partitions> <kind of the values> <prefix of the ids>
python -m bench.raw both <warm-up> <records> <partitions> <kind of the values> <prefix of the ids>
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from bench.backlog import place_of, values
from workers.formats.limits import Limits
from workers.formats.plain_json import parse_plain
from workers.kafka.fetched_records import from_poll
from workers.kafka.options import group_member_options, open_consumer
from workers.settings import Settings, load
from workers.worker.process_setup import tune_interpreter


def fetch(settings: Settings, warm_up: int, records: int) -> None:
    """Poll as a worker does, with its options, and drop what comes."""
    consumer = open_consumer(settings, group_member_options(settings))
    consumer.subscribe([settings.topic])
    for goal, word in ((warm_up, "warm"), (records, "done")):
        seen = 0
        while seen < goal:
            polled = from_poll(consumer.poll(timeout_ms=250, max_records=settings.max_poll_records))
            seen += sum(map(len, polled.values()))
        print(word, flush=True)


def read(settings: Settings) -> Callable[[int], None]:
    """Poll and decode, as a worker does; what is returned reads so many records, and drops them."""
    consumer = open_consumer(settings, group_member_options(settings))
    consumer.subscribe([settings.topic])
    limits = Limits(settings.max_value_bytes, settings.max_depth, settings.max_fields)

    def some(records: int) -> None:
        seen = 0
        while seen < records:
            for each in from_poll(consumer.poll(timeout_ms=250, max_records=records - seen)).values():
                parse_plain(each.values, limits)
                seen += len(each)

    return some


def insert(
    settings: Settings,
    warm_up: int,
    records: int,
    partitions: int,
    kind: str,
    prefix: str,
    beside: Callable[[int], None] = lambda _records: None,
) -> None:
    """`insert_many` of documents that are encoded already: those of a worker, in its batches, as acknowledged as its own.

    Args: beside: called once for each batch, while it is written, with the number of its documents.
    """
    value = values(kind)

    def document(number: int) -> RawBSONDocument:
        partition, offset = place_of(number, partitions)
        return RawBSONDocument(bson.encode({"_id": f"{prefix}{partition}/{offset}", **json.loads(value(number))}))

    def batches(numbers: range) -> list[list[RawBSONDocument]]:
        # A poll takes what is there of one partition before it turns to the next.
        most = settings.max_poll_records
        columns = [numbers[partition::partitions] for partition in range(partitions)]
        turns = range(0, len(columns[0]), most)
        ordered = [document(number) for turn in turns for column in columns for number in column[turn : turn + most]]
        return [ordered[first : first + most] for first in range(0, len(ordered), most)]

    prepared = batches(range(warm_up)), batches(range(warm_up, warm_up + records))
    client: MongoClient[object] = MongoClient(settings.mongodb_uri.get_secret_value(), w="majority", journal=True)
    collection = client[settings.database][settings.collection]
    writer = ThreadPoolExecutor(1)
    for some, word in zip(prepared, ("warm", "done"), strict=True):
        for batch in some:
            writing = writer.submit(collection.insert_many, batch, ordered=False)
            beside(len(batch))
            writing.result()
        print(word, flush=True)
        if word == "warm":
            sys.stdin.readline()


if __name__ == "__main__":
    tune_interpreter()
    if sys.argv[1] == "fetch":
        fetch(load(), int(sys.argv[2]), int(sys.argv[3]))
    else:
        given = {"beside": read(load())} if sys.argv[1] == "both" else {}
        insert(load(), *map(int, sys.argv[2:5]), kind=sys.argv[5], prefix=sys.argv[6], **given)
    sys.stdin.read()
