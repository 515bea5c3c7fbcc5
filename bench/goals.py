"""What was aimed at, and what the runs in docs/bench came to: the table in docs/performance.md, written by each of them.

python -m bench.goals    writes it again, from what is stored
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.candidates import CONNECTOR, ONE, RAW, TWO
from bench.comparison import Found, middle_of
from bench.figures import Spread, quantile, ratios
from bench.sample import Sample
from bench.tables import PAGE, RESULTS, Table, write_between

NESTED = "nested, 100 bytes"
FLAT = 1.10
"""How many times as much memory as with the fewest records is still called flat."""
BEFORE_P99_MS = {"slow": 16, "fast": 138}
"""The latency before batches took the place of records on the data path: 10 records a second, and half of the most."""
BEFORE_INSTRUCTIONS = {"a number": 308.8, NESTED: 734.8}
"""And the interpreter's instructions to decode a record, of Python 3.11."""
PYTHON = "3.11"

Results = Mapping[str, Any]
"""By name of a run: what it stored in docs/bench, less those that were never made."""


class Figure(NamedTuple):
    """What a run came to."""

    text: str
    reached: bool
    limit: str = ""
    """What was busy in the run of the middle rate, where that says something."""


class NotMeasuredError(Exception):
    """The run left it out."""


@dataclass(frozen=True)
class Goal:
    """`run` is the name of a run in docs/bench, and of the make target that makes it."""

    text: str
    run: str
    figure: Callable[[Any], Figure]

    def row(self, results: Results) -> list[str]:
        try:
            figure = self.figure(results[self.run])
        except (KeyError, NotMeasuredError):
            return [self.text, "not measured", f"`make bench-{self.run}` does", ""]
        return [self.text, figure.text, "yes" if figure.reached else "**no**", "" if figure.reached else figure.limit]


def goals() -> list[Goal]:
    """In the order of the page."""
    return [
        Goal(f"one worker stores at least 0.95 of {RAW}", "peers", _rate(ONE, RAW, 0.95)),
        Goal("one worker stores at least 1.05 of the official connector", "peers", _rate(ONE, CONNECTOR, 1.05)),
        Goal(f"two workers store at least 0.98 of {RAW}", "peers", _rate(TWO, RAW, 0.98)),
        Goal("at most 3.8 us of processor time a record, for numbers", "peers", _cost(3.8)),
        Goal("at most 0.5 of the connector's processor time", "peers", _share_of_cost(CONNECTOR, 0.5)),
        Goal("at most 8 us for nested documents of 100 bytes", "growth", _nested_cost(8.0)),
        Goal("at most 85 MB for numbers, however many", "growth", _memory(85e6)),
        Goal(_latency_text("10 records a second", "slow"), "latency", _latency("slow")),
        Goal(_latency_text("half of the most", "fast"), "latency", _latency("fast")),
        Goal("half of the instructions to decode a number", "decode", _instructions("a number")),
        Goal("half of the instructions to decode a nested document", "decode", _instructions(NESTED)),
        Goal("an idle worker takes at most 1 % of a core", "latency", _idle(0.01)),
        Goal("four idle workers, with lag and watchdog, take at most 6 % of a core", "idle", _idle_fleet(0.06)),
        Goal(
            "a worker takes at most 0.6 s of processor time until its first poll", "idle", _start("first poll", 0, 0.6)
        ),
        Goal("`workers --help` takes at most 0.25 s of processor time", "idle", _start("help", 0, 0.25)),
        Goal("`workers status` takes at most 0.45 s of processor time", "idle", _start("status", 0, 0.45)),
        Goal("`workers status` takes at most 2 s by the clock where nobody answers", "idle", _start("nobody", 1, 2.0)),
    ]


def stored() -> Results:
    """All that is in docs/bench."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def table(results: Results) -> Table:
    return Table(["goal", "measured", "reached", "what was busy"], [goal.row(results) for goal in goals()])


def text(results: Results) -> str:
    """What stands between the comments of the page."""
    return f"\n{table(results).markdown(figures=False)}\n"


def write() -> None:
    write_between(PAGE, "goals", text(stored()))


# How each is measured


def _rate(own: str, peer: str, least: float) -> Callable[[Any], Figure]:
    def figure(run: Any) -> Figure:
        found = _samples(run, own, peer)
        share = ratios([each.rate for each in found[own]], [each.rate for each in found[peer]])
        return Figure(share.text(), share.median >= least, _busy(middle_of(found[own]), run["machine"]["cores"]))

    return figure


def _cost(most: float) -> Callable[[Any], Figure]:
    def figure(run: Any) -> Figure:
        cost = Spread.of([each.microseconds for each in _samples(run, ONE)[ONE]])
        return Figure(f"{cost.text(1)} us", cost.median <= most)

    return figure


def _share_of_cost(peer: str, most: float) -> Callable[[Any], Figure]:
    def figure(run: Any) -> Figure:
        found = _samples(run, ONE, peer)
        share = ratios([each.microseconds for each in found[ONE]], [each.microseconds for each in found[peer]])
        return Figure(share.text(), share.median <= most)

    return figure


def _nested_cost(most: float) -> Callable[[Any], Figure]:
    def figure(run: Any) -> Figure:
        samples = _cases(run, lambda case: case["name"] == NESTED)[0]
        cost = Spread.of([each.microseconds for each in samples])
        return Figure(f"{cost.text(1)} us", cost.median <= most)

    return figure


def _memory(most: float) -> Callable[[Any], Figure]:
    """Of the runs that differ in nothing but the number of records."""

    def figure(run: Any) -> Figure:
        found = _cases(run, lambda case: case["name"].startswith("records "))
        found.sort(key=lambda samples: samples[0].records)
        peaks = [max(each.memory for each in samples) for samples in found]
        counts = [f"{samples[0].records:,}" for samples in found]
        text = ", ".join(f"{peak / 1e6:.0f} MB for {count}" for peak, count in zip(peaks, counts, strict=True))
        return Figure(text, max(peaks) <= most and max(peaks) <= FLAT * peaks[0])

    return figure


def _latency_text(rate: str, key: str) -> str:
    return f"from the acknowledgement to the document at {rate}, p99: at most {BEFORE_P99_MS[key]} ms, as before"


def _latency(key: str) -> Callable[[Any], Figure]:
    def figure(run: Any) -> Figure:
        p99 = 1000 * quantile(run[key]["seconds"], 0.99)
        return Figure(f"{p99:.1f} ms", p99 <= BEFORE_P99_MS[key])

    return figure


def _idle(most: float) -> Callable[[Any], Figure]:
    def figure(run: Any) -> Figure:
        share = run["idle_share_of_a_core"]
        return Figure(f"{share:.2%}", share <= most)

    return figure


def _idle_fleet(most: float) -> Callable[[Any], Figure]:
    def figure(run: Any) -> Figure:
        share = run["idle"]["four"]
        return Figure(f"{share:.2%}", share <= most)

    return figure


def _start(name: str, which: int, most: float) -> Callable[[Any], Figure]:
    """Args: which: 0: seconds of processor time; 1: by the clock."""

    def figure(run: Any) -> Figure:
        spread = Spread.of([each[which] for each in run["starts"][name]])
        return Figure(f"{spread.text()} s", spread.median <= most)

    return figure


def _instructions(shape: str) -> Callable[[Any], Figure]:
    def figure(run: Any) -> Figure:
        before, now = BEFORE_INSTRUCTIONS[shape], run["counted"][PYTHON][shape]["instructions"]
        return Figure(f"{now:,.0f}, where it was {before:,.0f}: {now / before:.2f}", now <= before / 2)

    return figure


def _samples(run: Any, *names: str) -> Found:
    if missing := [name for name in names if not run["peers"].get(name)]:
        raise NotMeasuredError(f"without {missing[0]}")
    return {name: [Sample.from_dict(each) for each in run["peers"][name]] for name in names}


def _cases(run: Any, wanted: Callable[[Any], bool]) -> list[list[Sample]]:
    """The samples of each case that is wanted."""
    found = [[Sample.from_dict(each) for each in case["runs"]] for case in run["cases"] if wanted(case)]
    if not found:
        raise NotMeasuredError("without such a case")
    return found


def _busy(sample: Sample, cores: int) -> str:
    shown = {"client": "client", "kafka": "Kafka", "database": "database", "others": "others"}
    parts = ", ".join(f"{word} {sample.cores(part):.2f}" for part, word in shown.items())
    disk = "" if sample.disk is None else f"; disk {sample.disk:.2f}"
    return f"{sample.limit(cores)} (cores: {parts}{disk})"


if __name__ == "__main__":
    write()
