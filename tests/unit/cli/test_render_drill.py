"""The report of a drill on a terminal: the verdict is about the records, and what had no effect is a remark."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from workers.cli import chaos as cli_chaos
from workers.cli import render_drill
from workers.drill.report import DrillReport, FaultReport

KILL = FaultReport(1.0, "kill a worker", "worker_01 (pid 7)", bit=True, longest_pause=1.3)
DATABASE = FaultReport(9.0, "kill the database", "pid 8", 4.2, bit=False)


def shown(report: DrillReport) -> str:
    out = io.StringIO()
    render_drill.drill(Console(file=out, width=100), report)
    return out.getvalue()


def drill(**facts: object) -> DrillReport:
    report = DrillReport(7, {"kill a worker": 1}, [KILL, DATABASE], acknowledged=5_000, stored=5_000, verified=True)
    for name, value in facts.items():
        assert hasattr(report, name)
        setattr(report, name, value)
    return report


def test_a_fault_without_effect_is_a_remark_of_a_drill_that_passed():
    text = shown(drill(remarks=["kill the database (1 of them) had no effect: no worker had to retry a write"]))

    assert "passed: nothing lost, nothing twice, nothing unexplained, of 5,000 records" in text
    assert "remark: kill the database" in text
    assert "void" not in text
    assert [line.split() for line in text.splitlines() if line.startswith("kill a worker")] == [
        ["kill", "a", "worker", "1", "1", "1.3", "s"]
    ]
    assert [line.split()[3:5] for line in text.splitlines() if line.startswith("kill the database")] == [["1", "0"]]


@pytest.mark.parametrize(
    ("facts", "words", "code"),
    [
        ({}, "passed", 0),
        ({"lost": 1}, "failed", 1),
        ({"unexplained": 2, "good_dead_lettered": 2}, "2 dead letters are of records that could have been stored", 1),
        ({"verified": False}, "not proven", 2),
        ({"void": ["no fault was injected"]}, "void: no fault was injected", 2),
        ({"interrupted": "SIGINT", "pending": 3}, "proven so far", 130),
        ({"interrupted": "SIGTERM"}, "proven so far", 143),
        ({"interrupted": "SIGINT", "verified": False}, "not proven", 130),
        ({"interrupted": "SIGINT", "twice": 1}, "failed", 1),
    ],
)
def test_each_end_has_its_words_and_its_exit_code(facts, words, code):
    report = drill(**facts)

    assert words in shown(report)
    assert cli_chaos.exit_code(report) == code


def test_counts_that_were_not_compared_are_not_shown():
    text = shown(drill(verified=False, interrupted="SIGINT"))

    assert "lost" not in text
    assert "stored" not in text


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch):
    clock = iter([0.0, 1.0, 11.0, 11.0, 12.0, 30.0, 30.0])
    monkeypatch.setattr("workers.cli.chaos.time.monotonic", lambda: next(clock))
    out = io.StringIO()
    screen = cli_chaos.DrillScreen(Console(file=out, width=100))

    for text in ("one", "two", "three"):
        screen.now(text)
    screen.line("a fault")
    screen.reading("records", 10, 20)

    assert out.getvalue().splitlines() == ["two", "a fault", "comparing with Kafka and the database: 10 of 20 records"]
