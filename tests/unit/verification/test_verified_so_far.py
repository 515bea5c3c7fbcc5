"""How far `verify` is, whatever there is of its offsets."""

from workers.verification.verified_so_far import DOCUMENTS, RECORDS, VerifiedSoFar


def test_a_part_counts_by_both_of_its_sides_until_it_is_done() -> None:
    so_far = VerifiedSoFar([100, 60], ())
    so_far.read(0, RECORDS, 40)
    assert so_far.offsets == 20
    so_far.read(1, RECORDS, 60)
    so_far.read(0, DOCUMENTS, 40)
    assert so_far.offsets == 40 + 30


def test_where_there_are_no_records_or_documents_a_part_that_is_done_counts_whole() -> None:
    so_far = VerifiedSoFar([100, 60], ())
    so_far.read(0, RECORDS, 50)
    so_far.finish(0)
    so_far.finish(1)
    assert so_far.offsets == 160


def test_more_documents_than_records_are_no_more_than_the_part_has_offsets() -> None:
    so_far = VerifiedSoFar([100], ())
    so_far.read(0, DOCUMENTS, 900)
    assert so_far.offsets == 50


def test_what_was_done_before_counts() -> None:
    assert VerifiedSoFar([100, 60, 7], {0, 2}).offsets == 107
