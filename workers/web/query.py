"""The query of a request for the timeline."""

from __future__ import annotations

from urllib.parse import parse_qsl

DEFAULT_SECONDS, LEAST_SECONDS, MOST_SECONDS = 120, 60, 86_400
LONGEST = 100
"""Characters of a query."""


class BadQueryError(ValueError):
    """A query that is none, with what is allowed, in one line."""


def seconds_asked(query: str) -> int:
    """How far back: `seconds=N`, a whole number of seconds; without it 120.

    Raises:
        BadQueryError: something else is asked.
    """
    fields = parse_qsl(query, keep_blank_values=True, max_num_fields=2) if len(query) <= LONGEST else [("", "")]
    if not fields and not query:
        return DEFAULT_SECONDS
    text = fields[0][1] if len(fields) == 1 and fields[0][0] == "seconds" else ""
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_SECONDS)) else 0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise BadQueryError(f"ask for seconds=N, a whole number from {LEAST_SECONDS} to {MOST_SECONDS}")
    return seconds
