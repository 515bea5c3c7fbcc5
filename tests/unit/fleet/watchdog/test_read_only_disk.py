"""The watchdog on a disk that it cannot write: what can be proven is done once, and nothing is a traceback."""

from __future__ import annotations

from tests.support.full_disk import read_only_disk
from workers.errors import UnavailableError
from workers.fleet.watchdog.checks import Checks
from workers.process import NoThreadError
from workers.settings import Settings
from workers.state.slot import Slot


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


def test_a_dead_member_that_cannot_be_forgotten_is_evicted_once(tmp_path):
    def prepare(folder):
        for worker in ("worker_00", "worker_01"):
            slot = Slot(folder, "group", worker)
            assert slot.try_acquire()
            slot.member.remember(f"member-of-{worker}")
            slot.unlock()
        # Of a slot that cannot be locked nothing is known.
        slot.file("lock").unlink()

    told = []
    with read_only_disk(tmp_path / "disk", prepare) as folder:
        checks = Checks(Settings(group="group"), folder, Supervisord(), lambda *event, **_: told.append(event), list)
        checks._group = group = Group()
        for _ in range(3):
            checks.run_once()

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
