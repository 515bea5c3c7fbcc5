"""What a run beside others came to: its tables, and its chart."""

from __future__ import annotations

from collections.abc import Sequence

from bench.candidates import CONNECTOR, FETCH, FOUR, ONE, OTHERS, RAW, TWO
from bench.chart import Bar, bars
from bench.figures import Spread, ratios
from bench.sample import Sample
from bench.tables import Table

OURS = (ONE, TWO, FOUR)

Found = dict[str, list[Sample]]
"""The samples of each candidate, in the order of the rounds."""


def ratio_table(found: Found) -> Table:
    """What a user compares: ours against the database's own limit, and against what others use."""
    ours = [name for name in OURS if name in found]
    rows = []
    for peer in OTHERS:
        if peer in found:
            rates, costs = ratios_to(found, peer, "rate"), ratios_to(found, peer, "microseconds")
            cost = [costs[ONE].text()] if ONE in found else []
            rows.append([f"of {peer}", *(rates[name].text() for name in ours), *cost])
    cost = ["one worker's CPU a record"] if ONE in found else []
    return Table(["records/s, as a share", *ours, *cost], rows)


def peer_table(found: Found, cores: int) -> Table:
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
        middle = middle_of(samples)
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


def connector_table(found: Found) -> Table:
    """Ours beside the official connector, for the page that compares the two. In MB of all processes together."""
    names = [name for name in (ONE, TWO, CONNECTOR) if name in found]
    rates, costs = ratios_to(found, CONNECTOR, "rate"), ratios_to(found, CONNECTOR, "microseconds")
    memory = {name: max(each.memory * each.processes for each in found[name]) for name in names}
    rows = [
        ["records a second, of the connector's", *(rates[name].text() for name in names)],
        ["processor time a record, of the connector's", *(costs[name].text() for name in names)],
        ["memory", *(f"{memory[name] / 1e6:.0f} MB" for name in names)],
    ]
    return Table(["", *names], rows)


def ratios_to(found: Found, peer: str, figure: str) -> dict[str, Spread]:
    """Everybody's to the peer's, within rounds; `figure` is an attribute of a sample."""
    values = {name: [getattr(sample, figure) for sample in samples] for name, samples in found.items()}
    return {name: ratios(own, values[peer]) for name, own in values.items()}


def middle_of(samples: Sequence[Sample]) -> Sample:
    """That of the middle rate."""
    return sorted(samples, key=lambda each: each.rate)[len(samples) // 2]


def picture(found: Found) -> str:
    rates = {name: Spread.of([sample.rate for sample in samples]) for name, samples in found.items() if name != FETCH}
    given = [
        Bar(name, rate.median, rate.low, rate.high, f"{rate.median:,.0f}/s", name in OURS)
        for name, rate in sorted(rates.items(), key=lambda each: -each[1].median)
    ]
    return bars("Records a second: median, and the lowest to the highest", given)
