"""Who is measured: each is started and warmed up, gets the backlog all at once, and is done when all of it is through."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import psutil

from bench.backlog import NESTED, Backlog, Sender, values
from bench.folder import Folder
from bench.sample import Sample, take
from bench.servers import Place, Servers, open_place
from bench.sight import Sight
from tests.support.user import BIN
from workers.kafka.admin import Admin


@dataclass(frozen=True)
class Load:
    """What everybody gets. The warm-up is not measured: by its end all are connected, and their caches are full."""

    records: int = 200_000
    warm_up: int = 6_000
    partitions: int = 6
    size: int = 0
    """Bytes of JSON in each value; 0: numbers as in the tutorial."""
    nested: bool = False
    """Documents in documents, of some 100 bytes, instead of flat ones."""

    @property
    def kind(self) -> str:
        """Of its values, as a word on a command line."""
        return NESTED if self.nested else str(self.size)

    def with_records(self, records: int, warm_up: int) -> Load:
        """So many of the same."""
        return replace(self, records=records, warm_up=warm_up)

    def backlogs(self) -> tuple[Backlog, Backlog]:
        value = values(self.kind)
        warm_up = self.warm_up // self.partitions * self.partitions or self.partitions
        return Backlog(value, 0, warm_up, self.partitions), Backlog(value, warm_up, self.records, self.partitions)


@dataclass
class Running:
    """A peer that is warm."""

    processes: Sequence[subprocess.Popen[Any]]
    go: Callable[[], object]
    done: Callable[[], bool]
    check: Callable[[], None] = lambda: None
    """Raises where not all is there in the end."""


Peer = Callable[[Servers, Place, Backlog, Backlog], AbstractContextManager[Running]]
"""Starts somebody in a place, with a warm-up and a backlog; what it yields is warm."""


def alone(_place: Place) -> AbstractContextManager[object]:
    """Nothing goes on beside a run."""
    return nullcontext()


def measure(
    peer: Peer,
    servers: Servers,
    load: Load,
    backlogs: tuple[Backlog, Backlog] | None = None,
    beside: Callable[[Place], AbstractContextManager[object]] = alone,
) -> Sample:
    """One run, in a place of its own.

    Args:
        backlogs: those of the load, for whoever has them already.
        beside: what goes on meanwhile.
    """
    warm_up, backlog = backlogs or load.backlogs()
    with open_place(servers, load.partitions) as place, peer(servers, place, warm_up, backlog) as running:

        def done() -> bool:
            for process in running.processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args} ended with {process.returncode}")
            return running.done()

        clients = [psutil.Process(process.pid) for process in running.processes]
        with beside(place):
            sample = take(backlog.records, clients, servers.processes, running.go, done)
        running.check()
        return sample


def workers(count: int, settings: Mapping[str, str] | None = None) -> Peer:
    """So many `workers run`, with state folders as under supervisord, and the default settings but for these."""

    @contextmanager
    def peer(_servers: Servers, place: Place, warm_up: Backlog, backlog: Backlog) -> Iterator[Running]:
        with Folder() as folder, Sender(place.settings) as sender, Sight(place) as sight:
            sender.send_all(warm_up)
            environment = place.environment | {"WORKERS_STATE_DIR": str(folder.path), **(settings or {})}
            command = [str(BIN / "workers"), "run"]
            running = [
                folder.spawn(f"worker_{slot:02d}", command, environment | {"WORKERS_SLOT": str(slot)})
                for slot in range(count)
            ]
            with membership(place, count) as joined:
                folder.wait(joined, f"{count} workers are in the group")
            folder.wait(sight.of(warm_up), "the warm-up is stored")
            total = warm_up.records + backlog.records
            yield Running(running, lambda: sender.send_all(backlog), sight.of(backlog), lambda: sight.require(total))

    return peer


@contextmanager
def raw_fetch(_servers: Servers, place: Place, warm_up: Backlog, backlog: Backlog) -> Iterator[Running]:
    """The Kafka client alone, with our options."""
    with Folder() as folder, Sender(place.settings) as sender:
        sender.send_all(warm_up)
        arguments = ["fetch", str(warm_up.records), str(backlog.records)]
        running = folder.spawn("raw", [sys.executable, "-m", "bench.raw", *arguments], place.environment)
        folder.wait(lambda: "warm" in folder.said("raw"), "the warm-up is read")
        yield Running([running], lambda: sender.send_all(backlog), lambda: "done" in folder.said("raw"))


def raw_insert(kind: str = "0", *, reading: bool = False) -> Peer:
    """`insert_many` alone, of values of this kind: see `Load.kind`. Args: reading: as many records are read beside it."""

    @contextmanager
    def peer(_servers: Servers, place: Place, warm_up: Backlog, backlog: Backlog) -> Iterator[Running]:
        with Folder() as folder, Sender(place.settings) as sender:
            if reading:
                sender.send_all(warm_up)
            numbers = map(str, (warm_up.records, backlog.records, place.partitions))
            what = "both" if reading else "insert"
            command = [sys.executable, "-m", "bench.raw", what, *numbers, kind, place.topic.prefix]
            running = folder.spawn("raw", command, place.environment)
            folder.wait(lambda: "warm" in folder.said("raw"), "the warm-up is inserted")
            assert running.stdin is not None
            started = running.stdin

            def go() -> None:
                started.write(b"go\n")
                started.flush()
                if reading:
                    sender.send_all(backlog)

            yield Running([running], go, lambda: "done" in folder.said("raw"))

    return peer


@contextmanager
def tutorial(_servers: Servers, place: Place, warm_up: Backlog, backlog: Backlog) -> Iterator[Running]:
    """bench/tutorial.py."""
    settings = place.settings
    uri = settings.mongodb_uri.get_secret_value()
    with Folder() as folder, Sender(settings) as sender, Sight(place) as sight:
        sender.send_all(warm_up)
        where = [settings.bootstrap_servers, settings.topic, settings.group, uri, settings.database]
        command = [sys.executable, "-m", "bench.tutorial", *where]
        running = folder.spawn("tutorial", command, place.environment)
        folder.wait(sight.counted(warm_up.records), "the warm-up is stored")
        total = warm_up.records + backlog.records
        yield Running([running], lambda: sender.send_all(backlog), sight.counted(total))


@contextmanager
def membership(place: Place, count: int, group: str | None = None) -> Iterator[Callable[[], bool]]:
    """A condition: so many are in the group, and it is at rest, by the broker's word."""
    with Admin(place.settings) as admin:

        def joined() -> bool:
            found = admin.group(group or place.settings.group, place.settings.topic)
            return found.state == "Stable" and len(found.members) == count

        yield joined
