"""Findings about several things of one kind: what is the same of many is said once. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from workers.findings import Finding, Severity, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_LINES = 3
"""Of one check, for things of which all is well, and for all others."""
NAMED = 4
"""Things that are named in one line."""
ITS_NAME = "\0"
"""Stands for the name of the thing, while what is said of several is compared."""
ORDER = [Severity.WRONG, Severity.WARNING, Severity.UNKNOWN, Severity.OK]


def grouped(found: Mapping[str, Sequence[Finding]], of_what: str) -> Iterator[Finding]:
    """Args: found: by the name of the thing. of_what: for people, `topics`."""
    by_check: dict[str, dict[Finding, list[str]]] = {}
    for name, said in found.items():
        for each in said:
            general = replace(each, text=_without(each.text, name), fix=_without(each.fix, name))
            by_check.setdefault(each.check, {}).setdefault(general, []).append(name)
    for of_check in by_check.values():
        for is_well in (False, True):
            chosen = {each: names for each, names in of_check.items() if (each.mark is Severity.OK) is is_well}
            yield from _lines(chosen, len(found), of_what)


def listed(names: Sequence[str]) -> str:
    """Names for a sentence: the first ones, and how many more."""
    more = f" and {count(len(names) - NAMED, 'other')}" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _lines(said: Mapping[Finding, Sequence[str]], total: int, of_what: str) -> Iterator[Finding]:
    """A line for each thing that is said, the worst and the most frequent first; of many, one line for the others."""
    order = sorted(said, key=lambda each: (ORDER.index(each.mark), -len(said[each])))
    shown = order if len(order) <= MOST_LINES else order[: MOST_LINES - 1]
    for each in shown:
        yield _about(each, said[each], total, of_what)
    if others := order[len(shown) :]:
        names = sorted({name for each in others for name in said[each]})
        first = _about(others[0], said[others[0]][:1], total, of_what)
        yield replace(first, text=f"{len(names)} {of_what} ({listed(names)}) are different, for example {first.text}")


def _about(finding: Finding, names: Sequence[str], total: int, of_what: str) -> Finding:
    """The finding, with the names of those of which it is said."""
    first = names[0]
    if len(names) == 1:
        who = "" if ITS_NAME in finding.text else f"{first}: "
        return replace(
            finding, text=who + finding.text.replace(ITS_NAME, first), fix=finding.fix.replace(ITS_NAME, first)
        )
    who = f"all {total} {of_what}" if len(names) == total else f"{len(names)} {of_what} ({listed(names)})"
    # The fix for one of them is that for the others.
    return replace(
        finding, text=f"{who}: {finding.text.replace(ITS_NAME, 'each')}", fix=finding.fix.replace(ITS_NAME, first)
    )


def _without(text: str, name: str) -> str:
    return re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", ITS_NAME, text)
