"""A worker that fails where it is told to, for tests: the product's own code, started by supervisord in place of Python.

The fault stands in a file of its slot's, in the state folder:

    crash      every process of the slot kills itself once it has joined the group
    hang       one process sleeps with the interpreter's lock held, with a batch in hand; the file is gone then
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from workers.kafka.source import KafkaSource
from workers.settings import model as settings_model
from workers.worker import stall_timer as stall

FAULT = Path(os.environ.get("WORKERS_STATE_DIR", ".")) / f"fault-{os.environ.get('WORKERS_SLOT')}"
FOREVER = 3600


def fault() -> str:
    return FAULT.read_text() if FAULT.exists() else ""


def install() -> None:
    """The stall timer works in seconds, where in the product nothing is quicker than half a minute."""
    settings_model.ITERATION_SLACK = 0.5
    os.environ["WORKERS_STALL_TIMEOUT"] = "4"
    stall.RE_ARM_SECONDS = stall.DUMP_SECONDS = 0.2
    poll = KafkaSource.poll

    def faulty_poll(source: KafkaSource, most: int, *, wait: bool) -> object:
        fetched = poll(source, most, wait=wait)
        if fault() == "crash" and source.connected():
            os.kill(os.getpid(), signal.SIGKILL)
        if fetched and fault() == "hang":
            FAULT.unlink()
            ctypes.PyDLL(None).sleep(FOREVER)
        return fetched

    KafkaSource.poll = faulty_poll


if __name__ == "__main__":
    assert sys.argv[1:4] == ["-m", "workers", "run"]
    from workers.cli.main import main

    install()
    sys.argv = ["workers", "run"]
    main()
