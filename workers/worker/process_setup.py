"""The set-up of a worker's process: interpreter, time to stop."""

from __future__ import annotations

import gc
import os
import sys

from workers.errors import BadConfigurationError, UnavailableError
from workers.fleet.supervisor import SupervisorClient


def tune_interpreter() -> None:
    """Tune garbage collection and thread switching for the loop (measured: docs/decisions/0003-interpreter.md)."""
    # Records are tuples of bytes and make no cycles: a collection after every 700 of them would find nothing. There is no
    # collection before the freeze: it would free twenty objects, and a restarted worker would join 50 ms later.
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    # The client's IO thread reads the next records while this one decodes; at the default of 5 ms it starves.
    sys.setswitchinterval(0.0005)


def require_time_to_stop(drain_timeout: float) -> None:
    """Check that stopwaitsecs is longer than the drain timeout, if this is a child of supervisord.

    Raises:
        BadConfigurationError: supervisord would kill this worker in the middle of its last batch.
    """
    supervisord = SupervisorClient.of_parent()
    if supervisord is None:
        return
    try:
        seconds = supervisord.stop_seconds().get(os.environ.get("SUPERVISOR_PROCESS_NAME", ""))
    except UnavailableError:
        # supervisord is busy or has ended: no reason not to work.
        return
    if seconds is not None and seconds <= drain_timeout:
        problem = (
            f"WORKERS_DRAIN_TIMEOUT={drain_timeout:g}: must be shorter than supervisord's stopwaitsecs "
            f"({seconds:g} s), or a stop is cut off by a kill; raise stopwaitsecs in local.d/"
        )
        raise BadConfigurationError([problem])
