"""`workers status --watch`: draws the fleet twice a second until Ctrl-C, which leaves the last screen visible."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

REDRAW_SECONDS = 0.5
PLAIN_SECONDS = 5.0
"""The same on a terminal that cannot go back up: a screen below the other."""


def show_until_interrupted(console: Console, screen: Callable[[int], RenderableType]) -> None:
    """Draw what `screen` gives for a height, again and again, at the size that the terminal has by then."""
    with suppress(KeyboardInterrupt):
        if console.is_dumb_terminal:
            while True:
                console.print(screen(console.height), soft_wrap=False)
                time.sleep(PLAIN_SECONDS)
        while True:
            _draw_at_one_size(console, screen)
            # Lines that were longer than the new width are broken: what is left of the old screen cannot be drawn over.
            console.clear()


def _draw_at_one_size(console: Console, screen: Callable[[int], RenderableType]) -> None:
    """Until the size of the terminal changes."""
    # Not at the top: see `workers.cli`.
    from rich.live import Live

    size = console.size
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while console.size == size:
            live.update(screen(size.height), refresh=True)
            time.sleep(REDRAW_SECONDS)
