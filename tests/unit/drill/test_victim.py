"""Whom a kill hits, on processes of the test's own: the one that was meant, and never another."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.batches import tps
from tests.support.statuses import judged, process, seen, with_slot
from workers.drill.victim import Victim, choose
from workers.errors import BadUsageError, UnavailableError
from workers.settings import load
from workers.settings.paths import StatePaths
from workers.state.heartbeat import Beat, State
from workers.state.proc import process_started


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


def beat_of(pid: int) -> Beat:
    return Beat(pid=pid, started=process_started(pid) or 0, partitions=tps(0))


def test_its_end_is_noticed_at_once_and_after_the_kill(sleeper):
    with Victim("worker_00", beat_of(sleeper.pid)) as victim:
        assert victim.ended(0.0) is None
        before = time.monotonic()
        killed = victim.kill()
        ended = victim.ended(10.0)

    assert ended is not None
    assert before <= killed <= ended <= time.monotonic()
    assert sleeper.wait() == -9


def test_without_a_pidfd_it_is_seen_too(sleeper, monkeypatch):
    monkeypatch.delattr("os.pidfd_open")
    with Victim("worker_00", beat_of(sleeper.pid)) as victim:
        assert victim.ended(0.0) is None
        victim.kill()
        sleeper.wait()
        assert victim.ended(10.0) is not None


def test_one_that_has_ended_is_told_and_whoever_has_its_pid_now_is_spared(sleeper):
    old = replace(beat_of(sleeper.pid), started=1)
    with pytest.raises(UnavailableError, match="has just ended by itself"), Victim("worker_00", old):
        pass
    with Victim("worker_00", beat_of(sleeper.pid)) as victim:
        sleeper.kill()
        # It is a zombie still, which takes signals.
        assert victim.ended(10.0)
        with pytest.raises(UnavailableError, match="has just ended by itself"):
            victim.kill()


def test_without_a_heartbeat_nobody_is_killed(tmp_path: Path):
    with pytest.raises(UnavailableError, match="worker_00 has no heartbeat"):
        Victim.of("worker_00", load(), StatePaths(tmp_path, tmp_path), 1)


def test_the_one_with_most_partitions_is_chosen_and_of_several_the_oldest():
    assert choose(judged(), None) == "worker_00"
    older = with_slot("worker_01", process=process("worker_01", uptime=9_999.0))
    assert choose(judged(**older), None) == "worker_01"
    young = with_slot("worker_03", process=process("worker_03", uptime=3.0))
    many = replace(seen("worker_03").beat, partitions=tps(*range(5, 30)))
    assert choose(judged(**with_slot("worker_03", process=young["slots"]["worker_03"].process, beat=many)), None) == (
        "worker_03"
    )


@pytest.mark.parametrize("wanted", ["worker_02", "2", "02"])
def test_a_worker_is_named_by_its_name_or_its_slot(wanted):
    assert choose(judged(), wanted) == "worker_02"


@pytest.mark.parametrize("wanted", ["worker_09", "9", "999", "lag", "-1", "", "²", "a\nb", "\udcff"])
def test_one_that_does_not_run_here_is_a_mistake(wanted):
    with pytest.raises(BadUsageError, match="worker_00, worker_01, worker_02, worker_03") as told:
        choose(judged(), wanted)
    assert len(str(told.value).encode().splitlines()) == 1


def test_one_that_does_not_read_is_not_killed():
    joining = with_slot("worker_02", beat=replace(seen("worker_02").beat, state=State.JOINING))
    with pytest.raises(UnavailableError, match="does not read yet: joining"):
        choose(judged(**joining), "2")
