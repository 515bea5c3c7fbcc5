"""How waits grow and are spread, and how a batch shrinks and grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.pipeline.backoff import Backoff, BatchSize


def test_waits_double_up_to_the_cap_and_begin_again_after_a_success():
    backoff = Backoff(first=0.1, cap=1.0, jitter=lambda: 1.0)

    assert [backoff.next_wait() for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    backoff.reset()
    assert backoff.next_wait() == pytest.approx(0.1)


def test_what_the_other_side_asks_for_is_waited_for_also_beyond_the_cap():
    backoff = Backoff(first=0.1, cap=1.0, jitter=lambda: 1.0)

    assert [backoff.next_wait(0.15), backoff.next_wait(0.15), backoff.next_wait(7.0)] == pytest.approx([0.15, 0.2, 7.0])


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 100))
def test_a_wait_is_in_the_upper_half_of_its_range(jitter, attempts):
    backoff = Backoff(first=0.5, cap=5.0, jitter=lambda: jitter)
    for _ in range(attempts):
        backoff.next_wait()

    longest = min(5.0, 0.5 * 2**attempts)
    assert longest / 2 <= backoff.next_wait() <= longest


def test_an_outage_of_days_does_not_overflow():
    backoff = Backoff()

    waits = [backoff.next_wait() for _ in range(5_000)]

    assert max(waits) <= 5.0


def test_a_batch_halves_with_each_timeout_down_to_one_record():
    size = BatchSize(limit=5)

    sizes = [size.current]
    for _ in range(4):
        size.shrink()
        sizes.append(size.current)

    assert sizes == [5, 2, 1, 1, 1]


def test_a_batch_grows_back_to_its_most_and_no_further():
    size = BatchSize(limit=1_000)
    for _ in range(20):
        size.shrink()

    grown = []
    while size.current < 1_000:
        before = size.current
        size.grow()
        grown.append(size.current > before)
        assert len(grown) < 200

    size.grow()
    assert size.current == 1_000
    assert all(grown)
