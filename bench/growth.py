"""How rate and memory stand as the work grows: more records, more partitions, larger documents, more workers.

Every case is one run of the fleet, and beside it, for each size of a document, one of raw `insert_many`. One thing grows
at a time; the rest is as in `make bench`.

    python bench/growth.py [--quick] [--large] [--servers settings]
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass

import psutil
from chart import Bar, bars
from compare import add_servers
from peers import Load, measure, raw_insert, workers
from sample import Sample
from servers import Servers, ending_quietly, open_servers
from tables import Table, console, publish

SIZES = {100: 200_000, 1_000: 100_000, 10_000: 20_000}
"""By bytes of JSON in a document: how many records."""


@dataclass(frozen=True)
class Case:
    """One point: so many workers for this load."""

    name: str
    load: Load
    workers: int = 1


def cases(*, quick: bool, large: bool) -> list[Case]:
    if quick:
        few = Load(30_000)
        grown = [Case("records 30,000", few), Case("partitions 24", Load(30_000, partitions=24))]
        return [*grown, Case("bytes 1,000", Load(10_000, size=1_000)), Case("workers 2", few, 2)]
    counts = (100_000, 1_000_000, *((5_000_000,) if large else ()))
    return [
        *(Case(f"records {count:,}", Load(count)) for count in counts),
        *(Case(f"partitions {count}", Load(partitions=count)) for count in (1, 6, 24, 96)),
        *(Case(f"bytes {size:,}", Load(records, size=size)) for size, records in SIZES.items()),
        *(Case(f"workers {count}", Load(300_000, partitions=24), count) for count in (1, 2, 4, 8)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Rate, memory and what limits, as the work grows.")
    parser.add_argument("--quick", action="store_true", help="four small cases, nothing written to docs/")
    parser.add_argument("--large", action="store_true", help="5,000,000 records as well, for some minutes more")
    add_servers(parser)
    options = parser.parse_args()
    out = console()
    found: list[tuple[Case, Sample, float]] = []
    with open_servers(options.servers) as servers:
        for case in cases(quick=options.quick, large=options.large):
            raw = raw_rate(servers, case.load)
            sample = measure(workers(case.workers), servers, case.load)
            found.append((case, sample, sample.rate / raw))
            out.print(f"{case.name}: {sample.rate:,.0f}/s, {sample.rate / raw:.2f} of raw")
    table = growth_table(found)
    table.show(out, "\nAs the work grows")
    if not options.quick:
        results = {"cases": [asdict(case) | sample.as_dict() | {"of_raw": of_raw} for case, sample, of_raw in found]}
        publish("growth", f"{table.markdown()}\n![As the work grows](bench/growth.svg)\n", results, picture(found))


def raw_rate(servers: Servers, load: Load) -> float:
    """Of raw `insert_many`, right before: of such documents, at most as many as fit into its memory."""
    few = Load(min(load.records, 200_000), load.warm_up, load.partitions, load.size)
    return measure(raw_insert(load.size), servers, few).rate


def growth_table(found: list[tuple[Case, Sample, float]]) -> Table:
    cores = psutil.cpu_count() or 1
    columns = ["", "records/s", "of raw", "MB/s", "us CPU a record", "MiB a worker"]
    rows = []
    for case, sample, of_raw in found:
        size = case.load.size or len(b'{"number": 123456}')
        figures = [
            f"{sample.rate:,.0f}",
            f"{of_raw:.2f}",
            f"{sample.rate * size / 1e6:.1f}",
            f"{sample.microseconds:.1f}",
        ]
        shares = [f"{sample.cores(part):.2f}" for part in ("client", "kafka", "database", "others")]
        disk = "" if sample.disk is None else f"{sample.disk:.2f}"
        rows.append([case.name, *figures, f"{sample.memory / 2**20:.0f}", *shares, disk, sample.limit(cores)])
    return Table([*columns, "client", "Kafka", "database", "others", "disk", "limit"], rows)


def picture(found: list[tuple[Case, Sample, float]]) -> str:
    given = [
        Bar(case.name, of_raw, of_raw, of_raw, f"{of_raw:.2f} ({sample.rate:,.0f}/s)") for case, sample, of_raw in found
    ]
    return bars("Records a second, as a share of raw insert_many beside it", given)


if __name__ == "__main__":
    with ending_quietly():
        main()
