"""The bitmap of offsets is a set, as Python's own set says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.verification.offset_bitmap import OffsetBitmap

SETS = st.sets(st.integers(0, 40))
BASES = st.sampled_from([0, 1, 7, 8, 1_000_003])


def bitmap(base: int, members: set[int]) -> OffsetBitmap:
    offsets = OffsetBitmap(base)
    for member in members:
        offsets.add(base + member)
    return offsets


def listed(offsets: OffsetBitmap) -> set[int]:
    return {offset - offsets.base for offset in offsets.all()}


@given(BASES, SETS, SETS)
def test_it_is_subtracted_as_sets_are(base, left, right):
    one, other = bitmap(base, left), bitmap(base, right)

    assert listed(one - other) == left - right
    assert len(one) == len(left)


@given(BASES, SETS, st.integers(0, 40), st.integers(0, 40), SETS)
def test_many_at_once_are_added_as_one_by_one(base, before, first, count, others):
    for added in (set(range(first, first + count)), others):
        offsets = bitmap(base, before)
        offsets.add_all([base + member for member in sorted(added)])
        assert listed(offsets) == before | added


@given(BASES, SETS, st.integers(-5, 45))
def test_it_knows_its_members(base, members, asked):
    assert ((base + asked) in bitmap(base, members)) == (asked in members)


@given(BASES, SETS, st.integers(-5, 45), st.integers(-5, 45))
def test_a_stretch_begins_with_its_first_and_ends_before_its_end(base, members, first, end):
    stretch = bitmap(base, members).between(base + first, base + end)

    assert listed(stretch) == {member for member in members if first <= member < end}


@given(BASES, SETS)
def test_they_come_in_order(base, members):
    assert list(bitmap(base, members).all()) == [base + member for member in sorted(members)]


@given(BASES, SETS)
def test_its_end_is_above_every_member(base, members):
    assert all(base + member < bitmap(base, members).end for member in members)


def test_ten_million_offsets_are_about_a_megabyte():
    """Constant memory is the point: one bit an offset."""
    offsets = OffsetBitmap()
    offsets.add(10_000_000)

    assert offsets.end / 8 < 3_000_000
    assert list(offsets.all()) == [10_000_000]
