"""What the system gives to this process, and may refuse at any moment: memory, and threads."""

from __future__ import annotations

import resource
import sys
import threading
from typing import TYPE_CHECKING

from workers.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL_STACK = 512 * 1024
"""Bytes, for a thread that calls no deep code. The default, 8 MiB on Linux, counts against the memory limit as a whole."""

_stack_size = threading.Lock()


class NoThreadError(UnavailableError):
    """The system does not give this process another thread now: its memory limit, or a limit of threads, is reached."""


def limit_memory(mebibytes: int) -> None:
    """Limit the data of this process, so that a decompression bomb ends it and not the machine. Args: in MiB.

    A lower limit that the system has set already stays.
    """
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = mebibytes << 20
        if hard != resource.RLIM_INFINITY:
            # Only root may raise it again.
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def start_thread(run: Callable[[], object], name: str | None = None, stack: int = 0) -> threading.Thread:
    """Start a daemon thread: a process that ends does not wait for it. Args: stack: in bytes; 0: the system's default.

    Raises:
        NoThreadError: the system gives no thread.
    """
    thread = threading.Thread(target=run, name=name, daemon=True)
    # The size is one setting of the whole interpreter, read when a thread starts.
    with _stack_size:
        before = threading.stack_size(stack)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            raise NoThreadError(
                f"the system gives no thread for {name or 'a helper'}: raise WORKERS_MEMORY_LIMIT, or the limit of "
                "processes of this user or container (ulimit -u, pids.max)"
            ) from error
        finally:
            threading.stack_size(before)
    return thread


def is_no_thread(error: BaseException) -> bool:
    """Whether a library raised this because it could not start a thread of its own."""
    return isinstance(error, NoThreadError) or (isinstance(error, RuntimeError) and "start new thread" in str(error))
