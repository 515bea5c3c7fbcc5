"""Who is measured beside us, and what happens where one of them cannot run."""

from __future__ import annotations

import ast
import io
import sys

import pytest
from rich.console import Console

from bench import everything, peer_packages
from bench.backlog import Backlog, shape
from bench.candidates import BUILT_IN, CONSUMED, EVERYBODY, ONE, QUIX, RAW, TUTORIAL, Candidate, candidates
from bench.compare import built, interleaved
from bench.peers import Load, raw_insert, workers
from bench.python_peers import HERE, reach
from bench.sample import Sample
from embedded_stack.failure import Failure

SAMPLE = Sample(100, 1.0, {"client": 0.5, "kafka": 0.1, "database": 0.4, "others": 0.0}, 1, 50 << 20, None)
OURS = Candidate(workers(1))
FOREIGN = Candidate(raw_insert(), version=lambda: "theirs 1")


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_everybody_is_known_and_says_its_version_if_others_made_it() -> None:
    known = candidates()

    assert tuple(known) == EVERYBODY
    versions = [each.version() for each in known.values() if each.version]
    assert len(versions) == 4
    assert all(version.split()[1][0].isdigit() for version in versions)


def test_what_make_bench_measures_needs_nothing_to_be_fetched() -> None:
    known = candidates()
    _, left_out = built({name: known[name] for name in BUILT_IN}, quiet())

    assert not left_out
    assert not [name for name in BUILT_IN if known[name].version]


def test_who_writes_record_by_record_gets_fewer_records() -> None:
    load, known = Load(200_000, 60_000), candidates()

    assert [known[name].load(load).records for name in (RAW, TUTORIAL, QUIX, ONE)] == [200_000, 8_000, 8_000, 200_000]
    assert known[TUTORIAL].load(load).warm_up == 600
    assert known[ONE].load(load) == load


def test_a_peer_whose_packages_cannot_be_fetched_is_left_out() -> None:
    def build() -> None:
        raise Failure("no network")

    ready, left_out = built({CONSUMED: Candidate(raw_insert(), build, lambda: ""), ONE: OURS}, quiet())

    assert list(ready) == [ONE]
    assert left_out == {CONSUMED: "no network"}


def test_a_peer_that_fails_is_left_out_and_the_rest_is_measured_on() -> None:
    rounds: list[Candidate] = []
    left_out: dict[str, str] = {}

    def measured(candidate: Candidate) -> Sample:
        rounds.append(candidate)
        if candidate is FOREIGN and len(rounds) > 2:
            raise RuntimeError("it ended with 1")
        return SAMPLE

    found = interleaved({RAW: OURS, QUIX: FOREIGN}, 3, measured, quiet(), left_out)

    assert rounds == [OURS, FOREIGN, OURS, FOREIGN, OURS]
    assert found == {RAW: [SAMPLE] * 3}
    assert left_out == {QUIX: "it ended with 1"}


def test_a_failure_of_ours_ends_the_run() -> None:
    def measured(_candidate: Candidate) -> Sample:
        raise RuntimeError("9 documents are stored of 10 records")

    with pytest.raises(RuntimeError, match="9 documents"):
        interleaved({ONE: OURS}, 1, measured, quiet(), {})


def test_all_is_committed_when_every_partition_is_past_its_last_record() -> None:
    backlog = Backlog(shape(0), 3, 7, 3)

    # The numbers 3 to 9: partition 0 ends with 9, at its offset 3, the others at their offset 2.
    assert reach({0: 4, 1: 3, 2: 3}, backlog)
    assert not reach({0: 3, 1: 3, 2: 3}, backlog)
    assert not reach({0: 4, 1: 3}, backlog)


@pytest.mark.parametrize(
    ("program", "packages"),
    [
        ("confluent_consumer.py", {"confluent_kafka", "pymongo"}),
        ("quix_pipeline.py", {"quixstreams"}),
    ],
)
def test_a_peers_program_needs_only_its_own_packages(program: str, packages: set[str]) -> None:
    imported = set()
    for node in ast.walk(ast.parse((HERE / program).read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])

    assert imported - set(sys.stdlib_module_names) == packages


@pytest.mark.parametrize("peer", ["confluent", "quix"])
def test_a_peers_packages_are_locked_without_the_address_of_an_index(peer: str) -> None:
    text = peer_packages.requirements(peer).read_text()

    packages = [line for line in text.splitlines() if "==" in line]
    assert len(packages) >= 2
    assert text.count("--hash=sha256:") >= len(packages)
    assert "//" not in text
    assert "index-url" not in text
    assert "--find-links" not in text


def test_what_an_installation_says_last_is_the_reason() -> None:
    with pytest.raises(Failure, match="ended with 3: no such package"):
        peer_packages.require(sys.executable, "-c", "import sys; print('no such package'); sys.exit(3)")


def test_all_goes_on_with_the_part_that_was_interrupted() -> None:
    assert everything.parts_from("decode") == list(everything.PARTS)
    assert everything.parts_from("latency") == ["latency", "idle", "growth"]


def test_the_exit_code_of_a_part_is_told() -> None:
    assert everything.run([sys.executable, "-c", "raise SystemExit(3)"]) == 3
