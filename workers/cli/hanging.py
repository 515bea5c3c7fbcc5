"""A line of a terminal that is too long goes on below itself: nothing is cut, and nothing stands where labels stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

LEAST_WIDTH = 20


class Hanging:
    """Labels of fixed widths, and a text."""

    def __init__(self, body: Text, *labels: tuple[str | Text, int]) -> None:
        """Args: labels: each with its width."""
        self._labels = Text()
        for label, width in labels:
            text = label.copy() if isinstance(label, Text) else Text(label)
            text.truncate(width - 1, overflow="ellipsis")
            text.pad_right(width - text.cell_len)
            self._labels.append_text(text)
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        indent = self._labels.cell_len
        lines = self._body.wrap(console, max(LEAST_WIDTH, options.max_width - indent), overflow="fold")
        for number, line in enumerate(lines):
            line.rstrip()
            yield Text.assemble(Text(" " * indent) if number else self._labels, line)
