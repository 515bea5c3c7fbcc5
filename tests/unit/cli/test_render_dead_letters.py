"""Dead letters as people read them: aligned, no wider than the terminal, harmless, with what can be done."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from tests.unit.cli.test_payload import HOSTILE, is_harmless
from tests.unit.cli.test_render_peek import ID, letter
from workers.cli import render_dead_letters as show
from workers.types import RejectReason

THEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
CASES = {
    "text": letter(value=b"not json at all", value_bytes=15),
    "key": letter(value=b'{"a": 1, "a": 2}', key=b"customer-7", reason="duplicate_field", value_bytes=16),
    "long": letter(value=b"x" * 9_000, value_bytes=9_000_000, reason="too_large", error="the value has 9000000 bytes"),
    "tombstone": letter(value=None, value_bytes=None, value_sha256=None, reason="tombstone"),
    "purged": letter(value=None, purged_at=THEN, headers=[]),
    "replayed": letter(replayed_at=THEN, attempts=3),
    "hostile": letter(value=HOSTILE.encode(), key=HOSTILE.encode(), error=HOSTILE, headers=[(HOSTILE, HOSTILE.encode())]),
    "headers": letter(headers=[("trace", b"4bf9"), ("none", None)], timestamp=None),
}  # fmt: skip


def drawn(draw, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False, soft_wrap=True)
    draw(console)
    return console.file.getvalue().splitlines()


def listed(letters, width: int = 80, total: int | None = None) -> list[str]:
    letters = list(letters)
    return drawn(lambda console: show.listed(console, letters, total or len(letters)), width)


def whole(each, width: int = 80) -> list[str]:
    return drawn(lambda console: show.shown(console, each), width)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_list_fits_and_is_harmless_and_has_no_padding(width):
    lines = listed(CASES.values(), width)

    assert max(map(len, lines)) <= width
    assert all(is_harmless(line) and line == line.rstrip() for line in lines)
    assert sum(ID in line for line in lines) == len(CASES)


def test_a_list_shows_the_beginning_of_each_value_below_its_name():
    lines = listed([CASES["text"], CASES["key"], CASES["purged"]], 100)

    column = lines[0].index("value")
    assert [line[column:] for line in lines[1:]] == ["not json at all", '{"a": 1, "a": 2}', "(purged)"]
    assert lines[2][lines[0].index("key") :].startswith("customer-7")
    assert lines[3][lines[0].index("reason") :].startswith("not_json, purged")


def test_a_wide_list_shows_attempts_and_errors_too():
    (head, line) = listed([CASES["replayed"]], 160)

    assert head.split() == ["id", "rejected", "reason", "attempts", "value", "error"]
    assert line.split()[-4:] == ["3", "no", "Expecting", "value"]


def test_where_an_id_leaves_no_room_a_dead_letter_is_two_lines():
    long_id = f"{'orders-of-a-shop-with-a-long-name' * 2}-08b40071/3/42"
    assert listed([letter(id=long_id)], 80) == [long_id, f"  {THEN.astimezone():%m-%d %H:%M:%S}  not_json  no"]


def test_a_list_that_is_not_whole_says_so():
    assert listed([CASES["text"]], total=7)[-1] == "1 of 7; --limit shows more"


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("each", CASES.values(), ids=CASES)
def test_one_is_shown_whole_and_harmless(each, width):
    lines = whole(each, width)

    assert all(is_harmless(line) and line == line.rstrip() for line in lines)
    assert [line for line in lines if len(line) > width and ID not in line] == []
    assert lines[0] == ID
    assert "  place        numtest/3/42  `workers peek numtest/3/42`"[: width - 1] in "\n".join(lines) or width < 80
    assert any(line.startswith("  reason       ") and each.reason in line for line in lines)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("text", ["fails again", f"`workers dead-letters replay {ID} --dry-run`"]),
        ("long", ["not possible", "only the beginning"]),
        ("purged", ["not possible", "its payload was purged"]),
        ("replayed", ["its record is stored"]),
        ("tombstone", ["WORKERS_ON_TOMBSTONE=ignore"]),
    ],
)
def test_what_can_be_done_is_said(case, words):
    text = " ".join(" ".join(whole(CASES[case], 100)).split())

    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("reason", RejectReason)
def test_every_reason_has_something_that_can_be_done(reason):
    assert f"`workers dead-letters replay {ID}" in " ".join(" ".join(whole(letter(reason=str(reason)))).split())
