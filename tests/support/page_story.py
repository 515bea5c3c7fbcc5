"""An invented history of a fleet, in the form of /timeline.json: bands, marks, and the series that follow from them.

    story = Story(partitions=6, workers=4)
    story.kill("worker_01", at=-41)
    story.timeline(now=time.time(), seconds=120)

Times are seconds before now, below 0. No server is needed, so that the page can be shown moments that are rare.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

INTERVAL = 1.0
RATE = 640.0
"""Records a second of one partition."""
DRAIN = 2.5
"""How much faster what has waited is stored."""
COARSE = ((600, 1.0), (3600, 10.0), (21_600, 30.0), (86_400, 60.0))
"""Up to so many seconds: the interval of the series."""


class Band(NamedTuple):
    start: float
    end: float
    worker: str | None
    kind: str


class Story:
    def __init__(
        self, partitions: int = 6, workers: int = 4, topics: Iterable[str] = ("numtest",), begun: float = -86_400.0
    ) -> None:
        self.begun = begun
        self.names = [f"worker_{number:02}" for number in range(workers)]
        self.bands: dict[tuple[str, int], list[Band]] = {}
        for topic in topics:
            for number in range(partitions):
                owner = self._assigned(number, partitions)
                kind = "storing" if workers else "waiting"
                self.bands[topic, number] = [Band(begun, 0.0, owner, kind)]
        self.marks: list[dict[str, Any]] = []
        self.rate = RATE

    def _assigned(self, number: int, partitions: int) -> str | None:
        """As Kafka's range assignor does: the first workers have one more."""
        if not self.names:
            return None
        least, more = divmod(partitions, len(self.names))
        first = more * (least + 1)
        return self.names[number // (least + 1) if number < first else more + (number - first) // least]

    def change(self, key: tuple[str, int], start: float, end: float, worker: str | None, kind: str) -> None:
        """Put this band over what is there."""
        found = []
        for band in self.bands[key]:
            if band.start < min(start, band.end):
                found.append(band._replace(end=min(start, band.end)))
            if band.end > max(end, band.start):
                found.append(band._replace(start=max(end, band.start)))
        self.bands[key] = sorted([*found, Band(start, min(end, 0.0), worker, kind)])

    def of(self, worker: str) -> list[tuple[str, int]]:
        return [key for key, bands in self.bands.items() if bands[-1].worker == worker]

    def kill(self, worker: str, at: float, again: float = 1.04, back: float = 2.63, kind: str = "killed") -> None:
        """It dies; others take over after `again` seconds, and it is back after `back`; infinite: it has not happened."""
        own, others = self.of(worker), [name for name in self.names if name != worker]
        text = {"killed": "killed (SIGKILL)", "died": "ended with exit code 1", "stalled": "hung for 10 s, killed"}[
            kind
        ]
        self.mark(at, kind, worker, text)
        if at + min(again, 0.42) <= 0:
            self.mark(at + min(again, 0.42), "evicted", worker, "removed from the group", min(again, 0.42))
        taken = set()
        for i, key in enumerate(own):
            heir = others[i % len(others)] if others else None
            self.change(key, at, at + again, worker, "waiting")
            if at + again < 0 and heir:
                taken.add(heir)
                self.change(key, at + again, min(0.0, at + back), heir, "storing")
        of, listed = " and ".join(str(number) for _, number in own[:2]), " and ".join(sorted(taken))
        if at + again <= 0:
            self.mark(at + again * 0.7, "taken_over", worker, f"partitions {of} taken over by {listed}", again * 0.7)
            self.mark(
                at + again, "stored_again", worker, f"first record of partitions {of} stored again, by {listed}", again
            )
        if at + back <= 0:
            for key in own:
                self.change(key, at + back, at + back + 0.25, worker, "waiting")
            self.mark(at + back, "back", worker, "is back", back)

    def all(self, start: float, end: float, kind: str, *, owned: bool = True) -> None:
        for key in self.bands:
            owner = next((band.worker for band in self.bands[key] if band.start <= start < band.end), None)
            self.change(key, start, end, owner if owned else None, kind)

    def mark(self, at: float, kind: str, process: str | None, text: str, seconds: float | None = None) -> None:
        self.marks.append({"time": at, "kind": kind, "process": process, "text": text, "seconds": seconds})

    def timeline(self, now: float, seconds: int = 120) -> dict[str, Any]:
        interval = next((each for most, each in COARSE if seconds <= most), 60.0)
        partitions = [
            {
                "topic": topic,
                "partition": number,
                "bands": [
                    [round(now + max(band.start, -seconds), 3), round(now + band.end, 3), band.worker, band.kind]
                    for band in bands
                    if band.end > -seconds and band.end > band.start
                ],
            }
            for (topic, number), bands in self.bands.items()
        ]
        return {
            "now": now,
            "start": now - seconds,
            "interval": interval,
            "partitions": partitions,
            "series": self.series(now, seconds, interval),
            "marks": [
                mark | {"time": round(now + mark["time"], 3), "partitions": None}
                for mark in sorted(self.marks, key=lambda mark: mark["time"])
                if mark["time"] >= -seconds
            ],
        }

    def series(self, now: float, seconds: int, interval: float) -> dict[str, list[float | None]]:
        """What waits grows by what is sent while nobody stores it, and is stored faster afterwards."""
        series: dict[str, list[float | None]] = {name: [] for name in ("time", "stored", "sent", "waiting", "age")}
        backlog = dict.fromkeys(self.bands, 0.0)
        for i in range(int(seconds / interval), -1, -1):
            at = -i * interval
            series["time"].append(round(now + at, 3))
            if at < self.begun:
                for name in ("stored", "sent", "waiting", "age"):
                    series[name].append(None)
                continue
            # It moves with the clock, as a real one does: the same moment has the same value in the next answer.
            phase = math.floor(now + at)
            wave = 1 + 0.02 * math.sin(phase / 3.1) + 0.015 * math.sin(phase / 1.3)
            stored, age = 0.0, 0.05 + 0.03 * abs(math.sin(phase / 2.3))
            for key, bands in self.bands.items():
                share = (
                    sum(
                        max(0.0, min(band.end, at) - max(band.start, at - interval))
                        for band in bands
                        if band.kind in ("waiting", "halted", "unknown")
                    )
                    / interval
                )
                sent = self.rate * wave * interval
                most = (1 - share) * sent * DRAIN
                done = min(backlog[key] + sent, most)
                backlog[key] += sent - done
                stored += done / interval
                age = max(age, backlog[key] / max(1.0, self.rate))
            series["stored"].append(round(stored, 1))
            series["sent"].append(round(self.rate * wave * len(self.bands), 1))
            series["waiting"].append(round(sum(backlog.values()) + 100 * wave) if self.rate else 0)
            series["age"].append(round(age, 3) if self.rate else 0.0)
        return series
