"""One measurement: how long it took, and who used how much of the processor meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import psutil

LOOK_SECONDS = 0.02
FULL = 0.9
"""Of a core, or of all: from here on it is held to be the limit."""


@dataclass(frozen=True)
class Sample:
    """What one run of one peer came to."""

    records: int
    seconds: float
    cpu: dict[str, float]
    """Seconds of processor: client (all its processes), kafka, database, and others, who only disturbed."""
    processes: int
    """Of the client."""
    memory: int
    """Bytes in RAM that one process of the client had, at most."""
    disk: float | None
    """The share of the time that a disk was busy; None where the system does not say."""

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def microseconds(self) -> float:
        """Processor time of the client, a record."""
        return self.cpu["client"] / self.records * 1e6

    def cores(self, name: str) -> float:
        """How many cores were busy with it, over the time of the run."""
        return self.cpu[name] / self.seconds

    def limit(self, cores: int) -> str:
        """What kept it from being faster, on a machine with so many cores."""
        if sum(self.cpu.values()) / self.seconds >= FULL * cores:
            return "all cores"
        disk = self.disk or 0.0
        # A database waits for its disk before it acknowledges, and its one writer with it.
        shares = {"client": self.cores("client") / self.processes, "database": self.cores("database") + disk}
        name = max(shares, key=shares.__getitem__)
        if shares[name] < FULL:
            return "taking turns"
        return "disk" if name == "database" and disk > self.cores("database") else name

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"rate": self.rate, "microseconds": self.microseconds}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Sample:
        """What `as_dict` gave, with whatever stands beside it."""
        return cls(**{each.name: given[each.name] for each in fields(cls)})


def take(
    records: int,
    clients: Iterable[psutil.Process],
    servers: Mapping[str, psutil.Process],
    go: Callable[[], object],
    done: Callable[[], bool],
) -> Sample:
    """Let it go, and look until it is done."""
    clients = list(clients)
    groups = {"client": clients} | {name: [process] for name, process in servers.items()}
    before, disk_before = {name: _seconds(group) for name, group in groups.items()}, _disk()
    machine_before, started = _machine(), time.perf_counter()
    memory = 0
    go()
    while not done():
        memory = max(memory, *(process.memory_info().rss for process in clients))
        time.sleep(LOOK_SECONDS)
    seconds, machine = time.perf_counter() - started, _machine() - machine_before
    cpu = {name: _seconds(group) - before[name] for name, group in groups.items()}
    disk, disk_after = None, _disk()
    if disk_before is not None and disk_after is not None:
        disk = (disk_after - disk_before) / seconds
    nothing = dict.fromkeys(("kafka", "database"), 0.0)
    others = max(0.0, machine - sum(cpu.values()))
    return Sample(records, seconds, nothing | cpu | {"others": others}, len(clients), memory, disk)


def _seconds(processes: Iterable[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def _machine() -> float:
    times = psutil.cpu_times()._asdict()
    # A guest's time is in the user's already.
    idle = ("idle", "iowait", "steal", "guest", "guest_nice")
    return sum(seconds for name, seconds in times.items() if name not in idle)


def _disk() -> float | None:
    """Seconds that the disks were busy."""
    counters = psutil.disk_io_counters()
    busy = getattr(counters, "busy_time", None)
    return None if busy is None else busy / 1000
