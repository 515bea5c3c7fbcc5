"""What a payload becomes on a terminal: never a control character, and never another value."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from workers.cli.payload import escaped, escaped_json, indented, payload, preview

HOSTILE = "\x1b]0;gone\x07\x1b[2J\r\x08\x7f\x85\x9b31m\u202e\u2066\u200e\u2028\u2029\ufeff\U000e0041\ue000"
"""A title, a cleared screen, a new column, C1's own escape, text from right to left, a line that is none, a hidden tag."""


def is_harmless(text: str) -> bool:
    return all(unicodedata.category(each)[0] != "C" and unicodedata.category(each) not in ("Zl", "Zp") for each in text)


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        (None, "none", "none"),
        (b"", "empty", "empty"),
        (b'{"number": 7}', '{"number": 7}', "json"),
        (b'{"a":\n\t[1,\r\n2]}', '{"a": [1, 2]}', "json"),
        (b'{"a": 1.0, "a": 1e0}', '{"a": 1.0, "a": 1e0}', "json"),
        ('{"a": "\u202e\x7fZ\u00fcrich"}'.encode(), '{"a": "\\u202e\\u007fZ\u00fcrich"}', "json"),
        (b"not json at all", "not json at all", "text"),
        (b"two\nlines\tand \x1b[31m", r"two\nlines\tand \x1b[31m", "text"),
        (b"C:\\x", r"C:\\x", "text"),
        (b"\xff\xfe{\x00", r"\xff\xfe{\x00", "binary"),
        (b"\xc0\xaf", r"\xc0\xaf", "binary"),
        (b"[" * 100_000, "[" * 100_000, "text"),
    ],
)
def test_each_kind_of_value_is_shown_as_what_it_is(value, text, kind):
    assert payload(value)[:2] == (text, kind)


def test_nothing_that_a_terminal_obeys_is_left_of_a_hostile_value():
    for value in (
        HOSTILE.encode(),
        json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False).encode(),
        HOSTILE.encode("utf-16"),
    ):
        assert is_harmless(payload(value).text)
        assert is_harmless(preview(value, 30))


@given(some.binary() | some.text().map(lambda text: text.encode("utf-8", "replace")))
def test_no_value_moves_the_cursor(value):
    assert is_harmless(payload(value).text)
    assert is_harmless(preview(value, 20))
    assert len(preview(value, 20)) <= 20


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, some.sampled_from([None, 0, 3]))
def test_json_keeps_its_meaning_whatever_is_escaped_and_however_it_is_laid_out(value, indent):
    text = escaped_json(json.dumps(value, ensure_ascii=False, indent=indent))

    assert json.loads(text) == value
    assert json.loads(indented(text)) == value
    assert is_harmless(text)
    assert all(is_harmless(line) for line in indented(text).split("\n"))


def test_json_is_laid_out_a_member_a_line():
    assert indented('{"a": 1, "b": [], "c": {"d": [1.0, {"e": "x,{}:"}]}}').splitlines() == [
        "{",
        '  "a": 1,',
        '  "b": [],',
        '  "c": {',
        '    "d": [',
        "      1.0,",
        "      {",
        '        "e": "x,{}:"',
        "      }",
        "    ]",
        "  }",
        "}",
    ]


def test_a_long_value_is_cut_between_two_characters():
    value = "\u00fc".encode() * 100

    assert payload(value, 51) == ("\u00fc" * 25, "text", True)
    assert preview(value, 10) == "\u00fc" * 9 + "\u2026"
    assert preview(b"0123456789", 10) == "0123456789"


def test_letters_of_any_script_and_wide_spaces_stay_as_they_are():
    text = "Gr\u00fc\u00dfe \u4f60\u597d \u0645\u0631\u062d\u0628\u0627\u3000\u00a0\U0001f600"

    assert escaped(text) == text
