"""A restart that supervisord does not take part in ends at the first slot, with what is known of it. The rolling restart
of a real fleet is in tests/acceptance.
"""

from __future__ import annotations

import time
from xmlrpc.client import Fault, dumps

import pytest

from tests.support.fake_supervisord import FakeSupervisord
from tests.support.statuses import judged, process, with_slot
from workers.errors import ExitCode
from workers.fleet.restart import NotBackError, Restart
from workers.settings.paths import StatePaths


class Collector:
    """Sees a healthy fleet twice, and then one slot that is stopped."""

    def __init__(self):
        self.looks = 0

    def collect(self):
        self.looks += 1
        stopped = process("worker_00", state="STOPPED", pid=None)
        return judged() if self.looks <= 2 else judged(**with_slot("worker_00", process=stopped))


@pytest.fixture
def paths(tmp_path):
    paths = StatePaths(tmp_path)
    paths.supervisord_socket.parent.mkdir(parents=True)
    return paths


def not_back(paths: StatePaths) -> str:
    told = []
    with pytest.raises(NotBackError) as error:
        list(Restart(Collector(), paths, 1.0, told.append).run())
    assert error.value.exit_code is ExitCode.FAILED
    assert told == ["worker_00 is stopping"], "and no other slot"
    return str(error.value)


def test_a_supervisord_that_is_gone_before_the_stop(paths):
    assert not_back(paths) == (
        "worker_00 was asked to stop, and supervisord does not run here; `workers status` shows whether it runs; "
        "the slots after it were not restarted"
    )


def test_a_supervisord_that_does_not_start_it_again(paths):
    """To a stop this fault says that it is done."""
    with FakeSupervisord(paths.supervisord_socket, "200 OK", dumps(Fault(70, "no file"))):
        assert not_back(paths) == (
            "worker_00 is stopped, and supervisord refuses: no file; the slots after it were not restarted"
        )


class NeverStops:
    """A healthy fleet, whatever is asked of it."""

    def collect(self):
        return judged()


def test_one_that_does_not_stop_is_waited_for_once(paths, monkeypatch):
    monkeypatch.setattr("workers.fleet.restart.STOP_SECONDS", 1.0)
    with FakeSupervisord(paths.supervisord_socket, "200 OK", dumps((True,), methodresponse=True)):
        started = time.monotonic()
        with pytest.raises(NotBackError, match="worker_00 has not stopped after 1 s"):
            list(Restart(NeverStops(), paths, 1.0, lambda _line: None).run())
    assert time.monotonic() - started < 1.7, "and not twice as long"
