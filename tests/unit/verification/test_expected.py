"""What must be stored, by offset, and the digests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workers.identity import OffsetRange
from workers.verification.expected import (
    DEAD_LETTER,
    FIRST_DIGEST,
    NOTHING,
    PENDING,
    PENDING_BUT_STORED,
    SETTLED,
    STORED_ONLY,
    Digest,
    Expected,
)


def test_offsets_of_several_ranges_keep_what_is_known_of_each() -> None:
    expected = Expected([OffsetRange(3, 5), OffsetRange(100, 200)])
    expected[3], expected[150], expected[199] = STORED_ONLY, FIRST_DIGEST + 5, 2**64 - 1
    expected[7] = SETTLED

    assert [expected[offset] for offset in (3, 4, 7, 99, 150, 199, 200)] == [
        STORED_ONLY,
        NOTHING,
        NOTHING,
        NOTHING,
        FIRST_DIGEST + 5,
        2**64 - 1,
        NOTHING,
    ]
    assert expected.columns[0].first == 100, "the longest first"
    expected[4] = DEAD_LETTER
    assert [*expected.stored_only()] == [3, 4]
    assert [*expected.left()] == [150, 199]


def test_what_is_pending_is_not_left_and_is_settled_once() -> None:
    expected = Expected([OffsetRange(0, 10), OffsetRange(100, 105)])
    expected[3], expected[4], expected[101], expected[102] = PENDING, PENDING_BUT_STORED, PENDING, FIRST_DIGEST

    assert [*expected.left()] == [4, 102]
    assert ([*expected.settle_pending()], [*expected.settle_pending()]) == ([3, 101], [])
    assert [expected[offset] for offset in (3, 4, 101, 102, 5)] == [
        SETTLED,
        PENDING_BUT_STORED,
        SETTLED,
        FIRST_DIGEST,
        NOTHING,
    ]


def test_what_is_left_is_read_in_ranges_that_have_all_of_it_and_are_few() -> None:
    expected = Expected([OffsetRange(0, 3_000_000)])
    assert expected.ranges_left() == []
    for offset in (0, 1, 5_000, 100_000, 2_999_999):
        expected[offset] = FIRST_DIGEST
    assert expected.ranges_left() == [(0, 5_001), (100_000, 100_001), (2_999_999, 3_000_000)]
    for offset in range(0, 3_000_000, 20_000):
        expected[offset] = FIRST_DIGEST
    assert len(expected.ranges_left()) <= 101


def test_a_digest_tells_documents_apart_and_is_never_a_mark() -> None:
    digest = Digest()

    found = {digest(b"%d" % number) for number in range(20_000)}

    assert len(found) == 20_000
    assert all(FIRST_DIGEST <= each < 2**64 for each in found)
    assert digest(b"") == digest(b"")


@pytest.mark.parametrize("seed", ["0", "random"])
def test_nobody_else_knows_the_key(seed: str) -> None:
    """With PYTHONHASHSEED the key of Python's own hash is known to whoever set it: then it is not used."""
    code = "from workers.verification.expected import Digest; print(Digest()(b'a document'))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }

    assert len(runs) == 2
