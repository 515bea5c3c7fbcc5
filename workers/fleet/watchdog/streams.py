"""The streams of supervisord's protocol, kept apart from what this process prints."""

from __future__ import annotations

import os
from typing import TextIO


def take_streams() -> tuple[TextIO, TextIO]:
    """Reserve standard input and output for supervisord's protocol: a stray byte in it would break the listener for good.

    From now on standard input is empty, and what is printed goes to standard error.
    """
    events = os.fdopen(os.dup(0), encoding="utf-8", newline="\n")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    return events, answers
