"""Whether the servers answer: not that a port is open, but that a client is served."""

from __future__ import annotations

import socket
import struct
import urllib.request
from http import HTTPStatus

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from embedded_stack.settings import BROKERS

PATIENCE_SECONDS = 3
# Metadata, version 0, of all topics, from a client without a name. A Kafka client would do, but it
# dials a port that is closed for seconds, logs each try, and takes longer to import than to answer.
METADATA = struct.pack(">hhihi", 3, 0, 1, -1, 0)


def kafka_answers(address: str) -> bool:
    try:
        return bool(kafka_brokers(address))
    except (OSError, struct.error):
        return False


def kafka_brokers(address: str) -> list[tuple[str, int]]:
    """Where the brokers tell a client to go that came in at this address."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(METADATA)) + METADATA)
        with connection.makefile("rb") as answer:
            _, _, count = struct.unpack(">iii", answer.read(12))
            brokers = []
            for _ in range(count):
                _, length = struct.unpack(">ih", answer.read(6))
                name = answer.read(length).decode()
                brokers.append((name, *struct.unpack(">i", answer.read(4))))
            return brokers


def mongodb_answers(address: str) -> bool:
    client: MongoClient[dict[str, object]] = MongoClient(
        f"mongodb://{address}", serverSelectionTimeoutMS=PATIENCE_SECONDS * 1000, directConnection=True
    )
    try:
        return _is_open(address) and bool(client.admin.command("ping"))
    except PyMongoError:
        return False
    finally:
        client.close()


def prometheus_answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=PATIENCE_SECONDS) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


ANSWERS = {
    **dict.fromkeys(BROKERS, kafka_answers),
    "ferretdb": mongodb_answers,
    "prometheus": prometheus_answers,
}


def _is_open(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
