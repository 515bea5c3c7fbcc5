"""`workers verify` of a topic in many parts: in several processes, interrupted, gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from kafka.errors import KafkaError

from tests.integration.test_verify_scale import store
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers

pytestmark = pytest.mark.integration

RECORDS = 30_000
SMALL_PARTS = """
from workers.verification import whole_topic
whole_topic.OFFSETS_BY_INDEX = 1_000
from workers.cli.main import main
main()
"""
"""The command, with 30 parts instead of one."""
STANDS_STILL = """
import os, signal
from workers.verification.unfinished import UnfinishedFile
write = UnfinishedFile.write
def write_and_stand_still(file, run, **options):
    write(file, run, **options)
    if file.begun:
        UnfinishedFile.write = write
        os.kill(os.getpid(), signal.SIGSTOP)
UnfinishedFile.write = write_and_stand_still
"""
"""It stops, until it is told to go on, when the first part is done."""


@pytest.fixture(scope="module")
def topic(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path_factory.mktemp("resume")) as topic:
        topic.kafka.create(2)
        store(topic, 0, RECORDS)
        wait_until(lambda: is_committed(topic), 30, "the group's coordinator is there")
        yield topic


def is_committed(topic: PlainWorkers) -> bool:
    """The first group of a broker waits for the topic in which it keeps the offsets."""
    try:
        topic.commit({0: RECORDS // 2, 1: RECORDS // 2})
        return len(topic.kafka.admin.list_group_offsets({topic.group: None})[topic.group]) == 2
    except KafkaError:
        return False


def start(topic: PlainWorkers, *options: str, program: str = SMALL_PARTS) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, "verify", *options],
        env=topic.environment,
        cwd=topic.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


STANDING = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)


@contextmanager
def standing_still(topic: PlainWorkers, processes: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A run of which the first part is done, and its processes."""
    running = start(topic, "--processes", processes, program=STANDS_STILL + SMALL_PARTS)
    with running:
        try:
            command = psutil.Process(running.pid)
            wait_until(lambda: command.status() in STANDING, 60, "a part is done")
            yield running, command.children(recursive=True)
        finally:
            running.kill()


def kept(topic: PlainWorkers) -> Path:
    return topic.folder / f"{topic.group}.verify"


def totals(out: str) -> tuple[int, int, int, int]:
    found = json.loads(out)
    stored, missing, unexpected = (
        sum(each[what] for each in found["partitions"]) for what in ("stored", "missing", "unexpected")
    )
    return stored, missing, unexpected, found["foreign"]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_ctrl_c_ends_all_of_it_and_resume_goes_on_behind_what_was_verified(topic: PlainWorkers, processes: str) -> None:
    with standing_still(topic, processes) as (running, children):
        assert processes == "1" or len(children) >= 2
        # As a terminal does it: all processes get it.
        os.killpg(running.pid, signal.SIGINT)
        running.send_signal(signal.SIGCONT)
        out, said = running.communicate(timeout=20)
    assert (running.returncode, out) == (130, "")
    assert said.splitlines()[-1].startswith("interrupted: ")
    assert said.splitlines()[-1].endswith(
        " records were verified, of a log of 30,000 offsets, all of them accounted for; `workers verify --resume` goes on behind them"
    )
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []

    resumed = start(topic, "--processes", processes, "--resume", "--json")
    out, said = resumed.communicate(timeout=60)
    assert (resumed.returncode, totals(out)) == (0, (RECORDS, 0, 0, 0)), said
    assert not kept(topic).exists()
    again = topic.command("verify", "--resume")
    assert again.returncode == 2
    assert "nothing to resume" in again.stderr
    assert again.stderr.splitlines()[-1] == "nothing was verified"


def test_a_process_that_is_killed_is_no_answer(topic: PlainWorkers) -> None:
    with standing_still(topic, "2") as (running, children):
        next(each for each in children if "spawn_main" in " ".join(each.cmdline())).kill()
        running.send_signal(signal.SIGCONT)
        out, said = running.communicate(timeout=60)
    assert (running.returncode, out) == (2, "")
    assert "a process of verify was killed" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def test_several_processes_find_what_is_wrong_and_where(topic: PlainWorkers) -> None:
    lost = topic.numtest.find_one({"number": 20_001})
    assert lost is not None
    prefix = lost["_id"].rpartition("/")[0]
    strangers = [{"_id": f"{prefix}/15007"}, {"_id": 7}, {"_id": "other-00000000/0/0"}]
    topic.numtest.delete_one({"_id": lost["_id"]})
    topic.numtest.insert_many(strangers)
    try:
        reports = []
        for processes in ("1", "2"):
            out, said = start(topic, "--processes", processes, "--json").communicate(timeout=60)
            assert totals(out) == (RECORDS - 1, 1, 1, 2), said
            reports.append(json.loads(out))
    finally:
        topic.numtest.insert_one(lost)
        topic.numtest.delete_many({"_id": {"$in": [each["_id"] for each in strangers]}})
    assert reports[0] == reports[1]
    assert [each["offsets"] for each in reports[0]["partitions"]] == [{}, {"missing": [10_000], "unexpected": [15_007]}]
