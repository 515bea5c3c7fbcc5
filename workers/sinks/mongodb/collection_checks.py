"""What of a collection would refuse, change or remove what the workers write there. For `workers doctor`; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.findings import Finding, count, ok, unknown, warning, wrong
from workers.sinks.mongodb.client import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.settings import Settings


@dataclass(frozen=True)
class Collection:
    """A collection, as the server describes it."""

    name: str
    info: Mapping[str, Any] | None
    """From `listCollections`; None: it does not exist yet."""
    indexes: Sequence[Mapping[str, Any]] | None = ()
    """None: the server does not show them."""
    documents: int | None = None
    is_sharded_cluster: bool = False
    shard_key: Mapping[str, Any] | None = None
    """None: it is not sharded, or this user may not see it."""

    @property
    def options(self) -> Mapping[str, Any]:
        """With which it was made."""
        return (self.info or {}).get("options") or {}


def check_collection(settings: Settings, collection: Collection) -> Iterator[Finding]:
    """The kind of the collection, then everything that is unusual about it."""
    letters = collection.name == settings.collection + SUFFIX
    check = "mongodb.dead_letters" if letters else "mongodb.collection"
    where = f"{settings.database}.{collection.name}"
    if collection.info is None:
        if not letters:
            yield ok(check, f"{where} does not exist yet: the first document makes it")
        return
    if problem := _kind(collection):
        yield wrong(check, f"{where} {problem}", "use a plain collection: set WORKERS_COLLECTION to another name")
        return
    yield ok(check, _contents(where, collection, letters=letters))
    for each in (_validator, _collation, _indexes, _sharding):
        yield from each(check, where, collection)


def _contents(where: str, collection: Collection, *, letters: bool) -> str:
    number = collection.documents
    if number is None:
        return f"{where} is a plain collection"
    if letters:
        shown = "; `workers dead-letters list` shows them" if number else ""
        return f"{where}: {count(number, 'dead letter')}{shown}"
    clustered = ", clustered by _id" if collection.options.get("clusteredIndex") else ""
    return f"{where} is a plain collection{clustered}, {count(number, 'document')}"


def _kind(collection: Collection) -> str | None:
    kind = str((collection.info or {}).get("type") or "collection")
    if collection.options.get("capped"):
        return "is capped: it drops its oldest documents"
    if kind == "view":
        return "is a view: nothing can be written to it"
    if kind == "timeseries":
        return "is a time-series collection: ids are not unique there, so a redelivered record would be stored twice"
    return None if kind == "collection" else f"is a {kind}: ids are not unique there"


def _validator(check: str, where: str, collection: Collection) -> Iterator[Finding]:
    if not collection.options.get("validator"):
        return
    action = str(collection.options.get("validationAction") or "error")
    if action == "warn":
        yield ok(check, f"{where} has a validator, which only warns")
        return
    yield warning(
        check,
        f"{where} has a validator: a document that it refuses becomes a dead letter",
        "nothing, if that is meant; `workers dead-letters list --reason refused` shows what was refused",
    )


def _collation(check: str, where: str, collection: Collection) -> Iterator[Finding]:
    collation = collection.options.get("collation") or {}
    locale = str(collation.get("locale") or "simple")
    if locale == "simple":
        return
    if collation.get("alternate") == "shifted" and int(collation.get("strength") or 3) < 4:
        # "numtest-08b40071/1/23" and "numtest-08b40071/12/3" differ in punctuation only.
        yield wrong(
            check,
            f"{where} has a collation that ignores punctuation: ids of different records are equal there, and one of them "
            f"becomes a dead letter",
            "use a collection with the simple collation: set WORKERS_COLLECTION to another name",
        )
        return
    yield warning(
        check,
        f"{where} compares text by the collation {locale}, ids too",
        "a collection without a collation compares ids byte by byte, which is what the workers expect",
    )


def _indexes(check: str, where: str, collection: Collection) -> Iterator[Finding]:
    if collection.indexes is None:
        yield unknown(check, f"the indexes of {where} are not shown to this user", "grant it the role readWrite")
        return
    for index in collection.indexes:
        name, keys = str(index.get("name")), ", ".join((index.get("key") or {}).keys())
        if index.get("expireAfterSeconds") is not None:
            yield wrong(
                check,
                f"{where} has the TTL index {name} on {keys}: MongoDB deletes documents, and `workers verify` will call them "
                f"missing",
                f"drop it: db.{collection.name}.dropIndex({name!r}); or move old documents elsewhere by other means",
            )
        elif index.get("unique") and keys != "_id":
            yield warning(
                check,
                f"{where} has the unique index {name} on {keys}: a record that repeats a value becomes a dead letter",
                "nothing, if that is meant; `workers dead-letters list --reason duplicate_key` shows what was refused",
            )


def _sharding(check: str, where: str, collection: Collection) -> Iterator[Finding]:
    key = collection.shard_key
    if not collection.is_sharded_cluster or key is None or [*key] == ["_id"]:
        return
    listed = ", ".join(key)
    yield warning(
        check,
        f"{where} is sharded by {listed}: MongoDB keeps _id unique only within one shard",
        'shard it by {_id: "hashed"}: then a record that is delivered again always meets its document',
    )
