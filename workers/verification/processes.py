"""Verifies parts of topics in several processes, each with connections of its own."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from contextlib import closing, contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, cast

from workers.errors import UnavailableError, WorkersError
from workers.kafka.admin import Admin
from workers.sinks.registry import open_readers
from workers.verification.checkers import Checkers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from workers.verification.checkers import TopicPart, TopicWork
    from workers.verification.part_check import PartResult
    from workers.verification.verify_parts import Told

JOIN_SECONDS = 5.0


def check_in_processes(
    works: Sequence[TopicWork],
    parts: Sequence[tuple[int, TopicPart]],
    count: int,
    told: Told,
) -> Iterator[tuple[int, PartResult]]:
    """Each part's number and result, as they are done. However it ends, no process stays.

    Raises:
        UnavailableError: in one of them Kafka or the sink did not answer, or it was killed.
    """
    waiting = list(parts)[::-1]
    with _processes(min(count, len(parts)), (works,)) as pipes:
        for pipe in pipes:
            _send(pipe, waiting.pop())
        at_work = len(pipes)
        while at_work:
            for pipe in cast("list[Connection[Any, Any]]", wait(pipes)):
                with _unless_killed():
                    kind, *said = pipe.recv()
                if kind == "progress":
                    told(*said)
                elif kind == "failed":
                    raise UnavailableError(*said)
                elif kind == "broken":
                    raise RuntimeError("a process of verify ended with an error of its own:\n" + said[0])
                else:
                    yield said[0], said[1]
                    if waiting:
                        _send(pipe, waiting.pop())
                    else:
                        at_work -= 1


def _send(pipe: Connection, part: tuple[int, TopicPart]) -> None:
    with _unless_killed():
        pipe.send(part)


@contextmanager
def _unless_killed() -> Iterator[None]:
    """The other end of a pipe that is read or written here may be gone."""
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise UnavailableError("a process of verify was killed: is there memory enough?") from error


@contextmanager
def _processes(count: int, arguments: tuple[Any, ...]) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("spawn")
    started, pipes = [], []
    # With its first process it starts one more, and lets SIGINT through again after that.
    resource_tracker.ensure_running()
    # They take this mask with them: Ctrl-C reaches every process of the terminal, and only this one is to answer it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        try:
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, *arguments), daemon=True)
                process.start()
                started.append(process)
                pipes.append(ours)
                theirs.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield pipes
    finally:
        # They only read.
        for process in started:
            process.kill()
        for process in started:
            process.join(JOIN_SECONDS)
        for pipe in pipes:
            pipe.close()


def _serve(pipe: Connection, works: Sequence[TopicWork]) -> None:
    """What each of the processes does. It ends with the one that started it: then the pipe is closed."""
    with suppress(EOFError, BrokenPipeError):
        try:
            with (
                Admin(works[0].settings) as admin,
                closing(open_readers(works[0].settings)) as readers,
                closing(Checkers(works, admin, readers)) as checkers,
            ):
                while True:
                    number, part = pipe.recv()
                    pipe.send(("done", number, checkers.check(part, partial(_tell, pipe, number))))
        except WorkersError as error:
            pipe.send(("failed", str(error)))
        except Exception:  # noqa: BLE001 a defect: whoever started this process is to show it
            pipe.send(("broken", traceback.format_exc()))


def _tell(pipe: Connection, number: int, what: str, more: int) -> None:
    pipe.send(("progress", number, what, more))
