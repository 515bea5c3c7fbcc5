"""Finds out, by a document that it stores and removes, whether the server holds what the policies would store there.

Some servers of MongoDB's protocol refuse names with a dot, or close the connection on NaN. That is to be found at the start of a
worker, and not in its thousandth record. A worker without such a policy writes no such document.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import bson
import pymongo
from bson.codec_options import CodecOptions
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure, PyMongoError

from workers.errors import BadConfigurationError, RetryReason, SinkRefusesError
from workers.settings.policies import POLICIES, assignment
from workers.sinks.mongodb import connecting
from workers.sinks.mongodb.encoding import documents_equal
from workers.sinks.mongodb.errors import ErrorClass, classify, translate_write_errors
from workers.sinks.mongodb.messages import describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pymongo import MongoClient

    from workers.settings import Settings
    from workers.settings.policies import PolicyOptions

COLLECTION = "_workers_probe"
"""In the database of the settings. It is there only while somebody looks."""
SECONDS = 20.0
"""For all probes of one look."""
ATTEMPT_SECONDS = 3.0
"""For one of them. A server that closes a connection is looked for again by the driver, half a second later."""
ATTEMPTS = 3
"""Of a document that is refused for no known cause, before it is the server's last word."""
LEFT_OVER = timedelta(hours=1)
"""A document that is older was left behind by a process that was killed."""
NAN, INFINITY = float("nan"), float("inf")


class Need(NamedTuple):
    """What the server must hold, and for which policy."""

    setting: str
    value: str
    what: str
    """For people."""
    fields: Mapping[str, Any]
    instead: str
    """What to set if it does not."""


def needs_of(options: PolicyOptions) -> Iterator[Need]:
    """What the server must hold for these policies."""
    if options.field_names == "keep":
        names = {"a.b": 1, "$c": 1, "in": {"d.e": 1, "$f": 1}}
        yield Need("field_names", "keep", "field names with a dot, or a $ at the beginning", names, "escape")
    if options.empty_names == "keep":
        yield Need("empty_names", "keep", "an empty field name", {"": 1, "in": {"": 1}}, "reject")
    if options.big_integers == "decimal128":
        number = {"n": Decimal128("18446744073709551616")}
        yield Need("big_integers", "decimal128", "Decimal128", number, "string")
    if options.decimals == "decimal128":
        yield Need("decimals", "decimal128", "Decimal128", {"n": Decimal128("19.90")}, "double")
    if options.nan == "double":
        numbers = {"nan": NAN, "inf": INFINITY, "minus": -INFINITY}
        yield Need("nan", "double", "NaN and Infinity", numbers, "null")


def require_policies(client: MongoClient[Any], settings: Settings) -> None:
    """Refuse policies, of any route, whose documents the server does not hold, or gives back as others.

    Raises:
        BadConfigurationError: with all of them.
        SinkUnavailableError: the server does not answer, or this client may not write to the collection of the probe.
    """
    needs: dict[tuple[str, str], Need] = {}
    routes: dict[tuple[str, str], list[str]] = {}
    for route in settings.route_table.routes:
        label = route.label if settings.routes else settings.route_label
        for need in needs_of(route):
            needs[need.setting, need.value] = need
            routes.setdefault((need.setting, need.value), []).extend([] if label is None else [label])
    problems = []
    if needs:
        with translate_write_errors(), pymongo.timeout(SECONDS), _opened(client, settings.database) as probe:
            for place, need in needs.items():
                label = " and ".join(routes[place]) or None
                if said := probe.refusal(need, assignment(*place, label)):
                    problems.append(
                        f"{assignment(*place, label)}: the database does not hold {need.what}: {said}. "
                        f"Set {_instead(need, label)}, or use another server"
                    )
    if problems:
        raise BadConfigurationError(problems)


def _instead(need: Need, route: str | None) -> str:
    lossy = " (lossy)" if POLICIES[need.setting].choice(need.instead).loss else ""
    return f"{assignment(need.setting, need.instead, route)}{lossy}"


class _Probe:
    def __init__(self, client: MongoClient[Any], database: str) -> None:
        self._client = client
        self._collection = client[database].get_collection(
            COLLECTION,
            codec_options=CodecOptions(document_class=RawBSONDocument),
            read_preference=pymongo.ReadPreference.PRIMARY,
        )
        self._ids: list[ObjectId] = []

    def refusal(self, need: Need, shown: str) -> str | None:
        """What the server does instead of holding it; None: it holds it. Args: shown: the policy, for people."""
        said = None
        for _ in range(ATTEMPTS):
            try:
                said, is_certain = self._try(need.fields)
            except OperationFailure as error:
                raise self._not_authorized(error, shown) or error from None
            if said is None or is_certain:
                return said
            # An outage, and a server that takes nothing at all, are told by this: it raises.
            with pymongo.timeout(ATTEMPT_SECONDS):
                self._client.admin.command("ping")
                self._insert({"n": 1})
        return said

    def _try(self, fields: Mapping[str, Any]) -> tuple[str | None, bool]:
        """What is wrong, and whether that is certain at once.

        Raises:
            PyMongoError: what says nothing about the document.
        """
        try:
            with pymongo.timeout(ATTEMPT_SECONDS):
                document = self._insert(fields)
                found = self._collection.find_one({"_id": self._ids[-1]})
        except PyMongoError as error:
            kind = classify(error)
            if kind.error_class in (ErrorClass.UNAVAILABLE, ErrorClass.FATAL):
                raise
            if kind.reason is RetryReason.CONNECTION_LOST:
                return "it closes the connection on such a document", False
            return describe_error(error), kind.error_class is not ErrorClass.UNKNOWN
        if found is None:
            # Another process may have removed the collection meanwhile.
            return "a document that has it is not there afterwards", False
        return (None, True) if documents_equal(found, document) else ("it gives another value back", True)

    def _insert(self, fields: Mapping[str, Any]) -> RawBSONDocument:
        self._ids.append(ObjectId())
        document = RawBSONDocument(bson.encode({"_id": self._ids[-1], **fields}))
        self._collection.insert_one(document)
        return document

    def _not_authorized(self, error: OperationFailure, shown: str) -> SinkRefusesError | None:
        if classify(error).reason is not RetryReason.NOT_AUTHORIZED:
            return None
        said = connecting.reason(error) or describe_error(error)
        name = self._collection.full_name
        return SinkRefusesError(
            RetryReason.NOT_AUTHORIZED, f"{said}. It has to store a document in {name} for a moment, to try {shown}"
        )

    def remove(self) -> None:
        """What this process stored, what killed ones left behind, and the collection if nobody else uses it now."""
        with suppress(PyMongoError), pymongo.timeout(ATTEMPT_SECONDS):
            oldest = ObjectId.from_datetime(datetime.now(UTC) - LEFT_OVER)
            self._collection.delete_many({"_id": {"$in": self._ids}})
            self._collection.delete_many({"_id": {"$lt": oldest}})
            if self._collection.find_one() is None:
                self._collection.drop()


@contextmanager
def _opened(client: MongoClient[Any], database: str) -> Iterator[_Probe]:
    probe = _Probe(client, database)
    try:
        yield probe
    finally:
        probe.remove()
