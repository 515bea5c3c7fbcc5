"""Counters of the whole fleet, summed over restarts, and the pauses in which it stored nothing."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections import defaultdict
from http.client import HTTPException
from typing import TYPE_CHECKING, Self

from workers.naming import address, slot_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from workers.drill.report import FaultReport
    from workers.settings import Settings

SCRAPE_SECONDS = 0.2
AFTERMATH_SECONDS = 2.0
"""A pause that begins so soon after a fault is counted as the fault's. Several faults may share one."""
START = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
SAMPLE = re.compile(r"^(workers_\w+_total)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(?:outcome|event)="(\w+)"')
PARTITION = re.compile(r'partition="(\d+)"')


class FleetCounters:
    """Scrapes every worker several times a second inside a `with`.

    What a process counted after its last scrape is lost with it, so the sums are lower bounds.
    """

    def __init__(self, settings: Settings, workers: Collection[str]) -> None:
        """Args: workers: the names of those to ask."""
        # With port 0 each worker has taken one that nobody knows.
        ports = [settings.metrics_port + slot_of(name) for name in workers] if settings.metrics_port else []
        self._urls = [f"http://{address(settings.metrics_host, port)}/metrics" for port in ports]
        self._last: dict[str, dict[tuple[str, str], float]] = {}
        """By URL: the counters of its current process at the last scrape."""
        self._starts: dict[str, str] = {}
        """By URL: the start time of that process, by which a restart is recognized."""
        self._sums: dict[str, float] = defaultdict(float)
        self._stored_at = time.monotonic()
        self._progressed: dict[str, float] = {}
        """By partition: when one of its records was last seen to be done."""
        self._faults: list[tuple[float, FaultReport]] = []
        self._loaded = True
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._scrape_all, name="drill-counters", daemon=True)
        self.longest_pause = 0.0
        self.seen = False
        """Whether any worker has ever answered."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_event.set()
        self._thread.join()

    @property
    def redelivered(self) -> int:
        """Records that were redelivered and found stored."""
        return int(self._sums["duplicate"])

    @property
    def rebalances(self) -> int:
        """Assignments, summed over the workers."""
        return int(self._sums["assigned"])

    @property
    def retries(self) -> int:
        """Retriable write failures."""
        return int(self._sums["workers_write_retries_total"])

    def count(self, name: str) -> float:
        """One of the sums: an outcome of records, an event of rebalances, or the name of a metric."""
        return self._sums[name]

    def stores(self, within: float) -> bool:
        """Whether a record was stored within the last so many seconds."""
        return time.monotonic() - self._stored_at < within

    def blame(self, fault: FaultReport, since: float) -> None:
        """Write the pauses that follow this fault into its report. Args: since: when it was injected, monotonic."""
        self._faults.append((since, fault))

    def load_ended(self) -> None:
        """No more records are sent, so partitions fall silent, one after the other: that is no fault's pause."""
        self._loaded = False

    def _scrape_all(self) -> None:
        for url in self._urls:
            self._scrape(url, time.monotonic(), first=True)
        while not self._stop_event.wait(SCRAPE_SECONDS):
            before, now = self._sums["stored"], time.monotonic()
            for url in self._urls:
                self._scrape(url, now)
            if self._sums["stored"] > before:
                self._stored_at = now
            self.longest_pause = max(self.longest_pause, now - self._stored_at)
            if self._loaded:
                self._measure_pauses(now)

    def _measure_pauses(self, now: float) -> None:
        for at, fault in list(self._faults):
            ends = at + fault.lasted + AFTERMATH_SECONDS
            # A partition that stood still already is counted from the fault on.
            still = [max(at, last) for last in self._progressed.values() if last <= ends]
            fault.longest_pause = max([fault.longest_pause, *(now - since for since in still)])
            if now > ends and not still:
                self._faults.remove((at, fault))

    def _scrape(self, url: str, now: float, *, first: bool = False) -> None:
        try:
            with urllib.request.urlopen(url, timeout=0.2) as answer:  # noqa: S310 our own metrics
                text = answer.read().decode()
        except (OSError, HTTPException):
            return
        self.seen = True
        started = START.search(text)
        if started and self._starts.get(url) != started[1]:
            self._starts[url] = started[1]
            self._last[url] = {}
        last = self._last.setdefault(url, {})
        for name, labels, value in SAMPLE.findall(text):
            label = LABEL.search(labels)
            increase = 0.0 if first else float(value) - last.get((name, labels), 0.0)
            self._sums[label[1] if label else name] += increase
            if increase and name == "workers_records_total":
                self._progressed[PARTITION.findall(labels)[0]] = now
            last[name, labels] = float(value)
