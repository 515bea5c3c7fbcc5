"""One screen: it fits, nothing jumps from one look to the next, and what is wrong stands out."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from tests.support.batches import tp, tps
from tests.support.statuses import OWNS, WATCHDOG, judged, kafka, process, seen, with_slot
from workers.cli import render_status as show_status
from workers.cli.figures import duration, number
from workers.fleet.status.model import SupervisordAnswer
from workers.fleet.status.poller import Down
from workers.fleet.verdict import verdict
from workers.fleet.verdict_facts import Facts
from workers.kafka.admin import GroupDescription, Member
from workers.kafka.open_transactions import OpenTransaction
from workers.kafka.partition_offsets import PartitionOffsets
from workers.state.heartbeat import State

NOW = datetime.now(UTC)
EVENTS = [
    {"event": "fleet_started", "pid": 77},
    {"event": "starting", "process": "worker_02"},
    {"event": "running", "process": "worker_02", "pid": 3},
    {"event": "exited", "process": "worker_02", "pid": 3, "expected": False},
    {"event": "exited", "process": "worker_01", "pid": 4, "expected": True},
    {"event": "backoff", "process": "worker_02"},
    {"event": "fatal", "process": "worker_02"},
    {"event": "revived", "process": "worker_02"},
    {"event": "evicted", "process": "worker_02", "member": "worker_02-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"},
    {"event": "stalled", "process": "worker_02", "kind": "no_progress", "pid": 4_194_303},
    {
        "event": "rebalanced",
        "partitions": {"worker_00": {"numtest": [0, 1, 2]}, "worker_01": {"numtest": [3, 4, 5]}, "worker_02": {}},
    },
    {"event": "something new", "process": "worker_00", "time": "yesterday"},
    {"event": "rebalanced", "partitions": {"worker_00": [0, 1, 2]}},
]
BEAT = seen("worker_02").beat
HUGE = replace(BEAT, pid=4_194_303, partitions=tps(*range(0, 60, 2)), records=10**10, dead_letters=10**7)
MANY = {tp(p): PartitionOffsets(0, 10**9, 0) for p in range(60)}
SCREENS = {
    "well": {},
    "nothing answers": {"supervisord": Down("x" * 300), "kafka": Down("y" * 300), "mongodb": Down("z" * 300)},
    "large numbers": {
        **with_slot("worker_02", beat=HUGE, process=process("worker_02", pid=4_194_303, uptime=10**8), rate=10.0**7),
        "kafka": kafka(
            offsets=MANY,
            group=GroupDescription(
                "PreparingRebalance", {f"m{n}": Member(f"worker_{n:02d}", "h", [tp(n)]) for n in range(60)}
            ),
        ),
    },
    "waiting": with_slot("worker_02", beat=replace(BEAT, state=State.WAITING_FOR_MONGODB)),
    "stopped": with_slot("worker_02", kernel="T"),
    "braked": with_slot("worker_02", beat=replace(BEAT, state=State.CRASH_LOOP_BACKOFF, until=1_300.0)),
    "exited": with_slot("worker_02", process=process("worker_02", state="EXITED", pid=None, exit_status=255)),
    "silent": with_slot("worker_02", beat=replace(BEAT, iterated=-99_000.0)),
    "no worker": {"slots": {}},
    "no topic": {"kafka": kafka(offsets=None)},
    "no answer": {"kafka": kafka(offsets={tp(0): PartitionOffsets(0, 123_456, 0)}, unanswered=tps(1, 2, 3, 4, 5))},
    "transactions": {
        "kafka": kafka(open_transactions={tp(p): OpenTransaction(10**9, 10**7, 10.0**6, "record") for p in range(6)})
    },
}


def drawn(width: int, *, color: bool = False, headline: bool = False, **facts) -> str:
    times = [(NOW - timedelta(seconds=len(EVENTS) - n)).isoformat() for n in range(len(EVENTS))]
    events = [{"time": time} | event for time, event in zip(times, EVENTS, strict=True)]
    status = judged(**({"events": events} | facts))
    console = Console(
        file=io.StringIO(),
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        highlight=False,
    )
    said = verdict(Facts(status, NOW.timestamp())) if headline else None
    console.print(show_status.screen(status, width, said))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 131, 132, 200])
@pytest.mark.parametrize("facts", SCREENS.values(), ids=SCREENS)
def test_every_screen_fits_and_what_is_too_long_goes_on_below_itself(width, facts):
    lines = drawn(width, headline=True, **facts).splitlines()

    assert max(len(line) for line in lines) <= width
    rows = [line for line in lines if re.match(r"(worker_)?\d\d ", line)]
    assert len(rows) == len(facts.get("slots", OWNS))
    labels = [line.split()[0] for line in lines if re.match(r"(supervisord|Kafka|MongoDB|group|topic|audit) ", line)]
    assert labels == [
        "supervisord",
        "Kafka",
        "MongoDB",
        "group",
        *(["topic"] if not isinstance(facts.get("kafka"), Down) else []),
        "audit",
    ]
    assert sum("…" in line for line in lines if line not in rows) == 0, "only columns of figures are cut"


@pytest.mark.parametrize("width", [80, 200])
def test_columns_stay_where_they_are_whatever_happens(width):
    lines = [line for facts in SCREENS.values() for line in drawn(width, **facts).splitlines()]
    assert len({line for line in lines if line.startswith("slot")}) == 1


def test_the_numbers_of_a_slot_are_aligned_at_the_right_of_their_names():
    lines = drawn(80).splitlines()
    (head,) = (line for line in lines if line.startswith("slot"))
    (row,) = (line for line in lines if line.startswith("02 "))

    assert row.split() == ["02", "reading", "102", "1h02m", "2", "4", "1,234", "10", "1.0s", "0"]
    for name, value in zip(head.split()[2:], row.split()[2:], strict=True):
        assert head.index(name) + len(name) == row.index(f" {value}", head.index(name) - 6) + 1 + len(value)


def test_a_wide_terminal_shows_more():
    narrow, wide = drawn(80, **SCREENS["waiting"]), drawn(200, **SCREENS["waiting"])

    assert "02   awaits MongoDB" in narrow
    assert "worker_02  waiting for MongoDB" in wide
    assert "12,345" in wide
    assert "12,345" not in narrow


def test_the_first_line_is_the_verdict():
    assert drawn(80).splitlines()[0] == "healthy: 4 workers read 6 partitions, lag 60"
    broken = drawn(80, **SCREENS["stopped"], mongodb=Down("does not answer")).splitlines()[0]
    assert broken == "not healthy: MongoDB: does not answer (+1 more)"
    long = drawn(80, **SCREENS["nothing answers"])
    assert "(+2 more)" in long
    assert long.count("x") >= 600, "nothing is cut off"


def test_the_headline_is_the_verdict_and_says_how_much_it_matters_without_colour_too():
    assert drawn(80, headline=True, events=[]).splitlines()[:2] == [
        "● 4 workers read 6 partitions; 60 records wait",
        "  No auditor runs: `workers verify` proves that nothing is missing.",
    ]
    assert drawn(80, headline=True, **SCREENS["stopped"]).startswith("▲ worker_02: stopped by a signal; ")
    assert drawn(80, headline=True, **SCREENS["no worker"]).startswith(("▲ ", "■ "))


def test_nothing_of_a_screen_of_80_columns_is_cut():
    everything = [WATCHDOG, *(replace(WATCHDOG, name=name) for name in ("lag", "auditor"))]
    slots = {name: seen(name) for name in OWNS}
    supervisord = SupervisordAnswer(77, [*everything, *(each.process for each in slots.values())])
    group = GroupDescription(
        "PreparingRebalance", {f"m{n}": Member(f"worker_{n:02d}", "h", [tp(n)]) for n in range(20)}
    )

    assert "…" not in drawn(80, supervisord=supervisord, kafka=kafka(group=group))
    assert "watchdog, lag, auditor up; pid 77" in drawn(80, supervisord=supervisord)


def test_what_happened_last_is_told_in_words_oldest_first():
    lines = drawn(80).splitlines()[-7:]

    assert [line[13:] for line in lines] == [
        "worker_02  started again after FATAL",
        "worker_02  removed from the group",
        "worker_02  hung (it did not read its partitions) and was killed by",
        "           the watchdog",
        "fleet      rebalanced: 00 0-2, 01 3-5, 02 -",
        "worker_00  something new",
        "fleet      rebalanced: partitions moved",
    ]
    assert lines[0][:8] == f"{(NOW - timedelta(seconds=6)).astimezone():%H:%M:%S}"
    assert lines[5].startswith("? ")


@pytest.mark.parametrize(
    ("facts", "group", "topic"),
    [
        ({}, "counters: Stable, 4 members: 00 0-1, 01 2-3, 02 4, 03 5", "numtest: 6 partitions, lag 60, all assigned"),
        (
            {"kafka": kafka(group=GroupDescription("Empty", {}))},
            "counters: Empty, 0 members",
            "numtest: 6 partitions, lag 60, unassigned: 0-5",
        ),
        (
            {"kafka": kafka(group=GroupDescription("PreparingRebalance", {"m": Member("worker_00", "h", [])}))},
            "counters: PreparingRebalance, 1 member: 00 -",
            "numtest: 6 partitions, lag 60, rebalancing",
        ),
    ],
)
def test_group_and_topic_are_told_in_a_line_each(facts, group, topic):
    lines = [line.rstrip() for line in drawn(80, **facts).splitlines()]

    assert f"group        {group}" in lines
    assert f"topic        {topic}" in lines


def test_what_cannot_be_read_is_told_below_the_topic():
    waiting = drawn(132, kafka=kafka(open_transactions={tp(2): OpenTransaction(1_000, 40, 3.0, "observed", 3.0)}))
    waiting = [line.rstrip() for line in waiting.splitlines()]
    assert waiting[0] == "healthy: 4 workers read 6 partitions, lag 60, 40 unstable"
    assert "transaction  partition 2: 40 unstable, open for 3.0s at offset 1,000 (observed)" in waiting

    lines = [line.rstrip() for line in drawn(80, **SCREENS["no answer"]).splitlines()]
    assert "no answer    partition 1-5" in lines
    assert "topic        numtest: 6 partitions, lag 123,456+, all assigned" in lines
    (row,) = (line for line in lines if line.startswith("00 "))
    assert "123k+" in row.split()
    assert sum(line.startswith("transaction") for line in drawn(80, **SCREENS["transactions"]).splitlines()) == 3


def test_colour_is_for_what_is_well_and_what_is_not():
    assert "\x1b" not in drawn(80)
    row = next(line for line in drawn(80, color=True, **SCREENS["stopped"]).splitlines() if line.startswith("02 "))
    assert "\x1b[1;31mstopped (SIGSTOP)" in row
    assert "\x1b[32mhealthy" in drawn(80, color=True) or "\x1b[1;32mhealthy" in drawn(80, color=True)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0.04, "0.0s"),
        (9.94, "9.9s"),
        (10.0, "10s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (3_599, "59m59s"),
        (3_600, "1h00m"),
        (86_399, "23h59m"),
        (86_400, "1d00h"),
        (8_640_000, "100d"),
        (10**9, "11574d"),
    ],
)
def test_durations_are_short(seconds, shown):
    assert duration(seconds) == shown
    assert len(shown) <= 6


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.4, "0"), (99_999, "99,999"), (100_000, "100k"), (12_345_678, "12M")]
)
def test_numbers_are_short(value, shown):
    assert number(value) == shown


def test_what_other_clients_call_themselves_cannot_harm_the_terminal():
    members = {"m": Member("x\x1b]0;owned\x07\x1b[2J", "10.0.0.1", tps(0))}

    shown = drawn(80, kafka=kafka(group=GroupDescription("Stable", members)))

    assert "owned" in shown
    assert not {"\x1b", "\x07"} & set(shown)
