"""The soak in short: every fault that is known, on a stack of its own. `python -m tests.chaos.soak` is the long one."""

from __future__ import annotations

import importlib.util

import pytest

from tests.chaos.soak import ALL_KINDS, soak
from tests.support.embedded import StackUnavailableError, unavailable

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

SECONDS, RATE = 75, 300
SEED = 2


@pytest.mark.parametrize("brokers", [1, 3])
def test_every_fault_old_and_new_loses_nothing_and_blames_no_good_record(brokers: int) -> None:
    if brokers == 3 and importlib.util.find_spec("tests.support.cluster") is None:
        pytest.skip("this stack has one broker")
    try:
        report = soak(SECONDS, brokers, SEED, RATE)
    except StackUnavailableError as reason:
        unavailable(reason)

    assert (report.lost, report.twice, report.unexplained, report.good_dead_lettered) == (0, 0, 0, 0), report
    assert report.dead_letters == report.dead_letters_expected > 0
    assert report.passed, report
    assert set(report.faults) <= set(ALL_KINDS)
    assert len(report.faults) > len(ALL_KINDS) / 2, "hardly any fault was injected"
