"""What the verdict says of pauses: who has paused what, since when, and why; and what is limited. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workers.fleet.sentences import capital, clock, plural
from workers.fleet.verdict_facts import Facts, Level, Verdict

if TYPE_CHECKING:
    from workers.pauses import Pause


def without_paused(facts: Facts) -> Facts:
    """The facts without what waits because somebody has paused it."""
    pauses = facts.status.pauses
    return replace(facts, holes={each: seconds for each, seconds in facts.holes.items() if not pauses.of(each)})


def paused(facts: Facts) -> Verdict | None:
    """Something is paused, and nothing is worse: that is told as long as it lasts."""
    pauses = sorted(facts.status.pauses.all, key=lambda each: (each.topic is not None, each.since))
    if not pauses or not facts.status.fleet:
        return None
    first, more = pauses[0], len(pauses) - 1
    others = f"; {plural(more, 'more pause')}, see `workers pause --list`" if more else ""
    since = clock(first.since, facts.now)
    text = f"{capital(first.what)} is paused since {since} by {first.by}: {first.because}"
    level = Level.CALM if facts.waiting == "nothing waits" else Level.ATTENTION
    return Verdict(level, text, f"{facts.waiting}; {_end(first)}{others}")


def limited(facts: Facts) -> str:
    """For the detail of a verdict: what keeps workers from reading as fast as they can; empty: nothing."""
    names = sorted({slot.limited_by for slot in facts.status.slots if slot.limited_by})
    return f"limited by {' and '.join(names)}" if names else ""


def _end(pause: Pause) -> str:
    if pause.topic is None:
        return "`workers resume` ends it"
    partition = "" if pause.partition is None else f" --partition {pause.partition}"
    return f"`workers resume --topic {pause.topic}{partition}` ends it"
