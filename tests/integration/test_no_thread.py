"""A worker to whom the system gives no thread: it waits for those that it needs, and goes on without all others."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from embedded_stack.processes import tied
from tests.support.embedded import wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.user import BIN

pytestmark = pytest.mark.integration

NOBODY = 54_321
"""A user of whom there is no other process: the limit counts all of a user's, and is none for root."""
LIMIT = 40
PR_CAPBSET_DROP, CAP_SYS_ADMIN, CAP_SYS_RESOURCE = 24, 21, 24
_libc = ctypes.CDLL(None)


@pytest.fixture
def workers(stack, tmp_path) -> Iterator[PlainWorkers]:
    if os.geteuid() != 0:
        pytest.skip("only root may start a process as another user")
    with PlainWorkers(stack, tmp_path) as workers:
        workers.create(2)
        yield workers


def _limited() -> None:
    """Another user to those who count processes, root to those who guard files; without the rights to pass limits."""
    for capability in (CAP_SYS_ADMIN, CAP_SYS_RESOURCE):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (LIMIT, LIMIT))
    os.setresuid(NOBODY, 0, 0)


@contextlib.contextmanager
def no_more_threads() -> Iterator[None]:
    """Another process of that user has all but one of those that it may have."""
    text = (
        f"import os, threading; os.setresuid({NOBODY}, 0, 0)\n"
        f"for _ in range({LIMIT - 2}): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print(flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"\n"
        try:
            yield
        finally:
            other.kill()


@contextlib.contextmanager
def limited(workers: PlainWorkers) -> Iterator[subprocess.Popen[bytes]]:
    with (workers.folder / "log").open("wb") as out:
        process = subprocess.Popen(
            tied(str(BIN / "workers"), "run"),
            env=workers.environment,
            cwd=workers.folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            preexec_fn=_limited,  # noqa: PLW1509 there is no other way, and no lock is held here
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_waits_for_the_threads_that_it_needs_and_goes_on_without_the_others(workers):
    def log() -> str:
        return (workers.folder / "log").read_text()

    with contextlib.ExitStack() as stack:
        with no_more_threads():
            process = stack.enter_context(limited(workers))
            wait_until(lambda: "waiting for " in log(), 30, "it waits")
            assert "works without metrics" in log()
        workers.numbers(0, 0, 50)
        workers.wait_committed()

        with no_more_threads():
            wait_until(lambda: "without its stacks in the log" in log(), 20, "its stall timer got no thread")
            workers.numbers(1, 0, 50)
            workers.wait_committed()
            process.terminate()
            assert process.wait(60) == 0
    assert "Traceback" not in log()
    assert workers.numtest.count_documents({}) == 100
