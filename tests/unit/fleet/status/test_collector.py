"""Asking: nobody's silence holds up the others, and what lies about in the state folder is not taken for a worker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest

from tests.support.batches import tps
from tests.support.embedded import wait_until
from workers.errors import ExitCode
from workers.fleet.status.collector import StatusCollector
from workers.fleet.status.poller import Down, Poller
from workers.kafka.group_description import GroupDescription
from workers.kafka.kafka_look import KafkaLook
from workers.settings import Settings
from workers.settings.paths import StatePaths
from workers.state.event_log import Event, EventLog
from workers.state.heartbeat import Heartbeat, read_beat
from workers.state.slot import Slot

NOWHERE = Settings(bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1", group="counters")
SPEAKER = "import sys; from pathlib import Path; from workers.state.heartbeat import Heartbeat; Heartbeat.open(Path(sys.argv[1]))"


@pytest.fixture
def tree(tmp_path):
    for folder in ("var/run", "var/log"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def beat_file(tree: Path, number: int, group: str = "counters") -> Path:
    return Slot(tree / "var/run", group, f"worker_{number:02d}").heartbeat_file


def seen(tree: Path):
    """By a collector that has asked nobody: the state folder alone."""
    return StatusCollector(NOWHERE, StatePaths(tree)).collect()


def test_a_tree_without_anything_is_no_fleet_and_nothing_is_made_there(tmp_path):
    status = seen(tmp_path)

    assert (status.slots, status.events, status.exit_code) == ([], [], ExitCode.UNCHECKED)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_lives_without_a_supervisord_is_seen(tree):
    Heartbeat.open(beat_file(tree, 7)).owns(tps(3, 5))
    (tree / "var/run/counters-worker_07.member").write_text("m-7\n")

    (slot,) = seen(tree).slots
    assert (slot.name, slot.state, slot.pid, slot.partitions) == ("worker_07", "reading", os.getpid(), tps(3, 5))
    assert slot.member_id == "m-7"
    assert 0 <= slot.uptime_seconds < 86_400


@pytest.mark.parametrize("what", ["dead", "half written", "text", "a folder", "of another group", "another's pid"])
def test_what_lies_about_is_no_worker(tree, what):
    path = beat_file(tree, 1)
    if what == "dead":
        subprocess.run([sys.executable, "-c", SPEAKER, str(path)], check=True)
        assert read_beat(path) is not None
    elif what == "half written":
        Heartbeat.open(path)
        os.truncate(path, 60)
    elif what == "text":
        path.write_text("hello\n")
    elif what == "a folder":
        path.mkdir()
    elif what == "of another group":
        Heartbeat.open(beat_file(tree, 1, "others"))
    else:
        Heartbeat.open(path)
        said = json.loads(path.read_bytes().split(b"\n")[1]) | {"started": 1}
        text = json.dumps(said).encode()
        path.write_bytes(b"%08x %08d\n%s\n" % (zlib.crc32(text), len(text), text))
        assert read_beat(path).pid == os.getpid()

    assert seen(tree).slots == []


def test_a_heartbeat_of_the_future_is_said_to_be_one(tree):
    Heartbeat.open(beat_file(tree, 0), lambda: time.monotonic() + 500).owns(tps(1))

    (slot,) = seen(tree).slots
    assert (slot.text, slot.partitions, slot.healthy) == ("no heartbeat", (), False)
    assert "in the future" in slot.problem


def test_events_are_told_and_a_line_that_was_cut_is_not(tree):
    events = EventLog(tree / "var/log/events.jsonl")
    collector = StatusCollector(NOWHERE, StatePaths(tree))
    assert collector.collect().events == []
    events.append(Event.STARTING, "worker_00")
    with (tree / "var/log/events.jsonl").open("a") as file:
        file.write('{"event": "exi')

    assert [event["event"] for event in collector.collect().events] == ["starting"]


def test_services_that_are_not_there_are_named_all_at_once_and_without_their_passwords(tree):
    """By the command, whose process ends with what the clients leave behind."""
    environment = {
        "WORKERS_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "WORKERS_MONGODB_URI": "mongodb://user:hunter2@127.0.0.1:1/?authSource=admin",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "workers", "status", "--json"],
        env=os.environ | environment,
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ran.returncode, ran.stderr) == (ExitCode.UNCHECKED, "")
    assert "hunter2" not in ran.stdout
    found = json.loads(ran.stdout)
    assert found["problems"][0].startswith(f"no fleet runs in {tree}; ")
    seconds = found["services"]["supervisord"].pop("seconds")
    assert found["services"]["supervisord"] == {"up": False, "detail": "does not run here"}
    assert 0 <= seconds < 30
    assert re.search("no Kafka broker answered at 127.0.0.1:1|has not answered", found["services"]["Kafka"]["detail"])
    # On a busy machine the client is not even loaded in time; that is said too.
    assert re.match(r"does not answer \(mongodb://|has not answered for", found["services"]["MongoDB"]["detail"])
    assert (found["group"], found["slots"]) == (None, [])


def test_a_service_that_hangs_is_said_to_and_holds_up_nobody():
    over = threading.Event()
    asker = Poller(lambda: over.wait(60), 0.1)
    asker.start()
    try:
        wait_until(lambda: "for 4 s" in str(asker.answer(time.monotonic() + 4)), 10, "it hangs")
        assert asker.answer(time.monotonic() + 7) == Down("has not answered for 7 s")
        assert not asker.answered.is_set()
    finally:
        over.set()
        asker.stop()


def test_one_that_pauses_can_be_asked_at_once_and_stopped():
    asked = []
    asker = Poller(lambda: asked.append(1) or len(asked), 600, lambda: asked.append(0))
    asker.start()
    assert asker.answered.wait(10)
    asker.ask_now()
    assert asker.answered.wait(10)
    assert asker.answer(time.monotonic()) == 2
    asker.stop()
    wait_until(lambda: asked == [1, 1, 0], 10, "it is closed")


def test_kafka_is_asked_again_after_the_wait_for_rates_so_that_it_knows_who_has_just_joined(tree):
    Heartbeat.open(beat_file(tree, 0)).owns(tps(0))
    moments = []

    def look() -> KafkaLook:
        moments.append(time.monotonic())
        return KafkaLook(GroupDescription("Stable", {}), None)

    with StatusCollector(NOWHERE, StatePaths(tree), kafka=look) as collector:
        # Shorter than the pause between two looks.
        before = time.monotonic()
        collector.wait(30, 0.05)

    assert any(moment >= before + 0.05 for moment in moments)


def test_whatever_a_client_raises_is_an_answer():
    def fail():
        raise KeyError("x")

    asker = Poller(fail, 60)
    asker.start()
    assert asker.answered.wait(10)
    asker.stop()
    assert asker.answer(time.monotonic()) == Down("could not be asked: KeyError")


def test_the_command_finds_the_events_that_the_env_file_of_the_tree_says(tree, tmp_path):
    (tree / ".env").write_text("WORKERS_EVENTS_FILE=told/events.jsonl\nWORKERS_GROUP=orders\n")
    EventLog(tree / "told/events.jsonl").append(Event.EVICTED, "worker_03", member="m-3")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/.env").write_text("WORKERS_EVENTS_FILE=/dev/null\n")
    ran = subprocess.run(
        [sys.executable, "-m", "workers", "status", "--json", "--tree", str(tree)],
        env=os.environ | {"WORKERS_BOOTSTRAP_SERVERS": "127.0.0.1:1", "WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1"},
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ran.returncode, ran.stderr) == (ExitCode.UNCHECKED, "")
    assert [(event["event"], event["process"]) for event in json.loads(ran.stdout)["events"]] == [
        ("evicted", "worker_03")
    ]


def test_where_the_settings_put_the_state_and_the_events_is_where_they_are_looked_for(tree, tmp_path):
    paths = StatePaths(tree, tmp_path / "elsewhere", tmp_path / "elsewhere/told.jsonl")
    EventLog(paths.events_file).append(Event.STARTING, "worker_03")
    Heartbeat.open(Slot(paths.state_dir, "counters", "worker_03").heartbeat_file)
    # Those of an earlier time, in the default places.
    EventLog(tree / "var/log/events.jsonl").append(Event.FATAL, "worker_04")
    Heartbeat.open(beat_file(tree, 4))
    status = StatusCollector(NOWHERE, paths).collect()

    assert [event["event"] for event in status.events] == ["starting"]
    assert [slot.name for slot in status.slots] == ["worker_03"]
