"""Asks MongoDB, for `workers doctor`, whether it can take what the workers will write.

Only commands that read, but for the probe of policies that need one: it leaves nothing behind.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from workers.errors import BadConfigurationError
from workers.findings import Finding, Severity, advised, unknown, wrong
from workers.grouped_findings import grouped
from workers.settings.route_collections import collections_of
from workers.sinks.mongodb import connecting
from workers.sinks.mongodb.client import READING, SUFFIX, Collections
from workers.sinks.mongodb.collection_checks import Collection, check_collection
from workers.sinks.mongodb.messages import describe_error, one_line
from workers.sinks.mongodb.policy_checks import check_policies
from workers.sinks.mongodb.server_checks import (
    MongoServer,
    check_clock,
    check_copies,
    check_limits,
    check_login,
    check_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from workers.settings import Settings

ANSWER_SECONDS = 4.0
"""For one question, also for finding the server: long enough for one that is busy, and short for a person who waits."""


OTHER_COLLECTION, OTHER_ROUTE = "set WORKERS_COLLECTION to another name", "give its route another collection"


class MongoDoctor:
    """See `SinkDoctor`."""

    name = "MongoDB"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._collections: Collections | None = None

    def examine(self) -> Iterator[Finding]:
        """See `SinkDoctor.examine`."""
        try:
            self._collections = Collections(self._settings, **READING)
            started = time.time()
            hello = self._ask(lambda: self._client.admin.command("hello"))
        except (PyMongoError, BadConfigurationError) as error:
            yield _unreachable(error)
            yield unknown("mongodb.server", "not asked, since MongoDB does not answer: rights, collections, limits")
            return
        server = MongoServer(hello, self._optional("buildInfo"), self._address(), started, time.time())
        yield check_server(server)
        found = self._collection_infos()
        if isinstance(found, Finding):
            yield found
            yield unknown("mongodb.collection", "not asked: MongoDB does not show the collections to this user")
        else:
            status = self._optional("connectionStatus", showPrivileges=True)
            if not self._settings.route_table.has_several_topics:
                settings = self._settings.for_topic(self._settings.route_table.topics[0])
                yield from self._about(settings, found, server, status)
            else:
                said = {
                    name: [
                        replace(each, fix=each.fix.replace(OTHER_COLLECTION, OTHER_ROUTE))
                        for each in self._about(self._of_collection(name), found, server, status)
                    ]
                    for name in self._names(found)
                }
                yield from grouped(said, "collections")
        yield from check_copies(server)
        yield from check_limits(server, self._optional("dbStats", on=self._settings.database), self._settings)
        yield from check_clock(server)
        yield from check_policies(self._client, self._settings)

    def _about(
        self,
        settings: Settings,
        found: Mapping[str, Mapping[str, Any]],
        server: MongoServer,
        status: Mapping[str, Any] | None,
    ) -> Iterator[Finding]:
        """The rights on one collection, and what is unusual about it and its dead letters."""
        yield from check_login(server, status, settings.database, settings.collection)
        for name in (settings.collection, settings.collection + SUFFIX):
            yield from check_collection(settings, self._collection(name, found, server))

    def _names(self, existing: Mapping[str, Any]) -> list[str]:
        """The collections of the routes: of a pattern those that are there already."""
        return collections_of(self._settings.route_table.routes, lambda: existing)

    def _of_collection(self, name: str) -> Settings:
        return self._settings.model_copy(update={"collection": name})

    def close(self) -> None:
        if self._collections is not None:
            self._collections.client.close()

    @property
    def _client(self) -> Any:
        assert self._collections is not None  # noqa: S101 made before anything is asked
        return self._collections.client

    @staticmethod
    def _ask(question: Callable[[], Any]) -> Any:
        with pymongo.timeout(ANSWER_SECONDS):
            return question()

    def _optional(self, command: str, on: str = "admin", **options: Any) -> Mapping[str, Any] | None:
        """The answer to a command that not every server knows or allows; None: it was refused."""
        try:
            answer: Mapping[str, Any] = self._ask(lambda: self._client[on].command(command, **options))
        except PyMongoError:
            return None
        return answer

    def _address(self) -> str:
        """Of the server that answered: one that takes writes, if there is one."""
        try:
            host, port = self._ask(lambda: self._client.address) or min(self._client.nodes)
        except (PyMongoError, ValueError, TypeError):
            return "the server"
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _collection_infos(self) -> dict[str, Mapping[str, Any]] | Finding:
        """By name, what the server says of the collections of the settings that are there."""
        table = self._settings.route_table
        names = collections_of(table.routes, list)
        # Those of a pattern are not known before.
        chosen = None if table.has_patterns else {"name": {"$in": [*names, *(name + SUFFIX for name in names)]}}
        database = self._client[self._settings.database]
        try:
            return {each["name"]: each for each in self._ask(lambda: list(database.list_collections(filter=chosen)))}
        except PyMongoError as error:
            reason = connecting.reason(error) or describe_error(error)
            grant = f"grant the user the role readWrite on the database {self._settings.database}"
            return advised("mongodb.rights", Severity.WRONG, reason, grant)

    def _collection(self, name: str, found: Mapping[str, Mapping[str, Any]], server: MongoServer) -> Collection:
        info = found.get(name)
        if info is None:
            return Collection(name, None)
        collection = self._client[self._settings.database][name]
        try:
            indexes = self._ask(lambda: list(collection.list_indexes()))
            documents = self._ask(collection.estimated_document_count)
        except PyMongoError:
            # Of a view there are none; or the user may not see them.
            indexes, documents = None, None
        return Collection(name, info, indexes, documents, server.is_sharded, self._shard_key(name, server))

    def _shard_key(self, name: str, server: MongoServer) -> Mapping[str, Any] | None:
        """The shard key, if the collection is sharded and this user may see that."""
        if not server.is_sharded:
            return None
        try:
            found = self._ask(lambda: self._client.config.collections.find_one(f"{self._settings.database}.{name}"))
        except PyMongoError:
            return None
        key: Mapping[str, Any] | None = found and found.get("key")
        return key


def _unreachable(error: Exception) -> Finding:
    check = "mongodb.reachable"
    if isinstance(error, BadConfigurationError):
        return wrong(check, "; ".join(error.problems), "mend WORKERS_MONGODB_URI")
    assert isinstance(error, PyMongoError)  # noqa: S101 the caller catches no other
    where = "start it, or name the right host and port in WORKERS_MONGODB_URI"
    if reason := connecting.reason(error):
        return advised(check, Severity.WRONG, reason, where)
    if isinstance(error, ConfigurationError):
        # The driver and the server do not fit, or a part of the driver is not installed.
        return wrong(check, one_line(str(error)), "mend WORKERS_MONGODB_URI, or use a server that this driver knows")
    if isinstance(error, OperationFailure):
        return wrong(check, f"MongoDB refuses to answer: {describe_error(error)}", "see the server's own log")
    return wrong(check, connecting.silent(error), where)
