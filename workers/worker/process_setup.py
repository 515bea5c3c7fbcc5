"""What a worker arranges with the system, the interpreter and supervisord about the process that it is."""

from __future__ import annotations

import gc
import os
import resource
import sys

from workers.errors import BadConfigurationError, UnavailableError
from workers.fleet.supervisor import SupervisorClient


def limit_memory(mebibytes: int) -> None:
    """Let a decompression bomb end this process, and not the machine."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (mebibytes << 20, mebibytes << 20))


def make_room() -> None:
    """Tell the interpreter what this process does all day (measured: docs/decisions/0003-interpreter.md)."""
    # Records are tuples of bytes and make no cycles: looking for some after every 700 of them finds nothing. What exists
    # is not looked through first: for the twenty objects that would be found, a restarted worker joins 50 ms later.
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    # The client's IO thread reads the next records while this one decodes; at 5 ms a turn it starves.
    sys.setswitchinterval(0.0005)


def require_time_to_stop(drain_timeout: float) -> None:
    """Return when supervisord, if this is a child of it, waits longer for a stop than the stop may take.

    Raises:
        BadConfigurationError: it would kill this worker in the middle of its last batch.
    """
    supervisord = SupervisorClient.of_parent()
    if supervisord is None:
        return
    try:
        seconds = supervisord.stop_seconds().get(os.environ.get("SUPERVISOR_PROCESS_NAME", ""))
    except UnavailableError:
        # It is busy or gone, which is no reason not to work.
        return
    if seconds is not None and seconds <= drain_timeout:
        problem = (
            f"WORKERS_DRAIN_TIMEOUT={drain_timeout:g}: must be shorter than supervisord's stopwaitsecs "
            f"({seconds:g} s), or a stop is cut off by a kill; raise stopwaitsecs in deploy/local.d/"
        )
        raise BadConfigurationError([problem])
