"""What a worker writes beside the database, its log and its state, is not needed: no way in which it fails stops one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedded_stack.processes import tied
from tests.support.embedded import wait_until
from tests.support.full_disk import full_disk
from tests.support.plain_workers import PlainWorkers
from tests.support.user import BIN
from workers.state.slot import Slot

pytestmark = pytest.mark.integration

SHELL = {
    "full": "exec {run} >/dev/full 2>&1",
    "closed": "exec {run} >&- 2>&- <&-",
    "read-only": "exec {run} 1</dev/null 2>/dev/null",
}
"""Standard output and error of a worker, as a shell makes them."""


@pytest.fixture
def workers(stack, tmp_path) -> Iterator[PlainWorkers]:
    (tmp_path / "tree").mkdir()
    with PlainWorkers(stack, tmp_path / "tree") as workers:
        workers.create(3)
        yield workers


@contextlib.contextmanager
def started(
    workers: PlainWorkers, slot: int, shell: str = "exec {run}", **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Its standard output and error are pipes, which are read only when the caller reads them."""
    command = shell.format(run=f"{BIN / 'workers'} run")
    process = subprocess.Popen(
        tied("/bin/sh", "-c", command),
        env={**workers.environment, "WORKERS_SLOT": str(slot), **settings},
        cwd=workers.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def ended(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    return process.wait(60)


def test_workers_whose_output_is_full_closed_or_unread_store_on_and_end_cleanly(workers):
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(started(workers, slot, shell, WORKERS_LOG_LEVEL="debug", WORKERS_MAX_POLL_RECORDS="1"))
            for slot, shell in enumerate(SHELL.values())
        ]
        workers.wait_owned(1, 1, 1)
        for partition in range(3):
            workers.numbers(partition, 0, 100)
        workers.wait_committed()
        # Every batch is a line. /dev/null takes what is written, closed streams are given it.
        assert workers.total("workers_log_dropped_lines_total", 0) >= 100
        assert [workers.page("/readyz", slot) for slot in range(3)] == [(200, "ok\n")] * 3
        assert [ended(process) for process in processes] == [0, 0, 0]
    assert workers.numtest.count_documents({}) == 300


def test_a_worker_whose_log_nobody_reads_does_not_wait_for_the_reader(workers):
    """As under a supervisord that was stopped, or whose own output is blocked."""
    with started(workers, 0, WORKERS_MAX_POLL_RECORDS="1") as process:
        workers.wait_owned(3)
        # Each batch is a line of 200 bytes and more; the pipe takes 64 KiB.
        workers.numbers(0, 0, 600)
        workers.wait_committed()
        assert workers.total("workers_log_dropped_lines_total") > 100
        assert process.stdout
        os.set_blocking(process.stdout.fileno(), False)
        while process.stdout.read(65_536):
            pass
        os.set_blocking(process.stdout.fileno(), True)
        workers.numbers(0, 600, 1)
        line = _line_with(process, b"dropped_lines=")
        assert int(line.partition(b"dropped_lines=")[2].split()[0]) > 100
        assert ended(process) == 0


def _line_with(process: subprocess.Popen[bytes], word: bytes) -> bytes:
    assert process.stdout
    return next(line for line in process.stdout if word in line)


def full(folder: Path) -> Iterator[Callable[[], object]]:
    with full_disk(folder) as disk:
        yield disk.make_room


def no_new_files(folder: Path) -> Iterator[Callable[[], object]]:
    """Also what a folder of another user is like; there is none for root."""
    with full_disk(folder, size="512k,nr_inodes=1", fill=False):
        yield lambda: subprocess.run(["/bin/mount", "-o", "remount,nr_inodes=100", str(folder)], check=True)


@pytest.mark.parametrize("state", [full, no_new_files])
def test_a_worker_without_a_state_folder_that_can_be_written_stores_on_and_says_so(workers, tmp_path, state):
    folder = tmp_path / "state"
    with contextlib.contextmanager(state)(folder) as mend:
        settings = {"WORKERS_STATE_DIR": str(folder), "WORKERS_HEALTHY_AFTER": "1"}
        with started(workers, 0, **settings) as process:
            workers.wait_owned(3)
            workers.numbers(1, 0, 50)
            workers.wait_committed()
            assert workers.total("workers_state_writable") == 0
            assert workers.total("workers_state_write_failures_total") > 0
            status, text = workers.page("/readyz")
            assert status == 200
            assert text.startswith(f"ok, but cannot write {folder}/")
            assert text.rstrip().endswith("No space left on device")

            mend()
            wait_until(lambda: workers.page("/readyz") == (200, "ok\n"), 20, "everything is written again")
            assert workers.total("workers_state_writable") == 1
            workers.numbers(1, 50, 1)
            workers.wait_committed()
            names = {each.suffix for each in folder.iterdir()}
            assert names >= {".lock", ".heartbeat", ".in-progress", ".member"}
            assert ended(process) == 0
            assert process.stderr
            told = process.stderr.read().decode()
        assert f"cannot write {folder}/" in told
        assert "Traceback" not in told
        assert told.count("level=warning") < 10


def test_a_state_folder_that_is_removed_under_a_worker_is_made_again(workers):
    state = workers.folder / "state"
    settings = {"WORKERS_STATE_DIR": str(state)}
    with started(workers, 0, **settings) as process:
        workers.wait_owned(3)
        for each in state.iterdir():
            each.unlink()
        state.rmdir()
        workers.numbers(1, 0, 50)
        workers.wait_committed()
        wait_until(
            lambda: {each.suffix for each in state.glob("*")} >= {".lock", ".heartbeat", ".member"}, 20, "it is there"
        )
        assert not Slot(state, workers.group, "worker_00").try_acquire(), "two live processes in one slot are refused"
        assert ended(process) == 0
