"""Keys, values and documents as text for people. What a payload holds never reaches the terminal as a control character."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_INDENTED = 256 * 1024
"""Characters of JSON that are put one member a line; a longer one is shown as it is."""
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
OPENING, CLOSING = ("{", "["), ("}", "]")
HARMLESS = ("Zs",)
"""Spaces of other widths are no control characters."""


class Payload(NamedTuple):
    """Bytes as people read them."""

    text: str
    """Without any control character, and on one line."""
    kind: str
    """`none`, `empty`, `json`, `text` or `binary`."""
    cut: bool = False
    """Whether it is the beginning only."""


def payload(value: bytes | None, most: int = 2**20) -> Payload:
    """What these bytes are. Args: most: bytes that are looked at, and shown."""
    if value is None:
        return Payload("none", "none")
    if not value:
        return Payload("empty", "empty")
    begin, cut = value[:most], len(value) > most
    text = _decoded(begin, cut=cut)
    if text is None:
        return Payload(binary(begin), "binary", cut)
    if not cut and is_json(text):
        return Payload(escaped_json(text), "json")
    return Payload(escaped(text), "text", cut)


def preview(value: bytes | None, most: int) -> str:
    """The beginning of these bytes, in at most so many characters."""
    if not value:
        return payload(value).text
    found = payload(value, most * 4)
    whole = len(found.text) <= most and not found.cut
    return found.text if whole else f"{found.text[: max(0, most - 1)]}\u2026"


def escaped(text: str) -> str:
    """The same text, in which every character that a terminal could obey is an escape: C0, C1, marks for the direction of
    text, line separators, halves of surrogate pairs, and what Unicode has not assigned. A backslash is doubled.
    """
    return "".join(_escape(each) for each in text.replace("\\", "\\\\"))


def escaped_json(text: str) -> str:
    """The same JSON, with the same meaning: outside of strings such characters are white space, inside they have an escape."""
    return "".join(
        token if token.isascii() and token.isprintable() else "".join(_json_escape(each) for each in token)
        for token in _spaced(text)
    )


def binary(value: bytes) -> str:
    """Bytes that are no UTF-8: ASCII as it is, all others in hexadecimal."""
    return "".join(chr(each) if 0x20 <= each < 0x7F and each != 0x5C else f"\\x{each:02x}" for each in value)


def is_json(text: str) -> bool:
    """Whether this is JSON, by the rules of the standard library, which are wider than ours."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def indented(text: str) -> str:
    """The same JSON, one member a line. No part is changed: 1.0 stays 1.0, and a name that is there twice is there twice."""
    if len(text) > LONGEST_INDENTED:
        return text
    parts = TOKEN.findall(text)
    lines, line, depth = [], "", 0
    for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
        if part in CLOSING and before not in OPENING:
            depth -= 1
            lines.append(line)
            line = "  " * depth
        line += ": " if part == ":" else part
        if part == "," or (part in OPENING and after not in CLOSING):
            depth += part != ","
            lines.append(line)
            line = "  " * depth
    return "\n".join([*lines, line])


def _decoded(value: bytes, *, cut: bool) -> str | None:
    """The text of these bytes; None: they are none. Args: cut: the last character may have been cut in the middle."""
    for missing in range(4 if cut else 1):
        try:
            return value[: len(value) - missing].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return None


def _spaced(text: str) -> Iterator[str]:
    """The tokens, and one space for the white space between two of them, wherever there is some."""
    end = 0
    for found in TOKEN.finditer(text):
        if found.start() > end and end:
            yield " "
        yield found[0]
        end = found.end()


def _is_safe(character: str) -> bool:
    category = unicodedata.category(character)
    return category in HARMLESS or category[0] not in "CZ"


def _escape(character: str) -> str:
    if _is_safe(character):
        return character
    code = ord(character)
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def _json_escape(character: str) -> str:
    return character if _is_safe(character) else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")
