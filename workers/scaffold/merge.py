"""Puts what a version changed in a file into a person's file of that name: a three-way merge, line by line."""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from typing import NamedTuple


class _Change(NamedTuple):
    """Lines in place of those in [first, end) of the original."""

    first: int
    end: int
    lines: tuple[str, ...]


def merge(path: str, original: str, theirs: str, new: str) -> str | None:
    """Both changes of the original, theirs and that of the new version; None: a person has to decide.

    So it is where both changed the same lines, or lines next to each other, in different ways; and where JSON would not
    be JSON afterwards.

    Args:
        path: of the file: by its name it is JSON or not.
        original: as an earlier version wrote it.
        theirs: what a person has made of it.
        new: what this version writes.
    """
    lines = original.splitlines(keepends=True)
    changes: list[_Change] = []
    for change in sorted({*_changes(lines, theirs), *_changes(lines, new)}):
        if changes and change.first <= changes[-1].end:
            return None
        changes.append(change)
    for first, end, others in reversed(changes):
        lines[first:end] = others
    merged = "".join(lines)
    return merged if not path.endswith(".json") or _is_json(merged) else None


def _changes(lines: list[str], text: str) -> list[_Change]:
    others = text.splitlines(keepends=True)
    opcodes = SequenceMatcher(None, lines, others, autojunk=False).get_opcodes()
    return [_Change(first, end, tuple(others[low:high])) for tag, first, end, low, high in opcodes if tag != "equal"]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
