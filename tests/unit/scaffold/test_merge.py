"""A three-way merge: what two changed apart from each other is all there, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.scaffold.contents import contents
from workers.scaffold.merge import merge

ORIGINAL = "a\nb\nc\nd\ne\n"
LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n"]), max_size=8).map("".join)


@pytest.mark.parametrize(
    ("theirs", "new", "merged"),
    [
        ("A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "A\nb\nc\nd\nE\n"),
        ("a\nb\nc\nd\ne\nmine\n", "new\na\nb\nc\nd\ne\n", "new\na\nb\nc\nd\ne\nmine\n"),
        ("a\nc\nd\ne\n", "a\nb\nc\ne\n", "a\nc\ne\n"),
        # The same change, by both.
        ("a\nB\nc\nd\nmine\n", "a\nB\nc\nd\ne\n", "a\nB\nc\nd\nmine\n"),
        # The same line, neighbours, the same place.
        ("a\nB\nc\nd\ne\n", "a\n2\nc\nd\ne\n", None),
        ("a\nB\nc\nd\ne\n", "a\nb\nC\nd\ne\n", None),
        ("a\nmine\nb\nc\nd\ne\n", "a\nnew\nb\nc\nd\ne\n", None),
        ("a\nb\nc\nd\ne\nmine\n", "a\nb\nc\nd\ne\nnew\n", None),
        # Other line ends are another line each.
        (ORIGINAL.replace("\n", "\r\n"), "a\nb\nc\nd\nE\n", None),
    ],
)
def test_changes_apart_from_each_other_are_merged(theirs: str, new: str, merged: str | None) -> None:
    assert merge("a.conf", ORIGINAL, theirs, new) == merged
    assert merge("a.conf", ORIGINAL, new, theirs) == merged


@given(original=LINES, theirs=LINES, new=LINES)
def test_whoever_changed_nothing_has_no_say(original: str, theirs: str, new: str) -> None:
    assert merge("a", original, original, new) == new
    assert merge("a", original, theirs, original) == theirs
    assert merge("a", original, theirs, theirs) == theirs
    assert merge("a", original, theirs, new) == merge("a", original, new, theirs)


def test_json_that_would_be_none_is_left_to_a_person() -> None:
    original, new = "[\n1,\n2,\n3\n]\n", "[\n1,\n2,\n4\n]\n"
    assert merge("a.json", original, original.replace("1", "0"), new) == "[\n0,\n2,\n4\n]\n"
    commented = f"// mine\n{original}"
    assert merge("a.json", original, commented, new) is None
    assert merge("a.conf", original, commented, new) == f"// mine\n{new}"


@pytest.mark.parametrize("name", ["supervisord.conf", "grafana/dashboards/fleet.json"])
def test_a_setting_of_a_person_survives_a_line_of_a_new_version(name: str) -> None:
    (original,) = (each.content.decode() for each in contents(Path("/own")) if each.path == name)
    lines = original.splitlines(keepends=True)
    theirs = "".join([*lines[:10], lines[10].replace("\n", " \n"), *lines[11:]])
    new = "".join([*lines[:-12], lines[-12].replace("\n", "  \n"), *lines[-11:]])
    merged = merge(name, original, theirs, new)
    assert merged is not None
    assert merged.splitlines(keepends=True)[10] == lines[10].replace("\n", " \n")
    assert merged.splitlines(keepends=True)[-12] == lines[-12].replace("\n", "  \n")
