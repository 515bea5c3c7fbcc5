"""The screen of `status --watch`: it fits whatever the terminal is, and a hole of a moment is seen, without colours too."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from tests.support.batches import tp
from tests.support.statuses import NOW, OWNS, answers, judged, kafka, seen
from workers.cli import cells
from workers.cli.render_watch import WatchScreen
from workers.fleet.status.poller import Down
from workers.fleet.verdict import verdict
from workers.fleet.verdict_facts import Facts
from workers.kafka.partition_offsets import PartitionOffsets

START = 1_000_000.0


def band(start, end, worker, kind="storing"):
    return [START + start, START + end, worker, kind]


def told(partitions=6, *, topics=("numtest",), hole=(70.0, 71.2), marks=()):
    """Two minutes: every partition is stored by a worker of its own, and one in two has a hole."""
    bands = []
    for number in range(partitions):
        worker = f"worker_{number % 12:02d}"
        whole = [
            band(0, hole[0], worker),
            band(*hole, None, "waiting"),
            band(hole[1], 120, f"worker_{(number + 1) % 12:02d}"),
        ]
        bands.append(whole if number % 2 else [band(0, 120, worker)])
    values = [float(number) for number in range(120)]
    return {
        "now": START + 120,
        "start": START,
        "interval": 1.0,
        "partitions": [
            {"topic": topic, "partition": number, "bands": each}
            for topic in topics
            for number, each in enumerate(bands)
        ],
        "series": {"time": [], "stored": values, "sent": values, "waiting": [None] * 120, "age": values},
        "marks": [
            {"time": START + at, "kind": kind, "process": process, "text": "", "seconds": None, "partitions": None}
            for at, kind, process in marks
        ],
    }


def drawn(timeline, width=80, height=24, *, encoding="utf-8", color=False, **facts):
    status = judged(**facts)
    said = verdict(Facts(status, 1.0))
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=file,
        width=width,
        height=height,
        force_terminal=True,
        color_system="truecolor" if color else None,
        highlight=False,
    )
    console.print(WatchScreen(status, said, timeline, height), end="")
    file.flush()
    return file.buffer.getvalue().decode(encoding).splitlines()


MANY = {
    "slots": {f"worker_{n:02d}": seen("worker_00", process=None) for n in range(30)},
    "kafka": kafka(offsets={tp(p): PartitionOffsets(0, 10**9, 0) for p in range(120)}),
}
SCREENS = {
    "well": (told(), {}),
    "nothing known": (told(0), {}),
    "one": (told(1), {}),
    "many": (told(120), MANY),
    "topics": (told(6, topics=("orders-with-a-name-that-is-long", "refunds", "x" * 249)), {}),
    "nothing answers": (told(), {"supervisord": Down("x" * 300), "kafka": Down("y" * 300), "mongodb": Down("z" * 300)}),
    "no worker": (told(), {"slots": {}}),
}


@pytest.mark.parametrize(("width", "height"), [(60, 24), (80, 24), (80, 16), (132, 40), (200, 60)])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(("timeline", "facts"), SCREENS.values(), ids=SCREENS)
def test_every_screen_fits(timeline, facts, width, height, encoding):
    lines = drawn(timeline, width, height, encoding=encoding, **facts)

    assert max(map(len, lines)) <= width
    if height >= 24:
        assert len(lines) < height, "a terminal scrolls when it is written to its end"


def test_a_hole_of_a_second_is_seen_and_who_had_the_partition_before_and_after():
    lines = drawn(told())
    (zero,) = (line for line in lines if line.startswith("       0 "))
    (one,) = (line for line in lines if line.startswith("       1 "))

    assert zero == f"       0 {'0' * 60} 00"
    assert one == f"       1 {'1' * 35}▞{'2' * 24} 02"
    short = [line for line in drawn(told(hole=(70.0, 70.2))) if line.startswith("       1 ")]
    assert short == [f"       1 {'1' * 35}┆{'2' * 24} 02"], "it is seen, and does not look like a long one"


def test_in_colours_a_stretch_begins_with_the_number_of_its_worker():
    (one,) = (line for line in drawn(told(), color=True) if "\x1b[2m       1 " in line)

    assert "48;2;230;159;0m01 " in one
    assert "48;2;0;158;115m02 " in one


def test_many_partitions_are_grouped_and_a_hole_in_one_of_them_is_one_of_the_group():
    lines = drawn(told(120), **MANY)
    groups = [line for line in lines if re.match(r" *\d+-\d+ ", line)]

    assert len(groups) >= 3
    assert all("▞" in line for line in groups)
    assert any(line.startswith("and ") and line.endswith("more workers") for line in lines)


def test_marks_never_overlap_and_none_is_left_out_where_there_is_room():
    marks = [
        (70, "killed", "worker_01"),
        (71, "killed", "worker_02"),
        (72, "back", "worker_01"),
        (73, "back", "worker_02"),
    ]
    (line,) = (line for line in drawn(told(marks=[*marks, (100, "killed", "worker_03")])) if "▼03 killed" in line)
    assert line.count("▼") == 3
    assert line.count("▲") == 2
    assert "▲02 back" in line, "the newest has its words"
    assert len(line) <= 80

    edge = drawn(told(marks=[(119.9, "killed", "worker_03"), (0, "back", "worker_00")]))
    assert any("03 killed▼" in line and "▲00 back" in line for line in edge)


@pytest.mark.parametrize("count", [1, 5, 200])
def test_places_of_marks_are_free_of_each_other(count):
    timeline = told(marks=[(60 + 0.1 * n, "killed", f"worker_{n % 100:02d}") for n in range(count)])
    found = cells.marks_line(timeline, 60, "v", "^")

    taken = [place for column, text, _ in found for place in range(column, column + len(text))]
    assert len(taken) == len(set(taken))
    assert taken
    assert (min(taken), max(taken)) >= (0, 0)
    assert max(taken) < 60


def test_a_value_that_is_not_known_is_a_gap_and_not_a_zero():
    lines = drawn(told())
    (waiting,) = (line for line in lines if line.startswith(" waiting"))

    assert waiting.split() == ["waiting", "unknown"]
    assert cells.values({"age": [None, 1.0, 3.0, None]}, "age", 2, most=True) == [1.0, 3.0]
    assert cells.values({"age": [1.0]}, "age", 3, most=False) == [1.0, 1.0, 1.0]


def test_what_is_not_well_is_among_the_slots_that_are_shown():
    slots = {name: seen(name) for name in OWNS} | {f"worker_{n:02d}": seen("worker_00") for n in range(4, 30)}
    slots["worker_28"] = replace(seen("worker_00"), kernel="T")
    assert answers(slots=slots).slots
    lines = drawn(told(), slots=slots)

    assert any(line.startswith("28   stopped (SIGSTOP)") for line in lines)
    assert NOW == 1_000.0
