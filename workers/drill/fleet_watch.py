"""The metrics of all workers, added up over their deaths."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from workers.settings import Settings

EVERY_SECONDS = 0.2
START = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
SAMPLE = re.compile(r"^(workers_\w+_total)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


class FleetCounters:
    """Reads every worker's metrics several times a second while it is used with `with`.

    What a process counted after its last reading dies with it, so the sums are lower bounds.
    """

    def __init__(self, settings: Settings, slots: int) -> None:
        ports = [settings.metrics_port + slot for slot in range(slots)]
        self._urls = [f"http://{settings.metrics_host}:{port}/metrics" for port in ports]
        self._last: dict[str, dict[tuple[str, str], float]] = {}
        """By page: what its process, known by its start, had counted when it was last read."""
        self._starts: dict[str, str] = {}
        self._sums: dict[str, float] = {}
        self._stored_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.longest_pause = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def redelivered(self) -> int:
        """Records that were found stored."""
        return int(self._sums.get("duplicate", 0))

    @property
    def rebalances(self) -> int:
        """Times that a worker was given partitions."""
        return int(self._sums.get("assigned", 0))

    @property
    def retries(self) -> int:
        """Writes that failed for no fault of a record."""
        return int(self._sums.get("workers_write_retries_total", 0))

    def _watch(self) -> None:
        for url in self._urls:
            self._read(url, first=True)
        while not self._over.wait(EVERY_SECONDS):
            before = self._sums.get("stored", 0)
            for url in self._urls:
                self._read(url)
            now = time.monotonic()
            if self._sums.get("stored", 0) > before:
                self._stored_at = now
            self.longest_pause = max(self.longest_pause, now - self._stored_at)

    def _read(self, url: str, *, first: bool = False) -> None:
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
            known = re.search(r'(?:outcome|event)="(\w+)"', labels)
            word = known[1] if known else name
            grown = 0.0 if first else float(value) - last.get((name, labels), 0.0)
            self._sums[word] = self._sums.get(word, 0.0) + grown
            last[name, labels] = float(value)
