"""A place as people write it."""

from __future__ import annotations

import pytest

from workers.errors import BadUsageError
from workers.verification.place import Place, parse_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (None, Place()),
        ("numtest", Place("numtest")),
        ("3/42", Place(None, 3, 42)),
        ("3:42", Place(None, 3, 42)),
        ("numtest/3", Place("numtest", 3)),
        ("numtest/3/42", Place("numtest", 3, 42)),
        ("numtest-08b40071/3/42", Place("numtest-08b40071", 3, 42)),
        ("numtest-08b40071/3/42@7", Place("numtest-08b40071", 3, 42, 7)),
        ("2026", Place("2026")),
        ("2026/3/42", Place("2026", 3, 42)),
        ("a.b_c-d/0/9223372036854775807", Place("a.b_c-d", 0, 2**63 - 1)),
    ],
)
def test_each_form_names_its_place(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "a b", "..", "a/b", "a/b/3", "3/x", "a/3/4/5", "a/-1", "a/3/", "/3/4", "3/4@", "3/4@x", "a@3", "a/3@4", "\u0663/4",
        "x" * 250, "a/2147483648", "a/0/9223372036854775808", "a\n/3/4", "[red]/3", "a/3/4@5@6",
    ],
)  # fmt: skip
def test_what_is_no_place_is_a_mistake_that_names_the_forms(text):
    with pytest.raises(BadUsageError, match="is not a place: write TOPIC, "):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "document_id"),
    [
        ("numtest-08b40071/3/42", "numtest-08b40071/3/42"),
        ("numtest-08b40071/3/42@7", "numtest-08b40071/3/42@7"),
        ("numtest/3/42", None),
        ("numtest-08b40071", None),
        ("3/42", None),
    ],
)
def test_only_what_may_be_the_id_of_a_document_is_one(text, document_id):
    assert parse_place(text).document_id == document_id
