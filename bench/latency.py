"""How long until an acknowledged record can be read in the database; and what a worker costs that has nothing to do.

At ten records a second, and at half of what the worker stored at most a moment before. The clock runs from the producer's
acknowledgement to the reader's answer. A reader asks for one id at a time, every few milliseconds, so a figure is late by
up to one such look; how much of the database's time its looks take is told, too.

    python -m bench.latency [--quick] [--servers settings]
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from typing import Self

import psutil

from bench import goals
from bench.backlog import Backlog, Sender
from bench.chart import Bar, bars
from bench.figures import quantile
from bench.peers import Load, measure, workers
from bench.servers import Place, Servers, add_servers, ending_quietly, open_place, open_servers
from bench.sight import Sight
from bench.tables import Table, console, publish

SLOW_RATE = 10
SEND_SECONDS = 0.05
"""Between two requests of the fast producer: each has one batch for each partition."""
PATIENCE_SECONDS = 60
LOOK_SECONDS = {"slow": 0.001, "fast": 0.004}
SAMPLE_SECONDS = 0.2
"""Between two samples at the fast rate, at least."""


@dataclass(frozen=True)
class Latency:
    """Seconds from the acknowledgement to the answer."""

    rate: float
    """Records a second, as they were really sent."""
    seconds: list[float]
    reader: float
    """The share of the time that the reader's questions were under way."""

    def row(self, name: str) -> list[str]:
        p50, p99, most = (1000 * quantile(self.seconds, share) for share in (0.5, 0.99, 1))
        figures = [f"{self.rate:,.0f}", str(len(self.seconds)), *(f"{each:.1f}" for each in (p50, p99, most))]
        return [name, *figures, f"{self.reader:.1%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description="From the acknowledgement to the document, in milliseconds.")
    parser.add_argument("--quick", action="store_true", help="a few seconds of each, nothing written to docs/")
    add_servers(parser)
    options = parser.parse_args()
    seconds, records = (5.0, 50_000) if options.quick else (60.0, 200_000)
    out = console()
    with open_servers(options.servers) as servers:
        most = measure(workers(1), servers, Load(records))
        out.print(f"one worker stores {most.rate:,.0f}/s")
        slow = watch(servers, SLOW_RATE, seconds, 1, LOOK_SECONDS["slow"])
        fast = watch(servers, most.rate / 2, seconds, round(most.rate / 2 * SEND_SECONDS / 6), LOOK_SECONDS["fast"])
        idle = idle_share(servers, max(10.0, seconds / 2))
    columns = ["", "records/s", "samples", "p50 ms", "p99 ms", "longest ms", "reader's share"]
    table = Table(columns, [slow.row("slow"), fast.row("half of the most")])
    table.show(out, "\nFrom the producer's acknowledgement to the document")
    idles = f"An idle worker, with all partitions and no records, takes {idle:.2%} of a core."
    out.print(f"\n{idles}")
    if not options.quick:
        measured = {"slow": asdict(slow), "fast": asdict(fast), "idle_share_of_a_core": idle, "most": most.as_dict()}
        text = f"{table.markdown()}\n{idles}\n\n![Latency](bench/latency.svg)\n"
        publish("latency", text, measured, picture({"10 a second": slow, "half of the most": fast}))
        goals.write()


def watch(servers: Servers, rate: float, seconds: float, records: int, look: float) -> Latency:
    """Args: records: in a batch; at a slow rate one partition gets one at a time, at a fast one all get one at once."""
    with warm_worker(servers) as (place, sender, sight), Source(place, sender, rate, records) as source:
        found, asked, started = [], 0.0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            acknowledged, document = source.newest()
            while True:
                begun = time.perf_counter()
                is_there = sight.has(document)
                answered = time.perf_counter()
                asked += answered - begun
                if is_there:
                    break
                if answered - acknowledged > PATIENCE_SECONDS:
                    raise TimeoutError(f"{document} does not come")
                time.sleep(look)
            found.append(answered - acknowledged)
            if records > 1:
                time.sleep(max(0.0, SAMPLE_SECONDS - (time.perf_counter() - begun)))
        took = time.perf_counter() - started
    return Latency(source.sent / took, found, asked / took)


def idle_share(servers: Servers, seconds: float) -> float:
    """Of a core, of a worker that owns partitions without records to come."""
    with open_place(servers, 6) as place:
        warm_up, nothing = Load(records=6, warm_up=600).backlogs()
        with workers(1)(servers, place, warm_up, nothing) as running:
            running.go()
            while not running.done():
                time.sleep(0.1)
            worker = psutil.Process(running.processes[0].pid)
            # The last batch, and what follows it once.
            time.sleep(2)
            before, started = worker.cpu_times(), time.perf_counter()
            time.sleep(seconds)
            after = worker.cpu_times()
            used = after.user + after.system - before.user - before.system
            return float(used / (time.perf_counter() - started))


@contextmanager
def warm_worker(servers: Servers) -> Iterator[tuple[Place, Sender, Sight]]:
    """One that has stored its first records, and is now to be sent more."""
    load = Load(records=6, warm_up=6_000)
    with open_place(servers, load.partitions) as place, Sender(place.settings) as sender, Sight(place) as sight:
        warm_up, rest = load.backlogs()
        with workers(1)(servers, place, warm_up, rest) as running:
            running.go()
            while not running.done():
                time.sleep(0.02)
            yield place, sender, sight


class Source:
    """A producer at a steady rate, on a thread of its own. Use it with `with`."""

    def __init__(self, place: Place, sender: Sender, rate: float, records: int) -> None:
        self.sent = 0
        self._place, self._sender = place, sender
        partitions = place.partitions if records > 1 else 1
        # Encoded beforehand and sent again and again: what is in them is not what is measured.
        some = Backlog(lambda number: b'{"number": %d}' % number, 0, records * partitions, partitions)
        self._batch = {partition: batches[0] for partition, batches in some.batches.items()}
        self._records, self._pause = records, records * partitions / rate
        if any(len(batches) > 1 for batches in some.batches.values()):
            raise ValueError(f"{records} records do not fit into one batch")
        self._acknowledged: SimpleQueue[tuple[float, str]] = SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def newest(self) -> tuple[float, str]:
        """When the newest record was acknowledged, and its document's id; waits for one that nobody was told of yet."""
        newest = self._acknowledged.get(timeout=PATIENCE_SECONDS)
        while not self._acknowledged.empty():
            newest = self._acknowledged.get()
        return newest

    def _send(self) -> None:
        started = time.perf_counter()
        for turn in range(2**62):
            if self._over.wait(max(0.0, turn * self._pause - (time.perf_counter() - started))):
                return
            # A slow one turns from partition to partition, as producers do.
            batch = self._batch if self._records > 1 else {turn % self._place.partitions: self._batch[0]}
            offsets = self._sender.send(batch)
            acknowledged = time.perf_counter()
            partition = turn % self._place.partitions
            last = offsets[partition] + self._records - 1
            self.sent += self._records * len(batch)
            self._acknowledged.put((acknowledged, self._place.topic.document_id(partition, last)))


def picture(found: dict[str, Latency]) -> str:
    given = []
    for name, latency in found.items():
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            value = 1000 * quantile(latency.seconds, share)
            given.append(Bar(f"{name}, {label}", value, value, value, f"{value:.1f} ms", label == "p99"))
    return bars("From the acknowledgement to the document", given)


if __name__ == "__main__":
    with ending_quietly():
        main()
