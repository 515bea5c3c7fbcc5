"""How rate and memory stand as the work grows: more records, more partitions, larger documents, more workers.

Every case is a run of the fleet, right behind one of raw `insert_many` with such documents, in interleaved rounds. One
thing grows at a time; the rest is as in `make bench`.

    python -m bench.growth [--quick] [--large] [--rounds n] [--servers settings]
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from functools import cache
from typing import NamedTuple

import psutil

from bench import goals
from bench.backlog import values
from bench.chart import Bar, bars
from bench.comparison import middle_of
from bench.figures import Spread
from bench.peers import Load, measure, raw_insert, workers
from bench.sample import Sample
from bench.servers import Servers, add_servers, ending_quietly, open_servers
from bench.tables import Table, console, publish

SIZES = {100: 200_000, 1_000: 100_000, 10_000: 10_000}
"""By bytes of JSON in a document: how many records."""
NESTED_CASE = "nested, 100 bytes"


@dataclass(frozen=True)
class Case:
    """One point: so many workers for this load."""

    name: str
    load: Load
    workers: int = 1
    fetch_mib: int = 1

    @property
    def once(self) -> bool:
        """In the first round only: it takes minutes, and has its own ups and downs in it."""
        return self.load.records > 1_000_000


class Run(NamedTuple):
    """One of a case."""

    sample: Sample
    of_raw: float
    """Its rate as a share of that of raw `insert_many`, right before."""


def cases(*, quick: bool, large: bool) -> list[Case]:
    if quick:
        few = Load(30_000)
        grown = [Case("records 30,000", few), Case("partitions 24", Load(30_000, partitions=24))]
        shapes = [Case(NESTED_CASE, Load(10_000, nested=True)), Case("bytes 1,000", Load(10_000, size=1_000))]
        return [*grown, *shapes, Case("workers 2", few, 2)]
    counts = (100_000, 1_000_000, *((5_000_000,) if large else ()))
    return [
        *(Case(f"records {count:,}", Load(count)) for count in counts),
        *(Case(f"partitions {count}", Load(partitions=count)) for count in (1, 6, 24, 96)),
        Case(NESTED_CASE, Load(SIZES[100], nested=True)),
        *(Case(f"bytes {size:,}", Load(records, size=size)) for size, records in SIZES.items()),
        Case("same, fetched 4 MiB at a time", Load(SIZES[10_000], size=10_000), fetch_mib=4),
        *(Case(f"workers {count}", Load(300_000, partitions=24), count) for count in (1, 2, 4, 8)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Rate, memory and what limits, as the work grows.")
    parser.add_argument("--quick", action="store_true", help="four small cases, nothing written to docs/")
    parser.add_argument("--large", action="store_true", help="5,000,000 records as well, for some minutes more")
    add_servers(parser)
    parser.add_argument("--rounds", type=int, help="how often every case is measured; 5,000,000 records are once")
    options = parser.parse_args()
    given = cases(quick=options.quick, large=options.large)
    found: dict[Case, list[Run]] = {case: [] for case in given}
    backlogs = cache(Load.backlogs)
    rounds, out = options.rounds or (1 if options.quick else 3), console()
    with open_servers(options.servers) as servers:
        for number in range(1, rounds + 1):
            for case in given:
                if case.once and number > 1:
                    continue
                raw = raw_rate(servers, case.load)
                fleet = workers(case.workers, {"WORKERS_FETCH_BYTES": str(case.fetch_mib * 2**20)})
                sample = measure(fleet, servers, case.load, backlogs(case.load))
                found[case].append(Run(sample, sample.rate / raw))
                out.print(f"round {number}: {case.name}: {sample.rate:,.0f}/s, {sample.rate / raw:.2f} of raw")
    table = growth_table(found)
    title = f"As the work grows: {rounds} rounds, medians (lowest to highest)"
    table.show(out, f"\n{title}")
    if not options.quick:
        results = {
            "cases": [
                asdict(case) | {"runs": [run.sample.as_dict() | {"of_raw": run.of_raw} for run in runs]}
                for case, runs in found.items()
            ]
        }
        text = f"{title}\n\n{table.markdown()}\n![As the work grows](bench/growth.svg)\n"
        publish("growth", text, results, picture(found))
        goals.write()


def raw_rate(servers: Servers, load: Load) -> float:
    """Of raw `insert_many`, right before: of such documents, at most as many as fit into its memory."""
    few = load.with_records(min(load.records, 200_000), load.warm_up)
    return measure(raw_insert(load.kind), servers, few).rate


def growth_table(found: dict[Case, list[Run]]) -> Table:
    cores = psutil.cpu_count() or 1
    columns = ["", "records/s", "of raw", "MB/s", "us CPU a record", "MiB a worker"]
    rows = []
    for case, runs in found.items():
        size = len(values(case.load.kind)(123_456))
        rate = Spread.of([run.sample.rate for run in runs])
        middle = middle_of([run.sample for run in runs])
        figures = [
            rate.text(0),
            Spread.of([run.of_raw for run in runs]).text(),
            f"{rate.median * size / 1e6:.1f}",
            Spread.of([run.sample.microseconds for run in runs]).text(1),
            f"{max(run.sample.memory for run in runs) / 2**20:.0f}",
        ]
        shares = [f"{middle.cores(part):.2f}" for part in ("client", "kafka", "database", "others")]
        disk = "" if middle.disk is None else f"{middle.disk:.2f}"
        rows.append([case.name, *figures, *shares, disk, middle.limit(cores)])
    return Table([*columns, "client", "Kafka", "database", "others", "disk", "limit"], rows)


def picture(found: dict[Case, list[Run]]) -> str:
    given = []
    for case, runs in found.items():
        share = Spread.of([run.of_raw for run in runs])
        rate = Spread.of([run.sample.rate for run in runs]).median
        given.append(Bar(case.name, share.median, share.low, share.high, f"{share.median:.2f} ({rate:,.0f}/s)"))
    return bars("Records a second, as a share of raw insert_many beside it", given)


if __name__ == "__main__":
    with ending_quietly():
        main()
