"""The watchdog on a disk that it cannot write: what can be proven is done once, and nothing is a traceback."""

from __future__ import annotations

import subprocess
import sys

from tests.support.full_disk import read_only_disk
from workers.errors import UnavailableError
from workers.fleet.watchdog import checks
from workers.fleet.watchdog.checks import Checks
from workers.process import NoThreadError
from workers.settings import Settings
from workers.state.slot import Slot

REMEMBERS = """
import sys
from pathlib import Path
from workers.state.slot import Slot
slot = Slot(Path(sys.argv[1]), "group", sys.argv[2])
assert slot.try_acquire()
slot.member.remember("member-of-" + sys.argv[2])
"""


class Group:
    """Kafka's, which answers."""

    def __init__(self):
        self.evicted = []

    def evict(self, member):
        self.evicted.append(member)
        return True

    def partition_offsets(self):
        return None


class Supervisord:
    def processes(self):
        raise UnavailableError("not here")


def test_a_dead_member_that_cannot_be_forgotten_is_evicted_once(tmp_path, monkeypatch):
    def prepare(folder):
        for worker in ("worker_00", "worker_01"):
            remembered = subprocess.run([sys.executable, "-c", REMEMBERS, str(folder), worker], check=False)
            assert remembered.returncode == 0
        # Of a slot that cannot be locked nothing is known.
        Slot(folder, "group", "worker_01").file("lock").unlink()

    told, group = [], Group()
    monkeypatch.setattr(checks, "GroupClient", lambda _: group)
    with read_only_disk(tmp_path / "disk", prepare) as folder:
        watchdog = Checks(Settings(group="group"), folder, Supervisord(), lambda *event, **_: told.append(event), list)
        for _ in range(3):
            watchdog.run_once()

    assert group.evicted == ["member-of-worker_00"]
    assert told == [("evicted", "worker_00")]


def test_checks_begin_as_soon_as_there_is_a_thread(monkeypatch):
    from workers.fleet.watchdog import listener

    tries = []

    def start_thread(_run, name):
        tries.append(name)
        if name == "checks" and tries.count(name) < 3:
            raise NoThreadError("none")
        return "thread"

    monkeypatch.setattr(listener, "start_thread", start_thread)
    watchdog = listener.Watchdog.__new__(listener.Watchdog)
    watchdog._to_start = dict.fromkeys(("checks", "takeovers"), list)
    watchdog._wakeup = listener.threading.Event()
    watchdog._start_threads()
    for _ in range(5):
        watchdog._handle({"eventname": "TICK_5", "serial": "1"}, "")

    assert tries == ["checks", "takeovers", "checks", "checks"]
