"""What a server of MongoDB's protocol says of itself, and what follows from it for the fleet. For `workers doctor`; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.findings import Finding, duration, is_this_machine, ok, size, warning, wrong
from workers.sinks.mongodb.client import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.settings import Settings

NEEDED = ("find", "insert")
"""Actions on the documents, and on the dead letters: https://www.mongodb.com/docs/manual/reference/privilege-actions/"""
FOR_REPLAY = ("update", "remove")
"""Actions on the dead letters that `workers dead-letters` needs."""
LARGEST_DOCUMENT = 16 * 1024 * 1024
"""Bytes, MongoDB's own limit. Some servers of its protocol take less."""
LEAST_FREE, LITTLE_FREE = 0.02, 0.1
"""Shares of the server's disk."""
CLOCK_SECONDS = 5.0
"""A difference that is told: larger than that of clocks which are synchronized, and than a slow answer."""


@dataclass(frozen=True)
class MongoServer:
    """The server that answered."""

    hello: Mapping[str, Any]
    build: Mapping[str, Any] | None
    """None: it does not answer `buildInfo`."""
    address: str
    asked: float
    """Unix time, as `answered`."""
    answered: float

    @property
    def is_sharded(self) -> bool:
        """Whether it is a mongos."""
        return self.hello.get("msg") == "isdbgrid"

    @property
    def host(self) -> str:
        """Without the port."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def kind(self) -> str:
        """The product and its version."""
        build = self.build or {}
        version = str(build.get("version") or "")
        if other := build.get("ferretdbVersion") or (build.get("ferretdb") or {}).get("version"):
            # A build of one's own does not know its version.
            own = str(other).removeprefix("v").replace("unknown", "")
            return f"FerretDB {own}".strip() + f", as MongoDB {version}"
        return f"MongoDB {version}" if version else "a server of MongoDB's protocol"


def check_server(server: MongoServer) -> Finding:
    """It answers; what it is; whether it takes writes."""
    passed = duration(server.answered - server.asked)
    text = f"{server.address} answers in {passed}: {server.kind}"
    if not (server.hello.get("isWritablePrimary") or server.hello.get("ismaster")):
        return wrong(
            "mongodb.primary",
            f"{text}; it takes no writes: it is not the primary",
            "name all members and replicaSet=NAME in WORKERS_MONGODB_URI, without directConnection; or wait for an election",
        )
    return ok("mongodb.reachable", text)


def check_login(
    server: MongoServer, status: Mapping[str, Any] | None, database: str, collection: str
) -> Iterator[Finding]:
    """Who this client is for the server, and what it may do with the two collections."""
    auth = (status or {}).get("authInfo") or {}
    users = [f"{each.get('user')}@{each.get('db')}" for each in auth.get("authenticatedUsers") or ()]
    if status is None:
        yield warning(
            "mongodb.rights", "the server does not tell what this user may do", "`workers verify` shows what is stored"
        )
        return
    if not users:
        text = "no login is demanded: whoever reaches the port may read and change the documents"
        if is_this_machine(server.host):
            yield ok("mongodb.login", "no login is demanded, on this machine")
        else:
            yield warning(
                "mongodb.login", text, "demand one at the server, and write user and password into WORKERS_MONGODB_URI"
            )
        return
    privileges = auth.get("authenticatedUserPrivileges")
    if privileges is None:
        yield ok("mongodb.login", f"logged in as {', '.join(users)}")
        return
    missing = {
        name: [action for action in needed if action not in actions_on(privileges, database, name)]
        for name, needed in ((collection, NEEDED), (collection + SUFFIX, NEEDED + FOR_REPLAY))
    }
    lacking = "; ".join(f"{', '.join(actions)} on {database}.{name}" for name, actions in missing.items() if actions)
    grant = f"grant the user the role readWrite on the database {database}"
    if any(action in NEEDED for actions in missing.values() for action in actions):
        yield wrong("mongodb.rights", f"the user {', '.join(users)} lacks the right to {lacking}", grant)
    elif lacking:
        yield warning(
            "mongodb.rights",
            f"the user {', '.join(users)} lacks the right to {lacking}: `workers dead-letters` cannot replay or purge",
            grant,
        )
    else:
        yield ok("mongodb.rights", f"logged in as {', '.join(users)}, with every right that is needed")


def actions_on(privileges: list[Mapping[str, Any]], database: str, collection: str) -> set[str]:
    """The actions that some privileges allow on a collection.

    https://www.mongodb.com/docs/manual/reference/resource-document/
    """
    found: set[str] = set()
    for each in privileges:
        resource = each.get("resource") or {}
        named = resource.get("db") in ("", database) and resource.get("collection") in ("", collection)
        if resource.get("anyResource") or named:
            found |= set(each.get("actions") or ())
    return found


def check_copies(server: MongoServer) -> Iterator[Finding]:
    """How many machines hold what was acknowledged, and how many of them a write needs."""
    check, hello = "mongodb.copies", server.hello
    written = "written with w: majority, journal: true"
    if server.is_sharded:
        yield ok(check, f"a sharded cluster, through mongos; {written}")
        return
    hosts, arbiters = list(hello.get("hosts") or ()), list(hello.get("arbiters") or ())
    if not hello.get("setName"):
        if is_this_machine(server.host):
            yield ok(check, f"a single server, on this machine; {written}")
        else:
            yield warning(
                check,
                f"a single server: what it acknowledged is on its one disk ({written})",
                "a replica set of three members survives the loss of one",
            )
        return
    text = f"replica set {hello['setName']}, {len(hosts)} members with data; {written}"
    if arbiters and len(hosts) <= 2:
        yield warning(
            check,
            f"{text}; with {len(arbiters)} arbiter: when one member with data is down, no write is acknowledged any more",
            "replace the arbiter by a member with data",
        )
    elif len(hosts) == 2:
        yield warning(
            check,
            f"{text}: a majority is both, so no write is acknowledged while one is down",
            "add a third member",
        )
    else:
        yield ok(check, text)


def check_limits(server: MongoServer, stats: Mapping[str, Any] | None, settings: Settings) -> Iterator[Finding]:
    """The largest document and batch that it takes, and the room on its disk."""
    hello = server.hello
    largest = int(hello.get("maxBsonObjectSize") or LARGEST_DOCUMENT)
    batch, message = int(hello.get("maxWriteBatchSize") or 0), int(hello.get("maxMessageSizeBytes") or 0)
    text = f"documents up to {size(largest)}"
    if batch and message:
        text += f", {batch:,} or {size(message)} in one write"
    if largest < settings.max_value_bytes:
        yield warning(
            "mongodb.limits",
            f"it takes {text}; WORKERS_MAX_VALUE_BYTES={settings.max_value_bytes} is more: larger ones become dead letters",
            f"set WORKERS_MAX_VALUE_BYTES={largest} or less, if they are to be refused before they are sent",
        )
    else:
        yield ok("mongodb.limits", f"it takes {text}")
    total, used = ((stats or {}).get(name) for name in ("fsTotalSize", "fsUsedSize"))
    if not total or used is None:
        return
    free = max(0.0, float(total) - float(used))
    room = f"{size(free)} of {size(float(total))} are free on its disk"
    fix = "give the server a larger disk, or delete what nobody needs; until then workers wait, and lose nothing"
    if free < LEAST_FREE * float(total):
        yield wrong("mongodb.disk", room, fix)
    elif free < LITTLE_FREE * float(total):
        yield warning("mongodb.disk", room, fix)
    else:
        yield ok("mongodb.disk", room)


def check_clock(server: MongoServer) -> Iterator[Finding]:
    """The server's clock beside that of this machine. Told only where it differs, or nothing else compares them."""
    told = server.hello.get("localTime")
    if told is None:
        return
    # The answer was made at some moment between the question and its arrival.
    theirs, fastest, slowest = told.timestamp(), server.asked, server.answered
    apart = theirs - slowest if theirs > slowest else min(0.0, theirs - fastest)
    if abs(apart) <= CLOCK_SECONDS:
        return
    yield warning(
        "mongodb.clock",
        f"its clock is {duration(abs(apart))} {'ahead of' if apart > 0 else 'behind'} that of this machine",
        "synchronize both clocks (chrony, systemd-timesyncd): times of dead letters and `verify --since` depend on them",
    )
