"""What a worker says of itself can be read whatever became of the worker, and nothing else passes for it."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.batches import batch_of, tp
from workers.pauses import Pause
from workers.state.heartbeat import Beat, Heartbeat, State, process_started, read_beat
from workers.types import CommitResult, RejectReason, WriteResult

SPEAKER = """
import os, signal, sys
from pathlib import Path
from workers.state.heartbeat import Heartbeat
from workers.types import TopicPartition
heartbeat = Heartbeat.open(Path(sys.argv[1]))
heartbeat.owns([TopicPartition("numtest", 3), TopicPartition("numtest", 5)])
heartbeat.iterated()
os.kill(os.getpid(), signal.SIGKILL)
"""


def said(path: Path) -> Beat:
    beat = read_beat(path)
    assert beat is not None
    return beat


def test_it_tells_what_the_loop_does(tmp_path):
    times = iter(range(100))
    heartbeat = Heartbeat.open(tmp_path / "beat", lambda: float(next(times)))
    assert (said(tmp_path / "beat").state, said(tmp_path / "beat").partitions) == (State.STARTING, ())
    heartbeat.owns([tp(1), tp(4)])
    heartbeat.written(batch_of(), WriteResult({}, {}, {(tp(1), RejectReason.EMPTY): 2}), 0.1)
    heartbeat.committed(batch_of(), CommitResult.REBALANCED)
    assert said(tmp_path / "beat").committed is None
    heartbeat.committed(batch_of(), CommitResult.OK)
    heartbeat.halted([tp(4)], "too many rejects")
    heartbeat.iterated()

    beat = said(tmp_path / "beat")
    assert (beat.state, beat.partitions, beat.halted) == (State.READING, (tp(1), tp(4)), (tp(4),))
    assert beat.dead_letters == 2
    assert beat.committed is not None
    assert beat.iterated > beat.committed > beat.since
    assert beat.is_alive()

    heartbeat.paused({tp(1): Pause("x", "ann@db1", 0.0)})
    heartbeat.limited("WORKERS_MAX_RATE", 0.25)
    heartbeat.iterated()
    assert (said(tmp_path / "beat").paused, said(tmp_path / "beat").limited) == ((tp(1),), "WORKERS_MAX_RATE")

    heartbeat.rebalanced("revoked", [tp(1), tp(4)])
    heartbeat.enter(State.CRASH_LOOP_BACKOFF, until=99.0)
    assert (said(tmp_path / "beat").partitions, said(tmp_path / "beat").until) == ((), 99.0)


def test_a_worker_that_waits_for_a_right_does_not_look_like_one_that_stands_still(tmp_path):
    heartbeat = Heartbeat.open(tmp_path / "beat")
    heartbeat.source_refused(True)
    heartbeat.source_refused(False)
    assert said(tmp_path / "beat").state is State.JOINING
    heartbeat.owns([tp(1)])

    heartbeat.source_refused(True)
    assert said(tmp_path / "beat").state is State.WAITING_FOR_KAFKA
    heartbeat.source_refused(False)
    assert said(tmp_path / "beat").state is State.READING


def test_it_outlives_a_sigkill_and_is_known_to_be_of_a_dead_process(tmp_path):
    ended = subprocess.run([sys.executable, "-c", SPEAKER, str(tmp_path / "beat")], check=False)

    assert ended.returncode == -9
    beat = said(tmp_path / "beat")
    assert beat.partitions == (tp(3), tp(5))
    assert not beat.is_alive()


def test_a_pid_that_belongs_to_another_program_now_is_not_alive(tmp_path):
    Heartbeat.open(tmp_path / "beat")
    beat = said(tmp_path / "beat")

    assert not replace(beat, started=beat.started - 1).is_alive()
    assert process_started(2**22 + 1) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "other json", "absent"])
def test_what_cannot_be_made_out_says_nothing(tmp_path, damage):
    path = tmp_path / "beat"
    Heartbeat.open(path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "cut": whole[:40],
            "flipped": whole.replace(b"starting", b"stopping"),
            "empty": b"",
            "text": b"hello\nworld",
            "other json": b"%08x %08d\n[]" % (0x0D4CBB29, 2),
            "absent": b"",
        }[damage]
    )
    if damage == "absent":
        path.unlink()

    assert read_beat(path) is None


def test_a_folder_that_takes_no_file_is_told_and_ends_nobody(capsys):
    Heartbeat.open(Path("/dev/null/beat")).iterated()

    assert capsys.readouterr().out.count("cannot write /dev/null/beat: Not a directory; this process works on") == 1


def test_a_disk_that_is_full_is_told_and_ends_nobody(tmp_path):
    """A limit on the size of files is what a full disk is to one process."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    ended = subprocess.run(
        [sys.executable, "-c", limit + SPEAKER, str(tmp_path / "beat")], capture_output=True, text=True, check=False
    )

    assert ended.returncode == -9, "it lived to its last line"
    assert f"cannot write {tmp_path}/beat: File too large" in ended.stdout


@pytest.mark.parametrize("version", [{}, {"version": 1}, {"version": 3}])
def test_a_heartbeat_of_another_version_says_nothing(tmp_path, version):
    """The one before there were versions had numbers for partitions: nothing of it may pass for a partition of today."""
    said_then = {
        "pid": 7, "started": 1, "state": "reading", "since": 1.0, "turned": 2.0, "committed": None, "partitions": [0, 3],
        "stopped": [], "records": 1, "dead_letters": 0, "rebalances": 1, "until": None, **version,
    }  # fmt: skip
    text = json.dumps(said_then).encode()
    (tmp_path / "beat").write_bytes(b"%08x %08d\n%s\n" % (zlib.crc32(text), len(text), text))

    assert read_beat(tmp_path / "beat") is None
