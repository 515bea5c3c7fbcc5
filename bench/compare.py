"""One worker and fleets, beside what limits them and beside what people use instead: on one machine, in one run.

All get the same records, in topics, groups and databases of their own. The rounds are interleaved, and a ratio is taken
within its round, so that what else the machine does falls on both of its sides.

    python -m bench.compare [--peers | --connect] [--quick] [--rounds n] [--records n] [--servers settings]

Only the run with all peers, and not a quick one, is written into docs/.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict

import psutil
from rich.console import Console

from bench import goals
from bench.candidates import BUILT_IN, CONNECT, CONNECTOR, EVERYBODY, FOUR, Candidate, candidates
from bench.comparison import Found, connector_table, peer_table, picture, ratio_table
from bench.peers import Load, measure
from bench.sample import Sample
from bench.servers import add_servers, ending_quietly, open_servers
from bench.tables import COMPARED, console, publish, write_between
from embedded_stack.failure import Failure

QUIET = 0.15
"""Cores that other work may take; a bench itself, which looks for the end, takes some hundredths."""
JAVA_WARM_UP = 60_000
"""Java compiles what it runs often: it gets the time to do so before it is measured, and everybody the same."""


def main() -> None:
    options = _parser().parse_args()
    names = EVERYBODY if options.peers else CONNECT if options.connect else BUILT_IN
    if options.quick:
        names = tuple(name for name in names if name != FOUR)
    records, rounds = (
        options.records or (50_000 if options.quick else 200_000),
        options.rounds or default_rounds(options),
    )
    warm_up = JAVA_WARM_UP if CONNECTOR in names else 6_000
    load, out = Load(records, min(warm_up, 12_000) if options.quick else warm_up), console()
    known = candidates()
    chosen, left_out = built({name: known[name] for name in names}, out)
    found = run(chosen, load, rounds, options.servers, out, left_out)
    cores = psutil.cpu_count() or 1
    shares, table = ratio_table(found), peer_table(found, cores)
    shares.show(out, "\nRecords a second as a share of each peer's, within rounds: median (lowest to highest)")
    title = f"{records:,} records of 6 partitions, {rounds} rounds, {cores} cores"
    table.show(out, f"\n{title}")
    for name, reason in left_out.items():
        out.print(f"\n{name} is left out: {reason}")
    if (disturbed := max(each.cores("others") for samples in found.values() for each in samples)) > QUIET:
        out.print(
            f"\nOther work took up to {disturbed:.1f} cores meanwhile: the ratios are rough, and the rates worth little."
        )
    if options.peers and not options.quick:
        text = f"{shares.markdown()}\n{title}:\n\n{table.markdown()}\n{_peers_line(chosen, left_out)}\n\n"
        results = {
            "load": asdict(load),
            "versions": {name: each.version() for name, each in chosen.items() if each.version},
            "peers": {name: [each.as_dict() for each in samples] for name, samples in found.items()},
        }
        publish("peers", f"{text}![Records a second](bench/peers.svg)\n", results, picture(found))
        goals.write()
        if CONNECTOR in found:
            write_between(COMPARED, "connector", f"\n{connector_table(found).markdown()}\n")


def default_rounds(options: argparse.Namespace) -> int:
    if options.quick:
        return 1
    return 3 if options.connect else 5


def built(chosen: Mapping[str, Candidate], out: Console) -> tuple[dict[str, Candidate], dict[str, str]]:
    """Those that can run, after what they need was fetched; and why others cannot."""
    ready: dict[str, Candidate] = {}
    left_out: dict[str, str] = {}
    for name, candidate in chosen.items():
        try:
            candidate.build()
        except Failure as failure:
            left_out[name] = str(failure)
            out.print(f"{name} is left out: {failure}")
        else:
            ready[name] = candidate
    return ready, left_out


def run(
    chosen: dict[str, Candidate], load: Load, rounds: int, where: str, out: Console, left_out: dict[str, str]
) -> Found:
    """Everybody, on one set of servers; see `interleaved`."""
    backlogs = load.backlogs()
    with open_servers(where) as servers:

        def measured(candidate: Candidate) -> Sample:
            own = candidate.load(load)
            return measure(candidate.peer, servers, own, backlogs if own == load else None)

        return interleaved(chosen, rounds, measured, out, left_out)


def interleaved(
    chosen: dict[str, Candidate],
    rounds: int,
    measured: Callable[[Candidate], Sample],
    out: Console,
    left_out: dict[str, str],
) -> Found:
    """A B C A B C. A peer made by others that fails is left out, of `chosen` too, and the rest is measured."""
    found: Found = {name: [] for name in chosen}
    for number in range(1, rounds + 1):
        for name, candidate in list(chosen.items()):
            try:
                sample = measured(candidate)
            except (RuntimeError, TimeoutError) as error:
                if candidate.version is None:
                    raise
                left_out[name] = str(error)
                del chosen[name], found[name]
                out.print(f"round {number}: {name} is left out: {error}", markup=False)
            else:
                found[name].append(sample)
                out.print(f"round {number}: {name} {sample.rate:,.0f}/s")
    return found


def _peers_line(chosen: Mapping[str, Candidate], left_out: Mapping[str, str]) -> str:
    versions = dict.fromkeys(each.version() for each in chosen.values() if each.version)
    line = f"(Peers: {', '.join(versions)}.)" if versions else ""
    # The reason is told on the terminal: it may name a machine.
    return f"{line} Left out, since it did not run here: {', '.join(left_out)}." if left_out else line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Records a second: ours, the database's own limit, and others.")
    parser.add_argument("--quick", action="store_true", help="few records, one round, nothing written to docs/")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--peers", action="store_true", help="beside all peers; what they need is fetched once")
    who.add_argument("--connect", action="store_true", help="beside the official connector on Kafka Connect only")
    parser.add_argument("--rounds", type=int, help="how often everybody is measured")
    parser.add_argument("--records", type=int, help="how many records each gets")
    add_servers(parser)
    return parser


if __name__ == "__main__":
    with ending_quietly():
        main()
