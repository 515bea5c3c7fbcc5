"""The consoles that commands write to: a terminal, one without a cursor, or a pipe."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 160
WITHOUT_CURSOR = ("dumb", "unknown")
"""Values of TERM for a terminal that prints lines, and cannot move its cursor: inside an editor, for example."""


class Output(Console):
    """A console whose JSON is JSON: colours in it are for a person at a terminal, whatever FORCE_COLOR says."""

    def print_json(self, json: str | None = None, **options: Any) -> None:
        """See `rich.console.Console.print_json`."""
        super().print_json(json, **{"highlight": self.is_terminal, **options})


def console(*, stderr: bool = False) -> Output:
    """A console as wide as the terminal; wide if there is none, so that tables in a pipe are not folded.

    Its `is_terminal` says whether lines may be drawn again: not on a terminal without a cursor, and not in a pipe that gets
    colours by FORCE_COLOR. NO_COLOR takes the colours away, and has the last word: https://no-color.org, https://force-color.org.
    """
    stream = sys.stderr if stderr else sys.stdout
    is_tty = stream is not None and stream.isatty()
    options: dict[str, Any] = {}
    if os.environ.get("TERM", "").lower() in WITHOUT_CURSOR:
        options["force_terminal"] = False
    elif not is_tty and os.environ.get("FORCE_COLOR"):
        options |= {"force_terminal": False, "color_system": "standard"}
    # A value like rename:x: is no name of an emoji.
    found = Output(stderr=stderr, highlight=False, soft_wrap=True, emoji=False, **options)
    if is_tty and not found.is_terminal:
        found.width = shutil.get_terminal_size().columns
    elif not found.is_terminal:
        found.width = WIDTH_WITHOUT_TERMINAL
    return found
