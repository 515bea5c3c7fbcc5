"""The report of `workers doctor` on a terminal: a mark, a line, and below it the fix; any width, with and without UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from workers.cli.paste import wrap
from workers.findings import Severity, count

if TYPE_CHECKING:
    from rich.console import Console

    from workers.doctor.examination import Report

MARKS = {Severity.OK: "✓", Severity.WARNING: "!", Severity.WRONG: "✗", Severity.UNKNOWN: "?"}
PLAIN_MARKS = {Severity.OK: "ok", Severity.WARNING: "!", Severity.WRONG: "X", Severity.UNKNOWN: "?"}
"""Where the terminal does not show other characters than ASCII."""
STYLES = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.WRONG: "bold red", Severity.UNKNOWN: "yellow"}
WIDEST, NARROWEST = 100, 40
"""Columns: a longer line is hard to read."""


def report(console: Console, found: Report) -> None:
    """Print it: a heading for each subject, then the result in one line."""
    plain = not (console.encoding or "").lower().startswith("utf")
    marks = PLAIN_MARKS if plain else MARKS
    width = max(NARROWEST, min(WIDEST, console.width))
    column = 3 if plain else 2
    for section in found.sections:
        console.print(Text(section.name, style="bold"))
        for finding in section.findings:
            mark = f"{marks[finding.mark]:<{column}}"
            style = "" if finding.mark is Severity.OK else STYLES[finding.mark]
            lines = list(wrap(_shown(finding.text, plain=plain), width - 2 - column))
            console.print(Text.assemble("  ", (mark, STYLES[finding.mark]), (lines[0], style)), soft_wrap=True)
            for line in lines[1:]:
                console.print(Text(" " * (2 + column) + line, style=style), soft_wrap=True)
            arrow = "-> " if plain else "→ "
            for number, line in enumerate(wrap(_shown(finding.fix, plain=plain), width - 2 - column - len(arrow))):
                before = arrow if number == 0 else " " * len(arrow)
                console.print(Text(" " * (2 + column) + before + line), soft_wrap=True)
    console.print()
    console.print(_result(found), soft_wrap=True)


def _shown(text: str, *, plain: bool) -> str:
    """Nothing of a server or a setting moves the cursor; where there is no UTF-8, the rest is escaped too."""
    text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return text.encode("ascii", "backslashreplace").decode() if plain else text


def _result(found: Report) -> Text:
    wrong, warnings, unknown = (found.count(mark) for mark in (Severity.WRONG, Severity.WARNING, Severity.UNKNOWN))
    took = f", in {found.seconds:.1f} s"
    checks = sum(found.count(mark) for mark in Severity)
    rest = [
        *([count(warnings, "warning")] if warnings else []),
        *([f"{unknown} not known"] if unknown else []),
    ]
    if wrong:
        things = "1 thing is wrong" if wrong == 1 else f"{wrong} things are wrong"
        return Text(", ".join([things, *rest]) + took, style="bold red")
    if unknown:
        return Text(f"nothing wrong was seen; {', '.join(rest)}{took}", style="yellow")
    if warnings:
        return Text(f"nothing is wrong; {', '.join(rest)}{took}", style="yellow")
    return Text(f"all is well: {count(checks, 'finding')}{took}", style="green")
