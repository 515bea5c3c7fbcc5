"""Counters of the whole fleet: the metrics of all workers, summed over restarts."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from workers.settings import Settings

SCRAPE_SECONDS = 0.2
START = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
SAMPLE = re.compile(r"^(workers_\w+_total)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


class FleetCounters:
    """Scrapes every worker several times a second inside a `with`.

    What a process counted after its last scrape is lost with it, so the sums are lower bounds.
    """

    def __init__(self, settings: Settings, slots: int) -> None:
        ports = [settings.metrics_port + slot for slot in range(slots)]
        self._urls = [f"http://{settings.metrics_host}:{port}/metrics" for port in ports]
        self._last: dict[str, dict[tuple[str, str], float]] = {}
        """By URL: the counters of its current process at the last scrape."""
        self._starts: dict[str, str] = {}
        """By URL: the start time of that process, by which a restart is recognized."""
        self._sums: dict[str, float] = {}
        self._stored_at = time.monotonic()
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._scrape_all, daemon=True)
        self.longest_pause = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_event.set()
        self._thread.join()

    @property
    def redelivered(self) -> int:
        """Records that were redelivered and found stored."""
        return int(self._sums.get("duplicate", 0))

    @property
    def rebalances(self) -> int:
        """Assignments, summed over the workers."""
        return int(self._sums.get("assigned", 0))

    @property
    def retries(self) -> int:
        """Retriable write failures."""
        return int(self._sums.get("workers_write_retries_total", 0))

    def _scrape_all(self) -> None:
        for url in self._urls:
            self._scrape(url, first=True)
        while not self._stop_event.wait(SCRAPE_SECONDS):
            before = self._sums.get("stored", 0)
            for url in self._urls:
                self._scrape(url)
            now = time.monotonic()
            if self._sums.get("stored", 0) > before:
                self._stored_at = now
            self.longest_pause = max(self.longest_pause, now - self._stored_at)

    def _scrape(self, url: str, *, first: bool = False) -> None:
        try:
            with urllib.request.urlopen(url, timeout=0.2) as answer:  # noqa: S310 our own metrics
                text = answer.read().decode()
        except (OSError, urllib.error.URLError):
            return
        started = START.search(text)
        if started and self._starts.get(url) != started[1]:
            self._starts[url] = started[1]
            self._last[url] = {}
        last = self._last.setdefault(url, {})
        for name, labels, value in SAMPLE.findall(text):
            label = re.search(r'(?:outcome|event)="(\w+)"', labels)
            key = label[1] if label else name
            increase = 0.0 if first else float(value) - last.get((name, labels), 0.0)
            self._sums[key] = self._sums.get(key, 0.0) + increase
            last[name, labels] = float(value)
