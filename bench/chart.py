"""A chart of bars as SVG. It needs no library, and reads on a light page and on a dark one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, LABEL, VALUE, ROW, BAR = 760, 210, 170, 26, 16
STYLE = "text{font:13px sans-serif;fill:#57606a}rect{fill:#2f81f7}.quiet{fill:#8c959f}.spread{stroke:#57606a;stroke-width:2}"


class Bar(NamedTuple):
    """`low` and `high` are drawn as a line at its end; `text` stands behind it."""

    label: str
    value: float
    low: float
    high: float
    text: str
    ours: bool = True
    """Others are grey."""


def bars(title: str, given: Sequence[Bar]) -> str:
    """One bar below the other, to one scale from 0 on."""
    most = max((bar.high for bar in given), default=0) or 1.0
    room = WIDTH - LABEL - VALUE
    height = ROW * (len(given) + 1) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text x="0" y="16" font-weight="bold">{escape(title)}</text>',
    ]
    for number, bar in enumerate(given, 1):
        top = number * ROW + 6
        length, low, high = (value / most * room for value in (bar.value, bar.low, bar.high))
        middle, kind = top + BAR / 2, "" if bar.ours else ' class="quiet"'
        parts += [
            f'<text x="{LABEL - 8}" y="{top + 13}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{LABEL}" y="{top}" width="{length:.1f}" height="{BAR}"{kind}/>',
            f'<path class="spread" d="M{LABEL + low:.1f} {middle}H{LABEL + high:.1f}"/>',
            f'<text x="{LABEL + high + 8:.1f}" y="{top + 13}">{escape(bar.text)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
