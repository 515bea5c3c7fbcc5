"""One worker and fleets, beside what limits them and beside what people use instead: on one machine, in one run.

All get the same records, in topics, groups and databases of their own. The rounds are interleaved, and a ratio is taken
within its round, so that what else the machine does falls on both of its sides.

    python -m bench.compare [--quick] [--connect] [--rounds n] [--records n] [--servers settings]
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

import psutil
from rich.console import Console

from bench.chart import Bar, bars
from bench.figures import Spread, ratios
from bench.peers import Load, Peer, measure, raw_fetch, raw_insert, tutorial, workers
from bench.sample import Sample
from bench.servers import ending_quietly, open_servers
from bench.tables import Table, console, publish

RAW, FETCH, TUTORIAL, ONE, CONNECTOR = (
    "raw insert_many",
    "raw fetch",
    "tutorial's consumer",
    "one worker",
    "official connector",
)
QUIET = 0.15
"""Cores that other work may take; a bench itself, which looks for the end, takes some hundredths."""
SLOW_SHARE = 25
"""The tutorial's consumer gets so many times fewer records: it would take minutes for all, at the same rate."""


def main() -> None:
    options = _parser().parse_args()
    connect = options.connect
    peers: dict[str, Peer] = {FETCH: raw_fetch, RAW: raw_insert(0), TUTORIAL: tutorial, ONE: workers(1)}
    peers |= {f"{count} workers": workers(count) for count in ((2,) if options.quick or connect else (2, 4))}
    records, rounds, warm_up = options.records or 200_000, options.rounds or 5, 6_000
    if connect:
        from bench import connector

        connector.build()
        peers = {RAW: peers[RAW], CONNECTOR: connector.connector, ONE: peers[ONE], "2 workers": peers["2 workers"]}
        # Java compiles what it runs often: it gets the time to do so before it is measured.
        rounds, warm_up = options.rounds or 3, 60_000
    if options.quick:
        records, rounds, warm_up = options.records or 50_000, options.rounds or 1, min(warm_up, 12_000)
    out = console()
    found = run(peers, Load(records, warm_up), rounds, options.servers, out)
    cores = psutil.cpu_count() or 1
    shares, table = ratio_table(found), peer_table(found, cores)
    shares.show(out, "\nRatios, each within its round: median (lowest to highest)")
    title = f"{records:,} records of 6 partitions, {rounds} rounds, {cores} cores"
    table.show(out, f"\n{title}")
    if (disturbed := max(each.cores("others") for samples in found.values() for each in samples)) > QUIET:
        out.print(
            f"\nOther work took up to {disturbed:.1f} cores meanwhile: the ratios are rough, and the rates worth little."
        )
    if not options.quick:
        name = "connect" if connect else "compare"
        text = f"{shares.markdown()}\n{title}:\n\n{table.markdown()}\n![Records a second](bench/{name}.svg)\n"
        results = {"peers": {peer: [each.as_dict() for each in samples] for peer, samples in found.items()}}
        publish(name, text, {"load": asdict(Load(records, warm_up)), **results}, picture(found))


def run(peers: dict[str, Peer], load: Load, rounds: int, where: str, out: Console) -> dict[str, list[Sample]]:
    """A B C A B C: the samples of each peer, in the order of the rounds."""
    found: dict[str, list[Sample]] = {name: [] for name in peers}
    backlogs = load.backlogs()
    few = Load(max(1, load.records // SLOW_SHARE), min(load.warm_up, 600), load.partitions, load.size)
    with open_servers(where) as servers:
        for number in range(1, rounds + 1):
            for name, peer in peers.items():
                slow = name == TUTORIAL
                sample = measure(peer, servers, few if slow else load, None if slow else backlogs)
                found[name].append(sample)
                out.print(f"round {number}: {name} {sample.rate:,.0f}/s")
    return found


def ratio_table(found: dict[str, list[Sample]]) -> Table:
    """What a user compares: ours against the database's own limit, the tutorial's consumer, the connector."""
    rates = {name: [sample.rate for sample in samples] for name, samples in found.items()}
    rows = [
        [f"{name} : {peer}", ratios(own, rates[peer]).text()]
        for name, own in rates.items()
        for peer in (RAW, TUTORIAL, CONNECTOR)
        if "worker" in name and peer in rates
    ]
    return Table(["ratio of records a second", "median (lowest to highest)"], rows)


def peer_table(found: dict[str, list[Sample]], cores: int) -> Table:
    columns = [
        "",
        "records/s",
        "of raw",
        "us CPU a record",
        "MiB",
        "client",
        "Kafka",
        "database",
        "others",
        "disk",
        "limit",
    ]
    raw = [sample.rate for sample in found[RAW]]
    rows = []
    for name, samples in found.items():
        middle = sorted(samples, key=lambda each: each.rate)[len(samples) // 2]
        rows.append(
            [
                name,
                Spread.of([each.rate for each in samples]).text(0),
                ratios([each.rate for each in samples], raw).text().split(" ", maxsplit=1)[0],
                Spread.of([each.microseconds for each in samples]).text(1).split(" ", maxsplit=1)[0],
                f"{max(each.memory for each in samples) / 2**20:.0f}",
                *(f"{middle.cores(part):.2f}" for part in ("client", "kafka", "database", "others")),
                "" if middle.disk is None else f"{middle.disk:.2f}",
                middle.limit(cores),
            ]
        )
    return Table(columns, rows)


def picture(found: dict[str, list[Sample]]) -> str:
    rates = {name: Spread.of([sample.rate for sample in samples]) for name, samples in found.items()}
    given = [
        Bar(name, rate.median, rate.low, rate.high, f"{rate.median:,.0f}/s", "worker" in name)
        for name, rate in sorted(rates.items(), key=lambda each: -each[1].median)
    ]
    return bars("Records a second: median, and the lowest to the highest", given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Records a second: ours, the database's own limit, and others.")
    parser.add_argument("--quick", action="store_true", help="few records, one round, nothing written to docs/")
    parser.add_argument("--connect", action="store_true", help="beside the official connector on Kafka Connect")
    parser.add_argument("--rounds", type=int, help="how often everybody is measured")
    parser.add_argument("--records", type=int, help="how many records each gets")
    add_servers(parser)
    return parser


def add_servers(parser: argparse.ArgumentParser) -> None:
    help_ = "embedded: a stack of its own, the default; settings: those of WORKERS_*, without their processor time"
    parser.add_argument("--servers", choices=("embedded", "settings"), default="embedded", help=help_)


if __name__ == "__main__":
    with ending_quietly():
        main()
