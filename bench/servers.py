"""The servers that a bench runs on, and a topic, a group and a database of its own on them, removed afterwards."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from pymongo import MongoClient

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.ports import free_row
from workers.identity import TopicIdentity
from workers.kafka.admin import Admin
from workers.kafka.options import connection_options
from workers.settings import Settings, load

SLOTS = 8
"""Workers that run beside each other, at most."""


@dataclass(frozen=True)
class Servers:
    """Where they are, and their processes by name; none of those where they are not ours to look at."""

    settings: Settings
    processes: dict[str, psutil.Process]


@dataclass(frozen=True)
class Place:
    """A topic, a group and a database that nobody else uses."""

    settings: Settings
    topic: TopicIdentity
    partitions: int

    @property
    def environment(self) -> dict[str, str]:
        """For a command that works here. Other settings of the caller's stay in force, so that they can be measured."""
        settings = self.settings
        return os.environ | {
            "WORKERS_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "WORKERS_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
            "WORKERS_TOPIC": settings.topic,
            "WORKERS_GROUP": settings.group,
            "WORKERS_DATABASE": settings.database,
            "WORKERS_METRICS_PORT": str(settings.metrics_port),
        }


def add_servers(parser: argparse.ArgumentParser) -> None:
    """The option for `open_servers`."""
    help_ = "embedded: a stack of its own, the default; settings: those of WORKERS_*, without their processor time"
    parser.add_argument("--servers", choices=("embedded", "settings"), default="embedded", help=help_)


@contextmanager
def open_servers(where: str) -> Iterator[Servers]:
    """Args: where: "embedded", a stack of our own that is removed again; "settings", what WORKERS_* says."""
    if where == "settings":
        yield Servers(load(), {})
        return
    with EmbeddedStack() as stack:
        settings = load(bootstrap_servers=stack.bootstrap_servers, mongodb_uri=stack.mongodb_uri)
        programs = {"kafka": stack.pid("kafka"), "database": stack.pid("ferretdb")}
        yield Servers(settings, {name: psutil.Process(pid) for name, pid in programs.items()})


@contextmanager
def open_place(servers: Servers, partitions: int) -> Iterator[Place]:
    """However the block ends, nothing of it stays."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    own = {"topic": name, "group": name, "database": name, "metrics_port": free_row(SLOTS)}
    settings = Settings(**(dict(servers.settings) | own))
    try:
        with Admin(settings) as admin:
            admin.create_topic(settings.topic, partitions)
            wait_until(lambda: admin.topic(name), 30, f"the topic {name} is there")
            topic = admin.topic(name)
        assert topic is not None, name
        yield Place(settings, topic.identity, partitions)
    finally:
        with MongoClient(settings.mongodb_uri.get_secret_value()) as client:
            client.drop_database(settings.database)
        admin_client = KafkaAdminClient(**connection_options(settings))
        with contextlib.suppress(KafkaError):
            admin_client.delete_topics([name])
        # Of the connector's group, too; where there is none, nothing happens.
        for group in (name, f"connect-{name}"):
            with contextlib.suppress(KafkaError):
                admin_client.delete_groups([group])
        admin_client.close()


@contextmanager
def ending_quietly() -> Iterator[None]:
    """Ctrl-C ends a bench without a traceback, when all is removed."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit("interrupted; the servers and what was made on them are removed")
