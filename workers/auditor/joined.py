"""What the auditors of several topics say together. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from workers.state.audit_file import MOST_FOUND, Audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LONGEST_NAMES, LONGEST_PROBLEM = 200, 300
"""Characters: the file of the audit has room for so many."""


def joined(
    now: float, topics: str, audits: Sequence[Audit], records: int, unproven: Mapping[str, str], before: Audit
) -> Audit:
    """One audit of all topics.

    Args:
        topics: their names, as of `names`.
        audits: of the topics that exist.
        records: verified since the auditor was started.
        unproven: by topic that no auditor can look at, why: no route can have it, or Kafka refuses it. Its records are
            not accounted for, so `until` stands as long as it is there.
        before: what was said before.
    """
    until = _least(each.until for each in audits)
    recent = _least(each.recent if each.since else each.until for each in audits)
    since = min((each.since for each in audits if each.since), default=None)
    if not audits:
        until = recent = now
    if unproven:
        until = _least((until, before.until))
        recent = _least((recent, before.recent if before.since else before.until))
    problems = [f"{topic}: {why}" for topic, why in sorted(unproven.items())]
    problems += [f"{each.topic}: {each.problem}" for each in audits if each.problem]
    return Audit(
        now,
        until=None if since else until,
        records=records,
        missing=sum(each.missing for each in audits),
        twice=sum(each.twice for each in audits),
        unexplained=sum(each.unexplained for each in audits),
        unstable=sum(each.unstable for each in audits),
        problem=_shown(problems),
        since=since,
        recent=recent if since else None,
        passed=_least(each.passed for each in audits),
        unverified=sum(each.unverified for each in audits),
        found=tuple(place for each in audits for place in each.found)[:MOST_FOUND],
        removed=sum(each.removed for each in audits),
        removed_since=min((each.removed_since for each in audits if each.removed_since), default=None),
        set_back=min((each.set_back for each in audits if each.set_back), default=None),
        topic=topics,
        done=_least(each.done for each in audits) if audits else now,
    )


def names(topics: str) -> str:
    """The names of topics, for a file: as they are, or what is left of them with a hash."""
    if len(topics) <= LONGEST_NAMES:
        return topics
    return f"{topics[:LONGEST_NAMES]}... {hashlib.sha256(topics.encode()).hexdigest()[:16]}"


def _least(times: Iterable[float | None]) -> float | None:
    """None, if one of them is; or there is none."""
    found = list(times)
    known = [each for each in found if each is not None]
    return min(known) if known and len(known) == len(found) else None


def _shown(problems: Sequence[str]) -> str | None:
    if not problems:
        return None
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return problems[0][:LONGEST_PROBLEM] + more
