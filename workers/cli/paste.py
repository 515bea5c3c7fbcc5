"""Commands that a person is to paste: wrapped at the width of the terminal such that they stay commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

BAD = "bold red"
SHORT_COMMAND = 30
"""Characters of a command that is not divided."""


def wrap(text: str, width: int) -> Iterator[str]:
    """Lines of at most so many columns, where no word is longer. What stands in `...` stays a command: a line that ends in
    the middle of it ends with a backslash, so that it can be pasted.
    """
    yield from _wrap(text, width, inside=False)


def _wrap(text: str, width: int, *, inside: bool) -> Iterator[str]:
    line = ""
    for word in _words(text):
        continued = " \\" if inside else ""
        if line and len(line) + 1 + len(word) + (2 if inside or word.count("`") % 2 else 0) > width:
            yield line + continued
            line = word
        else:
            line = f"{line} {word}" if line else word
        inside ^= word.count("`") % 2 == 1
    if line:
        yield line


def _words(text: str) -> list[str]:
    """An option and its value stay together, and so does a short command."""
    found: list[str] = []
    for word in re.findall(rf"[^\s`]*`[^`]{{1,{SHORT_COMMAND}}}`\S*|\S+", text):
        is_value = found and re.fullmatch(r"--[a-z-]+", found[-1]) and not word.startswith("-")
        if is_value:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def missing_topic(topic: str, command: str, width: int) -> list[tuple[str, Text]]:
    """For `workers status`: the topic is the user's to make, with the partitions and copies that it needs.

    Returns:
        Labels, and lines of at most that width.
    """
    first = Text.assemble(f"{topic}: ", ("there is no such topic yet", BAD), "; this makes it:")
    lines = [*_wrap(command, width, inside=True), "or `workers produce`, only to try it with numbers"]
    return [("topic", first), *(("", Text(line)) for line in lines)]
