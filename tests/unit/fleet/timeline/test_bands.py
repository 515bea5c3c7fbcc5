"""Bands: few where little happens, bounded where much does, and no hole is ever left out."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from workers.fleet.timeline.bands import Band, BandKind, Bands, coarser


def flicker(seconds: int, seed: int = 1, limit: int = 100) -> tuple[Bands, list[tuple[float, float]], float]:
    """A partition to which something happens every second; its holes, and the end."""
    dice, bands, holes, now = random.Random(seed), Bands(0.0, limit), [], 0.0
    while now < seconds:
        now += dice.uniform(0.2, 3)
        kind = dice.choice([BandKind.STORING, BandKind.IDLE, BandKind.WAITING, BandKind.STORING])
        if bands.kind is BandKind.WAITING and kind is not BandKind.WAITING:
            holes.append((bands.start, now))
        bands.set(now, dice.choice(["worker_00", "worker_01"]), kind)
    return bands, holes, now


@pytest.mark.parametrize("seed", range(5))
def test_the_number_is_bounded_and_every_hole_is_still_one(seed):
    bands, holes, now = flicker(20_000, seed)

    assert len(bands) <= 100
    told = bands.between(0.0, now)
    dark = [(band.start, band.end) for band in told if band.kind is BandKind.WAITING]
    assert len(holes) > 1_000
    assert all(any(a <= start and end <= b for a, b in dark) for start, end in holes)


def test_where_there_is_room_nothing_changes():
    bands, _, now = flicker(300, limit=10_000)
    again, _, _ = flicker(300, limit=20_000)

    assert bands.between(0.0, now) == again.between(0.0, now)
    assert len(bands) > 90


@pytest.mark.parametrize("shortest", [1.0, 7.0, 500.0])
def test_at_a_lower_resolution_there_is_no_gap_and_what_is_short_is_a_hole(shortest):
    bands, _, now = flicker(5_000, limit=100_000)
    fine = bands.between(0.0, now)
    found = coarser(fine, shortest)

    assert (found[0].start, found[-1].end) == (fine[0].start, fine[-1].end)
    assert all(a.end == b.start for a, b in pairwise(found))
    assert all(b.end - b.start >= shortest for b in found[1:-1] if b.kind is not BandKind.WAITING)
    assert len(found) <= 2 * now / shortest + 2


def test_two_holes_of_one_worker_that_are_near_are_one_of_it():
    one, two = ("worker_00", BandKind.WAITING), ("worker_00", BandKind.STORING)
    bands = [Band(0, 100, *two), Band(100, 101, *one), Band(101, 102, *two), Band(102, 104, *one), Band(104, 200, *two)]

    assert coarser(bands, 10) == [Band(0, 100, *two), Band(100, 104, *one), Band(104, 200, *two)]


def test_what_is_forgotten_is_unknown_and_the_rest_stays():
    bands = Bands(0.0, 100)
    for second in range(10, 60, 10):
        bands.set(float(second), f"worker_0{second // 10}", BandKind.STORING)
    bands.forget(35.0)

    assert bands.between(0.0, 60.0)[:2] == [
        Band(0.0, 30.0, None, BandKind.UNKNOWN),
        Band(30.0, 40.0, "worker_03", BandKind.STORING),
    ]
