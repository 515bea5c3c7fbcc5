"""A heartbeat that is old because it cannot be written is no hang."""

from __future__ import annotations

import pytest

from tests.support.batches import tp
from workers.fleet.watchdog.checks import Checks
from workers.fleet.watchdog.hang_detector import Stall
from workers.settings import Settings
from workers.state.event_log import Hang


@pytest.fixture
def checks(tmp_path):
    (tmp_path / "state").mkdir()
    return Checks(Settings(group="group"), tmp_path / "state", None, lambda *_, **__: None, list)


@pytest.mark.parametrize(
    ("hang", "judged"), [(Hang.LOOP_STALLED, False), (Hang.STOPPED, True), (Hang.NO_PROGRESS, False)]
)
def test_without_a_folder_that_takes_writes_only_the_kernel_is_believed(checks, tmp_path, hang, judged):
    checks._group.can_be_read = lambda *_: True
    stall = Stall(hang, "for 80 s", [tp(0)])
    assert checks._is_proven("worker_00", stall, {tp(0): None})
    assert list((tmp_path / "state").iterdir()) == []

    (tmp_path / "state").rmdir()

    assert checks._is_proven("worker_00", stall, {tp(0): None}) is judged
