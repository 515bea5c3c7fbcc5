"""How a process ended, by supervisord's own log, in its own words."""

from __future__ import annotations

import signal
from datetime import datetime

import pytest
from supervisor.options import decode_wait_status

from workers.errors import UnavailableError
from workers.fleet.endings import Endings, endings_in
from workers.fleet.event_words import words

AT = datetime(2026, 11, 26, 13, 40, 27, 675_000).astimezone()


def line(status: int, process: str = "worker_01", suffix: str = "not expected") -> str:
    """As supervisor.process.Subprocess.finish writes it."""
    return f"{AT:%Y-%m-%d %H:%M:%S},675 WARN exited: {process} ({decode_wait_status(status)[1]}; {suffix})\n"


LOG = (
    "2026-11-26 13:40:20,001 INFO spawned: 'worker_01' with pid 9\n"
    + line(signal.SIGKILL)
    + line(75 << 8, "worker_02")
    + line(signal.SIGSEGV | 0x80, "worker_03")
    + "2026-11-26 13:40:28,000 INFO spawned: 'worker_01' with pid 10\nnot a line\n"
)


class Supervisord:
    def __init__(self, log: str | None) -> None:
        self.log, self.asked = log, 0

    def call(self, method, *arguments):
        self.asked += 1
        assert (method, arguments[1]) == ("readLog", 0)
        if self.log is None:
            raise UnavailableError("does not run here")
        return self.log


def exited(process: str = "worker_01", **facts):
    return {"event": "exited", "process": process, "time": AT.isoformat(), "pid": 9, "expected": False} | facts


@pytest.mark.parametrize(
    ("process", "said"),
    [("worker_01", "killed (SIGKILL)"), ("worker_02", "ended with exit code 75"), ("worker_03", "killed (SIGSEGV)")],
)
def test_the_signal_or_the_exit_code_is_told(process, said):
    endings = Endings(Supervisord(LOG))
    endings.look([exited(process)])

    assert [words(event) for event in endings.explained([exited(process)])] == [said]


def test_supervisord_is_asked_once_and_only_where_something_is_to_be_explained():
    endings = Endings(supervisord := Supervisord(LOG))
    endings.look([])
    endings.look([exited(expected=True), {"event": "starting", "process": "worker_01"}, {}])
    assert supervisord.asked == 0
    for _ in range(3):
        endings.look([exited(), exited("worker_02")])
    assert supervisord.asked == 1


@pytest.mark.parametrize("log", [None, "", LOG.replace("13:40:27", "13:20:27"), LOG.replace("worker_01", "worker_09")])
def test_what_is_not_known_is_said_so(log):
    endings = Endings(supervisord := Supervisord(log))
    for _ in range(3):
        endings.look([exited()])

    assert [words(event) for event in endings.explained([exited()])] == ["crashed or was killed"]
    assert supervisord.asked == 1, "it was long ago, and is not asked for again"


def test_an_end_of_a_moment_ago_is_asked_for_until_the_log_has_it():
    now = datetime.now().astimezone()
    endings = Endings(supervisord := Supervisord(""))
    event = exited(time=now.isoformat())
    endings.look([event])
    supervisord.log = f"{now:%Y-%m-%d %H:%M:%S},000 WARN exited: worker_01 (terminated by SIGKILL; not expected)\n"
    endings.look([event])

    assert endings.explained([event])[0]["signal"] == "SIGKILL"


def test_a_time_that_never_was_is_passed_over():
    assert endings_in("2026-13-45 99:99:99,000 WARN exited: worker_01 (exit status 1; not expected)\n") == []
