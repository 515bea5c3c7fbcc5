"""The story of a kill on a terminal: a line for each step, in 80 columns, and one for the verdict."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.support.batches import tp, tps
from workers.cli import kill as cli_kill
from workers.cli import render_kill
from workers.drill.kill_report import KillReport
from workers.drill.kill_steps import Back, Died, Evicted, Evictor, Step, StoredAgain, TakenOver, in_words
from workers.drill.report import DrillReport
from workers.types import TopicPartition

STEPS: list[Step] = [
    Died(0.0042, 12_345, tps(2, 3)),
    Evicted(0.021, Evictor.WATCHDOG),
    TakenOver(0.948, {"worker_00": tps(2), "worker_02": tps(3)}),
    StoredAgain(1.0341, {tp(2): (1.0341, "worker_00"), tp(3): (1.018, "worker_02")}),
    Back(3.812, "worker_01", 12_399, tps(2, 3)),
]
STORY = """
      4 ms  died          kill -9 12345; it owned partitions 2-3
     21 ms  evicted       by the watchdog; Kafka alone would wait 10 s
    948 ms  taken over    2 by worker_00, 3 by worker_02
  1,034 ms  stored again  3 after 1,018 ms, 2 after 1,034 ms
  3,812 ms  back          worker_01 as pid 12399, with partitions 2-3
  1,090 ms  longest gap   of partition 2; all 9,312 records are accounted for
"""


def report(verdict: DrillReport | None = None, **facts) -> KillReport:
    made = KillReport("worker_01", 12_345, tps(2, 3), 1_700_000_000.0, 600.0, own_load=True, steps=STEPS, records=9_312)
    made.gaps = {tp(2): 1.09, tp(0): 0.4}
    made.found = verdict or DrillReport(0, verified=True)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def drawn(*lines: render_kill.Line, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False, soft_wrap=True)
    for line in lines:
        render_kill.show(console, [line])
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_a_time_is_never_cut_off():
    line = render_kill.step_line(Evicted(100.41, Evictor.SESSION_TIMEOUT, exact=False), "worker_01", 100.0)

    assert drawn(line).startswith("    <100 s  evicted ")


def told(step: Step) -> str:
    return render_kill.step_line(step, "worker_01", 10.0).text


def test_the_story_is_six_lines_in_eighty_columns():
    lines = [render_kill.step_line(step, "worker_01", 10.0) for step in STEPS] + render_kill.report_lines(report())

    assert drawn(*lines) == STORY.strip("\n")


def test_in_a_narrow_terminal_and_with_many_partitions_a_text_goes_on_below_itself():
    owners = {f"worker_{slot:02d}": tps(*range(slot, 120, 4)) for slot in range(4)}
    shown = drawn(render_kill.step_line(TakenOver(1.0, owners), "worker_09", 10.0), width=60).splitlines()

    assert max(map(len, shown)) <= 60
    assert shown[0].startswith("  1,000 ms  taken over    0,4,8,")
    assert all(line.startswith(" " * 26) for line in shown[1:])
    assert "116 by worker_00" in " ".join(line[26:] for line in shown)


def test_of_many_partitions_the_first_and_the_last_are_told():
    first = {tp(number): (1 + number / 100, "worker_00") for number in range(30)}

    assert told(StoredAgain(1.29, first)) == "first 0 after 1,000 ms, last 29 after 1,290 ms"
    assert told(StoredAgain(1.0, dict.fromkeys(first, (1.0, "worker_00")))) == "0-29 after 1,000 ms"


@pytest.mark.parametrize(
    ("step", "time", "words"),
    [
        (Evicted(2.31, Evictor.SUCCESSOR, exact=False), "<2,310 ms", "by its successor, before that one joined"),
        (Evicted(10.41, Evictor.SESSION_TIMEOUT, exact=False), "<10,410 ms", "after its session timeout of 10 s"),
        (Evicted(None, Evictor.NOBODY), "-", "a static member"),
        (Evicted(None, Evictor.UNKNOWN), "-", "not seen"),
        (Died(0.0, 7, ()), "0 ms", "it owned no partition"),
        (TakenOver(3.4, {"worker_01": tps(0, 1)}), "3,400 ms", "0-1 by worker_01, started again"),
        (
            StoredAgain(1.2, {tp(0): (1.2, "worker_02")}, tps(1, 2)),
            "1,200 ms",
            "0 after 1,200 ms, nothing waited in 1-2",
        ),
        (StoredAgain(None, {}, tps(1)), "-", "nothing waited in 1"),
        (Back(3.0, "worker_01", 9, ()), "3,000 ms", "worker_01 as pid 9; no partition is left for it"),
        (Back(9.0, "worker_01", 9, tps(4), backed_off=True), "9,000 ms", "partition 4, after its crash-loop backoff"),
    ],
)
def test_each_step_has_its_words(step, time, words):
    line = render_kill.step_line(step, "worker_01", 10.0)

    assert line.time == time
    assert words in line.text


@pytest.mark.parametrize(
    ("facts", "words", "code"),
    [
        ({}, "all 9,312 records are accounted for", 0),
        ({"verdict": DrillReport(0, verified=True, lost=3, twice=1)}, "3 lost, 1 twice, 0 unexplained", 1),
        ({"verdict": DrillReport(0, verified=True, pending=7)}, "nothing is lost or twice; 7 are not committed yet", 2),
        ({"verdict": DrillReport(0, verified=True, unstable=7)}, "7 cannot be read yet", 2),
        ({"found": None}, "nothing was compared: `workers verify --wait 60` does it", 2),
        ({"found": None, "interrupted": "SIGINT"}, "nothing was compared", 130),
        ({"interrupted": "SIGTERM"}, "of 9,312 records nothing is lost or twice", 143),
        ({"waiting_for": "worker_01 starts again"}, "worker_01 starts again, and that did not come", 1),
        ({"remarks": ["worker_02 ended too, meanwhile"]}, "worker_02 ended too, meanwhile", 0),
        ({"gaps": {}}, "not known; all 9,312", 0),
    ],
)
def test_each_end_has_its_words_and_its_exit_code(facts, words, code):
    made = report(**facts)
    lines = render_kill.report_lines(made)

    assert words in " ".join(line.text for line in lines)
    assert max(map(len, drawn(*lines).splitlines())) <= 80
    assert ("interrupted" in [line.label for line in lines]) == (code > 100 and made.found is not None)
    assert cli_kill.exit_code(made) == code


def test_everything_is_in_the_json():
    found = report().as_dict()

    assert found["died"] == {"seconds": 0.004}
    assert found["evicted"] == {"seconds": 0.021, "by": "watchdog", "exact": True}
    assert found["taken_over"]["partitions"] == {"worker_00": {"numtest": [2]}, "worker_02": {"numtest": [3]}}
    assert found["stored_again"]["first"][0] == {
        "topic": "numtest",
        "partition": 2,
        "seconds": 1.034,
        "process": "worker_00",
    }
    assert found["back"] == {"seconds": 3.812, "pid": 12_399, "partitions": {"numtest": [2, 3]}}
    assert found["longest_gap"] == {"topic": "numtest", "partition": 2, "seconds": 1.09}
    assert (found["records"], found["lost"], found["passed"]) == (9_312, 0, True)
    early = KillReport("worker_01", 7).as_dict()
    assert (early["killed"], early["back"], early["lost"], early["passed"]) == (None, None, None, False)


def test_partitions_of_many_topics_are_counted_and_not_listed():
    few = [TopicPartition("orders", 0), TopicPartition("refunds", 1)]
    many = [TopicPartition(f"shop.{number:02d}", 0) for number in range(20)]

    assert in_words(few) == "orders:0 refunds:1"
    assert in_words(many) == "20 partitions of 20 topics"
    died = render_kill.step_line(Died(0.1, 77, tuple(many)), "worker_00", 10.0)
    assert died.text == "kill -9 77; it owned 20 partitions of 20 topics"
